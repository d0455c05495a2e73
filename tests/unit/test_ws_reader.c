/* The reader of messages: scripts of frames, fed in pieces of every size, must give the same events, keep no more
 * input than promised, and be refused with the right code. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ws/ws_reader.h"

enum { SCRIPT_MAX = 1 << 21, LOG_MAX = 1 << 16 };

static const struct ws_reader_limits roomy = {.limit = 1 << 20, .wire_limit = 1 << 24, .oversize_head = 64};

struct script {
    uint8_t *bytes;
    size_t length;
};

static int set_up(void **state) {
    struct script *script = calloc(1, sizeof *script);
    script->bytes = malloc(SCRIPT_MAX);
    *state = script;
    return 0;
}

static int tear_down(void **state) {
    struct script *script = *state;
    free(script->bytes);
    free(script);
    return 0;
}

static void add(struct script *script, bool final, enum ws_opcode opcode, bool masked, const void *payload,
                size_t length) {
    struct ws_frame_header header = {.final = final,
                                     .opcode = opcode,
                                     .masked = masked,
                                     .length = length,
                                     .mask = {0xa1, 0x07, 0xff, 0x5c}};
    assert_true(script->length + WS_HEADER_MAX + length <= SCRIPT_MAX);
    script->length += ws_frame_encode(&header, script->bytes + script->length);
    if (length > 0) {
        memcpy(script->bytes + script->length, payload, length);
    }
    if (masked) {
        ws_unmask(script->bytes + script->length, length, header.mask, 0);
    }
    script->length += length;
}

static void send_masked(struct script *script, bool final, enum ws_opcode opcode, const char *text) {
    add(script, final, opcode, true, text, strlen(text));
}

/* What a run showed. */
struct run {
    char log[LOG_MAX]; /* an event after another, as text */
    size_t at;
    int result; /* of the last call */
    uint16_t code;
    size_t kept_max; /* input left with the caller, at most */
    size_t calls;
};

static void note(struct run *run, const struct ws_event *event) {
    static const char *const names[] = {"message", "oversize", "ping", "pong", "close"};
    size_t room = sizeof run->log - run->at;
    int length = snprintf(run->log + run->at, room, "%s%s%.0d:", names[event->type],
                          event->text ? " text" : "", event->type == WS_EVENT_CLOSE ? event->code : 0);
    assert_true(length > 0 && (size_t)length + event->data.length + 2 < room);
    run->at += (size_t)length;
    memcpy(run->log + run->at, event->data.data, event->data.length);
    run->at += event->data.length;
    run->log[run->at++] = ';';
    run->log[run->at] = '\0';
}

/* Feeds the script in pieces of `piece` bytes as a connection would: what is not consumed comes again at the front of
 * another allocation of exactly that size. */
static void feed(const struct script *script, enum ws_role role, const struct ws_reader_limits *limits,
                 size_t piece, bool full, struct run *run) {
    memset(run, 0, sizeof *run);
    struct ws_reader reader;
    ws_reader_init(&reader, role, limits);
    uint8_t *in = malloc(1);
    size_t length = 0;
    for (size_t at = 0; at < script->length && run->result >= 0;) {
        size_t more = script->length - at < piece ? script->length - at : piece;
        uint8_t *larger = malloc(length + more);
        assert_non_null(larger);
        memcpy(larger, in, length);
        memcpy(larger + length, script->bytes + at, more);
        free(in);
        in = larger;
        length += more;
        at += more;
        do {
            struct ws_event event = {0};
            size_t consumed = 0;
            size_t needed = 0;
            struct daffi_fault fault = {0};
            run->result = ws_reader_next(&reader, in, length, &event, &consumed, &needed, &run->code, &fault);
            run->calls++;
            if (run->result < 0) {
                assert_non_null(fault.text);
                break;
            }
            if (run->result == 1 && full) {
                note(run, &event);
            }
            assert_true(consumed <= length);
            length -= consumed;
            uint8_t *rest = malloc(length > 0 ? length : 1);
            assert_non_null(rest);
            memcpy(rest, in + consumed, length);
            free(in);
            in = rest;
            if (run->result == 0) {
                assert_true(needed > length);
                run->kept_max = length > run->kept_max ? length : run->kept_max;
            }
        } while (run->result == 1);
    }
    free(in);
}

static struct run run_one, run_two; /* too large for a stack */

