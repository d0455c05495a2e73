/* JSON payloads: what passes, and what is refused, where and why. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "daffi/payload.h"
#include "guarded.h"

enum { TEXT_MAX = 1 << 16 };

static int check(enum daffi_flag flag, struct daffi_span payload, unsigned nesting,
                 struct daffi_fault *ret_fault) {
    const struct daffi_message message = {
        .flag = flag, .decoder = DAFFI_JSON, .payload = guarded_copy(&guarded, payload)};
    return daffi_payload_check(&message, nesting, ret_fault);
}

static void assert_good(enum daffi_flag flag, const char *payload) {
    struct daffi_fault fault = {"untouched", 7};
    if (check(flag, daffi_span_text(payload), 64, &fault) != 0)
        fail_msg("refused: %.200s: %s at %zu", payload, fault.text, fault.offset);
    assert_string_equal(fault.text, "untouched");
}

/* Refused in a sentence that holds `says`, at `offset`. */
static void assert_bad(enum daffi_flag flag, const char *payload, size_t offset, const char *says) {
    struct daffi_fault fault = {"", 0};
    if (check(flag, daffi_span_text(payload), 64, &fault) != -EBADMSG)
        fail_msg("accepted: %.200s", payload);
    if (!strstr(fault.text, says) || fault.offset != offset)
        fail_msg("%.200s: '%s' at %zu, not '%s' at %zu", payload, fault.text, fault.offset, says, offset);
}

static const char *request_with(const char *value) {
    static char text[TEXT_MAX];
    const int length = snprintf(text, sizeof text, "{\"args\":[%s],\"kwargs\":{}}", value);
    assert_true(length > 0 && (size_t)length < sizeof text);
    return text;
}

enum { VALUE_AT = 9 }; /* where the value begins in it */