/* Every size of piece gives `events`, and `code` at the end (0: the script goes through). */
static void expect(const struct script *script, enum ws_role role, const struct ws_reader_limits *limits,
                   const char *events, uint16_t code) {
    for (size_t piece = 1; piece <= script->length; piece++) {
        feed(script, role, limits, piece, true, &run_one);
        assert_string_equal(run_one.log, events);
        assert_int_equal(run_one.code, code);
        assert_int_equal(run_one.result, code == 0 ? 0 : code == WS_CODE_TOO_LARGE ? -EMSGSIZE : -EPROTO);
    }
    /* and each single cut */
    for (size_t cut = 1; cut < script->length; cut++) {
        struct script first = {script->bytes, cut};
        feed(&first, role, limits, cut, true, &run_two);
        assert_memory_equal(run_two.log, events, run_two.at);
        assert_true(run_two.result == 0 || run_two.code == code);
    }
}

static void messages_come_whole_at_every_split(void **state) {
    struct script *script = *state;
    send_masked(script, true, WS_BINARY, "one");
    send_masked(script, true, WS_BINARY, "");
    send_masked(script, true, WS_TEXT, "tw\xc3\xb6");
    send_masked(script, true, WS_BINARY, "a longer one, of more than two words");
    expect(script, WS_SERVER, &roomy,
           "message:one;message:;message text:tw\xc3\xb6;message:a longer one, of more than two words;", 0);
}

static void fragments_are_moved_together_around_control_frames(void **state) {
    struct script *script = *state;
    send_masked(script, false, WS_BINARY, "fr");
    send_masked(script, true, WS_PING, "p1");
    send_masked(script, false, WS_CONTINUATION, "agm");
    send_masked(script, false, WS_CONTINUATION, "");
    send_masked(script, true, WS_PONG, "");
    send_masked(script, true, WS_PING, "p2");
    send_masked(script, true, WS_CONTINUATION, "ents of words");
    send_masked(script, false, WS_TEXT, "");
    send_masked(script, false, WS_CONTINUATION, "\xe2\x82");
    send_masked(script, true, WS_PING, "p3");
    send_masked(script, true, WS_CONTINUATION, "\xac");
    send_masked(script, true, WS_CLOSE, "\x03\xe8gone");
    expect(
        script, WS_SERVER, &roomy,
        "ping:p1;pong:;ping:p2;message:fragments of words;ping:p3;message text:\xe2\x82\xac;close1000:gone;",
        0);
}

static void a_client_reads_what_is_not_masked(void **state) {
    struct script *script = *state;
    add(script, false, WS_BINARY, false, "ab", 2);
    add(script, true, WS_PING, false, "x", 1);
    add(script, true, WS_CONTINUATION, false, "cd", 2);
    add(script, true, WS_CLOSE, false, "", 0);
    expect(script, WS_CLIENT, &roomy, "ping:x;message:abcd;close1005:;", 0);
}

static void what_follows_a_close_is_thrown_away(void **state) {
    struct script *script = *state;
    send_masked(script, false, WS_BINARY, "never ended");
    send_masked(script, true, WS_CLOSE, "\x03\xe9");
    send_masked(script, true, WS_PING, "x");
    send_masked(script, true, WS_TEXT, "\xff");
    expect(script, WS_SERVER, &roomy, "close1001:;", 0);
    assert_int_equal(run_one.kept_max, 0);
}

static void order_and_masks_are_insisted_on(void **state) {
    struct script *script = *state;
    static const struct {
        enum ws_role role;
        uint16_t code;
        const char *events;
        struct {
            const char *text;
            enum ws_opcode opcode;
            bool final, masked;
        } frames[3];
    } cases[] = {
        {WS_SERVER, 1002, "", {{"x", WS_BINARY, true, false}}},
        {WS_SERVER, 1002, "", {{"", WS_PING, true, false}}},
        {WS_CLIENT, 1002, "", {{"x", WS_BINARY, true, true}}},
        {WS_SERVER, 1002, "", {{"x", WS_CONTINUATION, true, true}}},
        {WS_SERVER, 1002, "", {{"", WS_CONTINUATION, false, true}}},
        {WS_SERVER, 1002, "", {{"x", WS_BINARY, false, true}, {"y", WS_BINARY, true, true}}},
        {WS_SERVER,
         1002,
         "ping:p;",
         {{"x", WS_TEXT, false, true}, {"p", WS_PING, true, true}, {"y", WS_TEXT, false, true}}},
        {WS_SERVER, 1002, "message:x;", {{"x", WS_BINARY, true, true}, {"y", WS_CONTINUATION, true, true}}},
        {WS_SERVER, 1002, "", {{"\x03", WS_CLOSE, true, true}}},
        {WS_SERVER, 1007, "", {{"\x03\xe8\xc3\x28", WS_CLOSE, true, true}}},
        {WS_SERVER, 1007, "", {{"\x03\xe8\xe2\x82", WS_CLOSE, true, true}}},
        {WS_SERVER, 1002, "", {{"x", (enum ws_opcode)3, true, true}}},
        {WS_SERVER, 1002, "", {{"x", WS_PING, false, true}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        script->length = 0;
        for (size_t k = 0; k < 3 && cases[i].frames[k].text != NULL; k++) {
            const char *text = cases[i].frames[k].text;
            add(script, cases[i].frames[k].final, cases[i].frames[k].opcode, cases[i].frames[k].masked, text,
                strlen(text));
        }
        expect(script, cases[i].role, &roomy, cases[i].events, cases[i].code);
    }
}

static void close_codes_are_checked(void **state) {
    struct script *script = *state;
    for (unsigned code = 0; code < 6000; code++) {
        bool valid = (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
                     (code >= 3000 && code <= 4999);
        uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
        script->length = 0;
        add(script, true, WS_CLOSE, true, payload, 2);
        feed(script, WS_SERVER, &roomy, script->length, true, &run_one);
        assert_int_equal(run_one.code, valid ? 0 : 1002);
        assert_int_equal(run_one.at > 0, valid);
    }
}

static void text_is_refused_at_its_first_wrong_byte(void **state) {
    struct script *script = *state;
    static const struct {
        const char *good, *bad; /* what may still become UTF-8, and the byte that ends that */
    } cases[] = {
        {"\xce\xba\xe1\xbd\xb9", "\xff"},
        {"", "\x80"},
        {"", "\xc0"},
        {"", "\xc1"},
        {"\xe0", "\x9f"},
        {"\xed", "\xa0"},
        {"\xf0", "\x8f"},
        {"\xf4", "\x90"},
        {"", "\xf5"},
        {"\xc3", "\x28"},
        {"\xe2\x82", "x"},
        {"\xf0\x9f\x98", "\xc0"},
        {"eight by", "\xfe"},
        {"\xe2", "\x28\xa1"},
        {"0123456789", "\xbf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int split = 0; split <= 1; split++) {
            char text[64];
            snprintf(text, sizeof text, "%s%s and more", cases[i].good, cases[i].bad);
            size_t good = strlen(cases[i].good);
            script->length = 0;
            if (split) {
                add(script, false, WS_TEXT, true, text, good);
                send_masked(script, false, WS_CONTINUATION, text + good);
            } else {
                send_masked(script, true, WS_TEXT, text);
            }
            expect(script, WS_SERVER, &roomy, "", 1007);
            /* at that byte, not later; and not before */
            size_t end = script->length - strlen(text + good);
            struct script early = {script->bytes, end};
            feed(&early, WS_SERVER, &roomy, 1, true, &run_one);
            assert_int_equal(run_one.result, 0);
            early.length = end + 1;
            feed(&early, WS_SERVER, &roomy, 1, true, &run_one);
            assert_int_equal(run_one.code, 1007);
        }
    }
    script->length = 0;
    send_masked(script, false, WS_TEXT, "\xe2\x82");
    send_masked(script, true, WS_CONTINUATION, "");
    expect(script, WS_SERVER, &roomy, "", 1007);
}

static void an_oversize_message_shows_its_first_bytes_and_is_swallowed(void **state) {
    struct script *script = *state;
    static const struct ws_reader_limits small = {.limit = 8, .wire_limit = 200, .oversize_head = 5};
    char many[101];
    memset(many, 'm', 100);
    many[100] = '\0';
    /* fed byte by byte: no more of it is kept than asked for */
    send_masked(script, true, WS_BINARY, "12345678");
    send_masked(script, true, WS_BINARY, many);
    send_masked(script, false, WS_TEXT, "abc");
    send_masked(script, false, WS_CONTINUATION, "defghi");
    send_masked(script, true, WS_PING, "in");
    send_masked(script, false, WS_CONTINUATION, many);
    send_masked(script, true, WS_CONTINUATION, "");
    send_masked(script, true, WS_BINARY, "after");
    feed(script, WS_SERVER, &small, 1, true, &run_one);
    assert_string_equal(run_one.log,
                        "message:12345678;oversize:mmmmm;oversize text:abcde;ping:in;message:after;");
    assert_int_equal(run_one.result, 0);
    assert_true(run_one.kept_max < 40);
    /* in larger pieces it may show more, never less */
    for (size_t piece = 2; piece <= script->length; piece++) {
        feed(script, WS_SERVER, &small, piece, true, &run_one);
        assert_int_equal(run_one.result, 0);
        assert_non_null(strstr(run_one.log, "oversize:mmmmm"));
        assert_non_null(strstr(run_one.log, "oversize text:abcde"));
        assert_non_null(strstr(run_one.log, "ping:in;message:after;"));
    }
}

static void an_oversize_message_shorter_than_its_head_is_shown_whole(void **state) {
    struct script *script = *state;
    static const struct ws_reader_limits small = {.limit = 4, .wire_limit = 200, .oversize_head = 50};
    send_masked(script, false, WS_BINARY, "abc");
    send_masked(script, false, WS_CONTINUATION, "def");
    send_masked(script, true, WS_CONTINUATION, "ghi");
    send_masked(script, true, WS_BINARY, "ok");
    expect(script, WS_SERVER, &small, "oversize:abcdefghi;message:ok;", 0);
}

static void past_the_wire_limit_it_is_refused_by_its_header(void **state) {
    struct script *script = *state;
    static const struct ws_reader_limits small = {.limit = 4, .wire_limit = 10, .oversize_head = 2};
    send_masked(script, true, WS_BINARY, "0123456789");
    feed(script, WS_SERVER, &small, 1, true, &run_one);
    assert_string_equal(run_one.log, "oversize:01;");
    script->length = 0;
    send_masked(script, true, WS_BINARY, "0123456789a");
    expect(script, WS_SERVER, &small, "", 1009);
    script->length = 6; /* the header alone */
    expect(script, WS_SERVER, &small, "", 1009);
    script->length = 0;
    static const uint8_t huge[] = {0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4};
    memcpy(script->bytes, huge, sizeof huge);
    script->length = sizeof huge;
    expect(script, WS_SERVER, &small, "", 1009);
}

/* Floods: what is kept, and the work done, stay in proportion to what has come. */
static void floods_keep_little_and_cost_little(void **state) {
    struct script *script = *state;
    send_masked(script, false, WS_BINARY, "start");
    for (size_t i = 0; i < 100000; i++) {
        add(script, false, WS_CONTINUATION, true, "", 0);
    }
    feed(script, WS_SERVER, &roomy, 4096, true, &run_one);
    assert_int_equal(run_one.result, 0);
    assert_true(run_one.kept_max < 16384);
    assert_true(run_one.calls < 200); /* one a piece: the flood causes no event */
    script->length = 0;
    send_masked(script, false, WS_BINARY, "start");
    for (size_t i = 0; i < 100000; i++) {
        add(script, true, WS_PING, true, "flood", 5);
    }
    add(script, true, WS_CONTINUATION, true, " end", 4);
    feed(script, WS_SERVER, &roomy, 4096, false, &run_one);
    assert_int_equal(run_one.result, 0);
    assert_true(run_one.kept_max < 16384);
    assert_true(run_one.calls < 100300);
}

static void many_small_fragments_keep_at_most_twice_the_message(void **state) {
    struct script *script = *state;
    enum { FRAGMENTS = 200000 };
    for (size_t i = 0; i < FRAGMENTS; i++) {
        uint8_t byte = (uint8_t)(i * 7);
        add(script, i == FRAGMENTS - 1, i == 0 ? WS_BINARY : WS_CONTINUATION, true, &byte, 1);
    }
    feed(script, WS_SERVER, &roomy, 1500, false, &run_one);
    assert_int_equal(run_one.result, 0);
    assert_true(run_one.kept_max <= 2 * FRAGMENTS + 8192);
    assert_true(run_one.calls <= script->length / 1500 + 3);
}

/* A header's promise takes no memory: what is asked for grows with what came. */
static void needed_grows_with_what_has_come(void **state) {
    (void)state;
    static const uint8_t header[] = {0x82, 0xff, 0, 0, 0, 0, 0, 0x0f, 0, 0, 1, 2, 3, 4};
    uint8_t in[sizeof header];
    memcpy(in, header, sizeof in);
    struct ws_reader reader;
    ws_reader_init(&reader, WS_SERVER, &roomy);
    struct ws_event event;
    size_t consumed;
    size_t needed;
    uint16_t code;
    struct daffi_fault fault;
    assert_int_equal(ws_reader_next(&reader, in, sizeof in, &event, &consumed, &needed, &code, &fault), 0);
    assert_int_equal(consumed, sizeof in);
    assert_int_equal(needed, 65536);
    uint8_t *more = calloc(1, 300000);
    assert_non_null(more);
    assert_int_equal(ws_reader_next(&reader, more, 300000, &event, &consumed, &needed, &code, &fault), 0);
    assert_int_equal(consumed, 0);
    assert_int_equal(needed, 600000);
    free(more);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_come_whole_at_every_split, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fragments_are_moved_together_around_control_frames, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_client_reads_what_is_not_masked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_follows_a_close_is_thrown_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(order_and_masks_are_insisted_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(close_codes_are_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(text_is_refused_at_its_first_wrong_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_oversize_message_shows_its_first_bytes_and_is_swallowed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_oversize_message_shorter_than_its_head_is_shown_whole, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(past_the_wire_limit_it_is_refused_by_its_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(floods_keep_little_and_cost_little, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_small_fragments_keep_at_most_twice_the_message, set_up,
                                        tear_down),
        cmocka_unit_test(needed_grows_with_what_has_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