static void requests_that_pass(void **state) {
    (void)state;
    static const char *const good[] = {
        "{\"args\":[],\"kwargs\":{}}",
        "{\"kwargs\":{},\"args\":[]}",
        " \t\r\n{ \"args\" : [ ] , \"kwargs\" : { } } \n",
        "{\"args\":[1,[2,{\"a\":{}}],[]],\"kwargs\":{\"b\":[{},[],[[]]],\"c\":null,\"b\":1}}",
        "{\"args\":[{\"args\":1,\"kwargs\":2,\"\":3}],\"kwargs\":{\"\":0,\"\\u0000\":0}}",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_good(DAFFI_REQUEST, good[i]);
}

static void envelopes_that_do_not(void **state) {
    (void)state;
    static const struct {
        const char *payload;
        size_t offset;
        const char *says;
    } bad[] = {
        {"", 0, "empty"},
        {"   ", 3, "args"},
        {"[]", 0, "{\"args\""},
        {"[[],{}]", 0, "{\"args\""},
        {"null", 0, "{\"args\""},
        {"{}", 1, "key"},
        {"{\"args\":[]}", 10, "{\"args\""},
        {"{\"kwargs\":{}}", 12, "{\"args\""},
        {"{\"args\":{},\"kwargs\":{}}", 8, "\"args\" has to be an array"},
        {"{\"args\":1,\"kwargs\":{}}", 8, "\"args\" has to be an array"},
        {"{\"args\":[],\"kwargs\":[]}", 20, "\"kwargs\" has to be an object"},
        {"{\"args\":[],\"kwargs\":null}", 20, "\"kwargs\" has to be an object"},
        {"{\"args\":[],\"args\":[],\"kwargs\":{}}", 11, "each once"},
        {"{\"args\":[],\"kwargs\":{},\"args\":[]}", 22, "nothing else"},
        {"{\"args\":[],\"kwargs\":{},\"\\u0061rgs\":[]}", 22, "nothing else"},
        {"{\"\\u0061rgs\":[],\"kwargs\":{}}", 1, "{\"args\""},
        {"{\"arg\":[],\"kwargs\":{}}", 1, "{\"args\""},
        {"{\"argss\":[],\"kwargs\":{}}", 1, "{\"args\""},
        {"{\"args\":[],\"kwargs\":{},}", 22, "nothing else"},
        {"{,\"args\":[],\"kwargs\":{}}", 1, "key"},
        {"{\"args\" [],\"kwargs\":{}}", 8, "colon"},
        {"{args:[],kwargs:{}}", 1, "key"},
        {"{'args':[],'kwargs':{}}", 1, "key"},
        {"{\"args\":[],\"kwargs\":{}", 22, "{\"args\""},
        {"{\"args\":[],\"kwargs\":{}}}", 23, "behind"},
        {"{\"args\":[],\"kwargs\":{}} {}", 24, "behind"},
        {"{\"args\":[],\"kwargs\":{}}\f", 23, "behind"},
        {"\xEF\xBB\xBF{\"args\":[],\"kwargs\":{}}", 0, "{\"args\""},
        {"{\"args\":[\"\xFF\"],\"kwargs\":{}}", 10, "UTF-8"},
        {"{\"args\":[\"\xED\xA0\x80\"],\"kwargs\":{}}", 10, "UTF-8"},
        {"{\"args\":[],\"kwargs\":{1:2}}", 21, "key"},
        {"{\"args\":[],\"kwargs\":{\"a\"}}", 24, "colon"},
        {"{\"args\":[],\"kwargs\":{\"a\":}}", 25, "value"},
        {"{\"args\":[],\"kwargs\":{\"a\":1,}}", 27, "key"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_bad(DAFFI_REQUEST, bad[i].payload, bad[i].offset, bad[i].says);

    /* A NUL is no end. */
    struct daffi_fault fault;
    static const char nul[] = "{\"args\":[],\"kwargs\":{}}";
    assert_int_equal(check(DAFFI_REQUEST, daffi_span_of(nul, sizeof nul), 64, &fault), -EBADMSG);
    assert_int_equal(fault.offset, sizeof nul - 1);
}

static void values(void **state) {
    (void)state;
    static const char *const good[] = {
        "0",
        "-0",
        "1",
        "-1",
        "10",
        "1.5",
        "0.0",
        "-0.0e0",
        "1e5",
        "1E+5",
        "1e-5",
        "1e999",
        "123456789012345678901234567890",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"",
        "\"\\ud83d\\ude00\"",
        "\"\\uD83D\\uDE00\\u0000\"",
        "\"\x7F\xC3\xA9\xF0\x9F\x98\x80\"",
        "[]",
        "{}",
        "[[],{}]",
        "[1,2]",
        "{\"a\":1,\"b\":[2]}",
        "\"0123456789012345678901234567890123456789\\\"0123456789\xC3\xA9\"",
        " 1 , 2 ",
        "\"]}{[\\\\\"",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_good(DAFFI_REQUEST, request_with(good[i]));

    static const struct {
        const char *value;
        size_t offset;
        const char *says;
    } bad[] = {
        {"01", 2, "number"},
        {"-", 1, "number"},
        {"+1", 0, "no JSON value"},
        {".5", 0, "no JSON value"},
        {"1.", 2, "point"},
        {"1.e5", 2, "point"},
        {"1e", 2, "exponent"},
        {"1e+", 3, "exponent"},
        {"0x1", 1, "comma"},
        {"1 2", 2, "comma"},
        {"-01", 3, "number"},
        {"--1", 1, "number"},
        {"True", 0, "no JSON value"},
        {"tru", 0, "no JSON value"},
        {"nul", 0, "no JSON value"},
        {"nulll", 4, "comma"},
        {"NaN", 0, "NaN"},
        {"Infinity", 0, "Infinity"},
        {"-Infinity", 1, "number"},
        {"undefined", 0, "no JSON value"},
        {",", 0, "no JSON value"},
        {"1,", 2, "no JSON value"},
        {"[1,]", 3, "no JSON value"},
        {"{]", 1, "key"},
        {"[}", 1, "no JSON value"},
        {"{\"a\":1]", 6, "comma or }"},
        {"[1}", 2, "comma or ]"},
        {"'a'", 0, "no JSON value"},
        {"/**/1", 0, "no JSON value"},
        {"\"\\x\"", 1, "escape"},
        {"\"\\u12\"", 1, "hexadecimal"},
        {"\"\\u12g4\"", 1, "hexadecimal"},
        {"\"\\u 123\"", 1, "hexadecimal"},
        {"\"\\U0041\"", 1, "escape"},
        {"\"\t\"", 1, "control"},
        {"\"a\nb\"", 2, "control"},
        {"\"\x01\"", 1, "control"},
        {"\"0123456789\x1F\"", 11, "control"},
        {"\"\\ud800\"", 1, "surrogate"},
        {"\"\\udc00\"", 1, "surrogate"},
        {"\"\\ud83d\\ud83d\"", 1, "surrogate"},
        {"\"\\ude00\\ud83d\"", 1, "surrogate"},
        {"\"\\ud83d\\u0041\"", 1, "surrogate"},
        {"\"\\ud83dx\"", 1, "surrogate"},
        {"\"\\ud83d\\n\"", 1, "surrogate"},
        {"{\"\\ud800\":1}", 2, "surrogate"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_bad(DAFFI_REQUEST, request_with(bad[i].value), VALUE_AT + bad[i].offset, bad[i].says);
}

static void integers_have_4300_digits_at_most(void **state) {
    (void)state;
    char number[DAFFI_INTEGER_DIGITS_MAX + 8];
    for (size_t sign = 0; sign <= 1; sign++)
        for (size_t over = 0; over <= 1; over++) {
            const size_t length = sign + DAFFI_INTEGER_DIGITS_MAX + over;
            memset(number, '9', length);
            if (sign)
                number[0] = '-';
            number[length] = '\0';
            if (over)
                assert_bad(DAFFI_REQUEST, request_with(number), VALUE_AT, "4300 digits");
            else
                assert_good(DAFFI_REQUEST, request_with(number));
            memcpy(number + length, "e1", 3); /* floats may be as long as they like */
            assert_good(DAFFI_REQUEST, request_with(number));
            memcpy(number + length, ".0", 3);
            assert_good(DAFFI_REQUEST, request_with(number));
        }
}

static void answers(void **state) {
    (void)state;
    static const char *const good[] = {
        "{\"args\": [7], \"kwargs\": {}}",
        "{\"kwargs\": {}, \"args\": [[1, {\"a\": 2}]]}",
        "{\"args\": [NaN], \"kwargs\": {}}",
        "{\"args\": [[Infinity, -Infinity, {\"a\": NaN}]], \"kwargs\": { }}",
        "{\"args\": [\"\\ud800\"], \"kwargs\": {}}",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_good(DAFFI_RESPONSE, good[i]);
    static const struct {
        const char *payload;
        size_t offset;
        const char *says;
    } bad[] = {
        {"{\"args\": [], \"kwargs\": {}}", 10, "one value"},
        {"{\"args\": [1, 2], \"kwargs\": {}}", 11, "one value"},
        {"{\"args\": [1], \"kwargs\": {\"a\": 1}}", 25, "empty"},
        {"{\"args\": 1, \"kwargs\": {}}", 9, "array"},
        {"{\"args\": [1]}", 12, "nothing else"},
        {"{\"args\": [Nan], \"kwargs\": {}}", 10, "no JSON value"},
        {"{\"args\": [-Inf], \"kwargs\": {}}", 11, "no JSON value"},
        {"{\"args\": [-NaN], \"kwargs\": {}}", 11, "number"},
        {"{\"args\": [\"\\ud80\"], \"kwargs\": {}}", 11, "hexadecimal"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_bad(DAFFI_RESPONSE, bad[i].payload, bad[i].offset, bad[i].says);
}

static void errors(void **state) {
    (void)state;
    static const char *const good[] = {
        "{\"args\": [[\"ValueError\", \"builtins\", \"kaboom\", null]], \"kwargs\": {}}",
        "{\"args\": [[\"\", \"\", \"\\ud800\", [1, {\"a\": NaN}]]], \"kwargs\": {}}",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_good(DAFFI_ERROR, good[i]);
    static const char *const bad[] = {
        "[\"a\", \"b\", \"c\"]",
        "[\"a\", \"b\", \"c\", null, 1]",
        "[\"a\", \"b\", 1, null]",
        "[null, \"b\", \"c\", null]",
        "[]",
        "\"a\"",
        "{}",
        "[\"a\", \"b\", \"c\", ]",
        "[\"a\", \"b\"]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct daffi_fault fault;
        assert_int_equal(check(DAFFI_ERROR, daffi_span_text(request_with(bad[i])), 64, &fault), -EBADMSG);
    }
}

static void handshakes_and_events_have_any_shape(void **state) {
    (void)state;
    static const char *const good[] = {
        "{}", "[]", "1", " null ", "{\"meta\":{\"type\":\"client\"},\"members\":[]}", "\"\""};
    static const char *const bad[] = {"",    " ",     "NaN",    "{\"a\":1}{", "\"\\ud800\"",
                                      "[1,", "\"abc", "{\"a\"", "[",          "tru"};
    for (int flag = DAFFI_HANDSHAKE; flag <= DAFFI_EVENTS; flag += DAFFI_EVENTS - DAFFI_HANDSHAKE) {
        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
            assert_good((enum daffi_flag)flag, good[i]);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            struct daffi_fault fault;
            assert_int_equal(check((enum daffi_flag)flag, daffi_span_text(bad[i]), 64, &fault), -EBADMSG);
        }
    }
}

/* Writes `levels` arrays or objects in each other around nothing. */
static struct daffi_span nested(unsigned levels, char kind) {
    static char text[TEXT_MAX];
    size_t length = 0;
    for (unsigned i = 0; i < levels; i++) {
        const bool object = kind == '{' || (kind == '*' && i % 3 == 1);
        const char *open = i == levels - 1 ? (object ? "{" : "[") : object ? "{\"a\":" : "[";
        memcpy(text + length, open, strlen(open));
        length += strlen(open);
    }
    for (unsigned i = levels; i-- > 0;)
        text[length++] = kind == '{' || (kind == '*' && i % 3 == 1) ? '}' : ']';
    return daffi_span_of(text, length);
}

static void nesting_is_bounded(void **state) {
    (void)state;
    static const unsigned bounds[] = {1, 2, 3, 7, 8, 9, 64, 511, 512, 513, 100000};
    struct daffi_fault fault;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        const unsigned effective = bounds[i] < DAFFI_NESTING_MAX ? bounds[i] : DAFFI_NESTING_MAX;
        for (const char *kind = "[{*"; *kind; kind++) {
            assert_int_equal(check(DAFFI_EVENTS, nested(effective, *kind), bounds[i], &fault), 0);
            assert_int_equal(check(DAFFI_EVENTS, nested(effective + 1, *kind), bounds[i], &fault), -EBADMSG);
            assert_non_null(strstr(fault.text, "deeper"));
        }
    }
    /* The envelope counts: two levels around an argument, three around what an ERROR's array holds. */
    assert_int_equal(check(DAFFI_REQUEST, daffi_span_text("{\"args\":[1],\"kwargs\":{}}"), 2, &fault), 0);
    assert_int_equal(check(DAFFI_REQUEST, daffi_span_text("{\"args\":[[]],\"kwargs\":{}}"), 2, &fault),
                     -EBADMSG);
    assert_int_equal(check(DAFFI_REQUEST, daffi_span_text("{\"args\":[],\"kwargs\":{\"a\":{}}}"), 2, &fault),
                     -EBADMSG);
    assert_int_equal(check(DAFFI_REQUEST, daffi_span_text("{\"args\":[],\"kwargs\":{}}"), 1, &fault),
                     -EBADMSG);
    const struct daffi_span error = daffi_span_text("{\"args\":[[\"\",\"\",\"\",[]]],\"kwargs\":{}}");
    assert_int_equal(check(DAFFI_ERROR, error, 4, &fault), 0);
    assert_int_equal(check(DAFFI_ERROR, error, 3, &fault), -EBADMSG);
}

/* Cut anywhere, a good payload is refused: at the cut, or where what is missing begins. */
static void every_cut_is_refused(void **state) {
    (void)state;
    static const char *const whole[] = {
        "{\"args\":[1,-2.5e3,\"a\\u00e9\\ud83d\\ude00\xC3\xA9\",true,null,[[],{\"k\":[]}]],\"kwargs\":{\"x\":"
        "{\"y\":false}}}",
        "{\"args\": [[\"ValueError\", \"builtins\", \"kaboom \\n\", null]], \"kwargs\": {}}",
        "{\"args\": [-Infinity], \"kwargs\": {}}",
    };
    static const enum daffi_flag flags[] = {DAFFI_REQUEST, DAFFI_ERROR, DAFFI_RESPONSE};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        assert_good(flags[i], whole[i]);
        for (size_t cut = 0; cut < strlen(whole[i]); cut++) {
            struct daffi_fault fault = {"", SIZE_MAX};
            assert_int_equal(check(flags[i], daffi_span_of(whole[i], cut), 64, &fault), -EBADMSG);
            assert_true(fault.offset <= cut);
            assert_true(strlen(fault.text) > 0);
        }
    }
}

/* The fast path steps eight bytes: what stops it has to be seen at each place in a step. */
static void strings_of_every_length(void **state) {
    (void)state;
    static const char *const stops[] = {"",     "\\n", "\xC3\xA9", "\\\"", "\xA2\x22" /* not UTF-8 */,
                                        "\x1F", "\x7F"};
    char value[128];
    for (size_t stop = 0; stop < sizeof stops / sizeof *stops; stop++)
        for (int before = 0; before < 40; before++)
            for (int after = 0; after < 12; after++) {
                snprintf(value, sizeof value, "\"%.*s%s%.*s\"", before,
                         "''''''!!!!!!####]]]][[[[~~~~zzzzAAAAAAAAAA", stops[stop], after, "~~~~~~~~~~~~");
                struct daffi_fault fault;
                const bool good = stop != 4 && stop != 5;
                assert_int_equal(check(DAFFI_REQUEST, daffi_span_text(request_with(value)), 64, &fault),
                                 good ? 0 : -EBADMSG);
            }
}

static void is_bytes_is_all_the_same(void **state) {
    (void)state;
    struct daffi_fault fault;
    struct daffi_message message = {.flag = DAFFI_REQUEST,
                                    .decoder = DAFFI_JSON,
                                    .is_bytes = true,
                                    .payload = daffi_span_text("{\"args\":[],\"kwargs\":{}}")};
    assert_int_equal(daffi_payload_check(&message, 64, &fault), 0);
    message.payload = daffi_span_of("\xFF\xFE{\0", 4); /* UTF-16, which json.loads would take as bytes */
    assert_int_equal(daffi_payload_check(&message, 64, &fault), -EBADMSG);
    message.payload = daffi_span_of(NULL, 0);
    assert_int_equal(daffi_payload_check(&message, 64, &fault), -EBADMSG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_that_pass),
        cmocka_unit_test(envelopes_that_do_not),
        cmocka_unit_test(values),
        cmocka_unit_test(integers_have_4300_digits_at_most),
        cmocka_unit_test(answers),
        cmocka_unit_test(errors),
        cmocka_unit_test(handshakes_and_events_have_any_shape),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(strings_of_every_length),
        cmocka_unit_test(is_bytes_is_all_the_same),
    };
    return cmocka_run_group_tests(tests, guarded_set_up, guarded_tear_down);
}
