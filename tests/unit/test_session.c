/* A session between a scripted transport and a scripted backend: every state, every way out of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/session.h"
#include "ops/log.h"

enum { TOLD_MAX = 32, TEXT_MAX = 1024 };

/* What was sent one way: the last messages, each as bytes. */
struct told {
    size_t count;
    size_t lengths[TOLD_MAX];
    uint8_t bytes[TOLD_MAX][TEXT_MAX];
};

struct attachment {
    int unused;
};

struct house {
    struct config *config;
    struct memory_budget memory;
    struct bridge bridge;
    uint64_t now;
    struct session *session;
    /* the transport */
    struct told down;
    uint16_t closed_with; /* 0: not yet */
    char reason[TEXT_MAX];
    int pauses;
    bool down_congested, opened;
    /* the backend */
    struct backend backend;
    struct attachment attachment;
    int attach_result, send_result;
    struct told up;
    char member[TEXT_MAX];
    uint16_t uuid;
    bool attached, up_congested;
};

static struct house *house; /* of the test that runs: a backend has no owner to be found by */

static void keep(struct told *told, struct daffi_span head, struct daffi_span payload) {
    assert_in_range(told->count, 0, TOLD_MAX - 1);
    assert_in_range(head.length + payload.length, 0, TEXT_MAX);
    memcpy(told->bytes[told->count], head.data, head.length);
    memcpy(told->bytes[told->count] + head.length, payload.data, payload.length);
    told->lengths[told->count++] = head.length + payload.length;
}

static struct daffi_message read_told(const struct told *told, size_t at) {
    struct daffi_message message;
    struct daffi_fault fault;
    size_t size;
    assert_in_range(at + 1, 1, told->count);
    const struct daffi_span bytes = daffi_span_of(told->bytes[at], told->lengths[at]);
    assert_int_equal(daffi_message_decode(bytes, &message, &size, &fault), 0);
    assert_int_equal(size, told->lengths[at]);
    return message;
}

/* -- the transport -- */

static int transport_send(void *owner, struct daffi_span head, struct daffi_span payload) {
    (void)owner;
    keep(&house->down, head, payload);
    return 0;
}

static void transport_close(void *owner, uint16_t code, const char *reason) {
    (void)owner;
    assert_int_equal(house->closed_with, 0);
    house->closed_with = code;
    snprintf(house->reason, sizeof house->reason, "%s", reason);
}

static void transport_pause(void *owner) {
    (void)owner;
    house->pauses++;
}

static void transport_resume(void *owner) {
    (void)owner;
    house->pauses--;
}

static bool transport_is_congested(const void *owner) {
    (void)owner;
    return house->down_congested;
}

static void transport_on_open(void *owner) {
    (void)owner;
    house->opened = true;
}

static size_t transport_queued(const void *owner) {
    (void)owner;
    return 0;
}

static const struct session_transport transport = {
    transport_send,         transport_close,   transport_pause, transport_resume,
    transport_is_congested, transport_on_open, transport_queued};

/* -- the backend -- */

static int backend_attach(struct backend *backend, struct session *session,
                          const struct daffi_handshake *handshake, uint16_t uuid,
                          struct attachment **ret_attachment) {
    assert_ptr_equal(backend, &house->backend);
    assert_ptr_equal(session, house->session);
    assert_int_equal(handshake->members_count, 1);
    if (house->attach_result < 0) {
        return house->attach_result;
    }
    snprintf(house->member, sizeof house->member, "%s", handshake->members[0].name);
    house->uuid = uuid;
    house->attached = true;
    *ret_attachment = &house->attachment;
    return 0;
}

static int backend_send(struct attachment *attachment, struct daffi_span head, struct daffi_span payload) {
    assert_ptr_equal(attachment, &house->attachment);
    assert_true(house->attached);
    if (house->send_result == 0) {
        keep(&house->up, head, payload);
    }
    return house->send_result;
}

static void backend_detach(struct attachment *attachment) {
    assert_ptr_equal(attachment, &house->attachment);
    assert_true(house->attached);
    house->attached = false;
}

static bool backend_is_congested(const struct attachment *attachment) {
    assert_ptr_equal(attachment, &house->attachment);
    return house->up_congested;
}

static const struct backend_operations operations = {backend_attach, backend_send, backend_detach,
                                                     backend_is_congested};

/* -- setting up -- */

static uint64_t clock_of_test(void *argument) {
    return ((struct house *)argument)->now;
}

static int set_up(void **state) {
    (void)state;
    log_start(CONFIG_LOG_ERROR, CONFIG_LOG_TEXT);
    house = calloc(1, sizeof *house);
    house->config = config_new();
    house->memory.limit = 1 << 20;
    house->now = 1000;
    if (reactor_new(&house->memory, &house->bridge.reactor) < 0) {
        return -1;
    }
    reactor_set_clock(house->bridge.reactor, clock_of_test, house);
    house->bridge.config = house->config;
    house->backend = (struct backend){.operations = &operations, .name = "default"};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    if (house->session != NULL) {
        session_on_closed(house->session, "the test is over");
    }
    assert_null(house->bridge.sessions);
    assert_false(house->attached);
    reactor_free(house->bridge.reactor);
    config_free(house->config);
    free(house);
    return 0;
}

static void begin(enum guard_kind kind, bool has_backend, bool wants_offer) {
    const struct session_setup setup = {
        .bridge = &house->bridge,
        .kind = kind,
        .backend = has_backend ? &house->backend : NULL,
        .no_backend = "no upstream called \"x\"; there are: default",
        .wants_offer = wants_offer,
        .address = "192.0.2.1",
        .transport = &transport,
        .transport_owner = house,
    };
    assert_int_equal(session_new(&setup, &house->session), 0);
}

static size_t encode(const struct daffi_message *message, uint8_t out[TEXT_MAX]) {
    int head = daffi_message_encode_head(message, out, TEXT_MAX);
    assert_true(head > 0);
    memcpy(out + head, message->payload.data, message->payload.length);
    return (size_t)head + message->payload.length;
}

/* Through bytes, as both sides do it. */
static void hand_over(struct daffi_message message,
                      void (*to)(struct session *, const struct daffi_message *, struct daffi_span)) {
    uint8_t bytes[TEXT_MAX];
    size_t size;
    struct daffi_fault fault;
    struct daffi_span all = daffi_span_of(bytes, encode(&message, bytes));
    assert_int_equal(daffi_message_decode(all, &message, &size, &fault), 0);
    to(house->session, &message, all);
}

static struct daffi_message make(enum daffi_flag flag, const char *transmitter, const char *receiver,
                                 const char *payload) {
    return (struct daffi_message){
        .uuid = 9,
        .flag = flag,
        .decoder = DAFFI_JSON,
        .return_result = flag <= DAFFI_REQUEST,
        .transmitter = daffi_span_text(transmitter),
        .receiver = daffi_span_text(receiver),
        .function = daffi_span_text(flag == DAFFI_HANDSHAKE || flag == DAFFI_EVENTS ? "" : "add"),
        .payload = daffi_span_text(payload),
    };
}

static const char CALL[] = "{\"args\":[1,2],\"kwargs\":{}}";
static const char ANSWER[] = "{\"args\": [3], \"kwargs\": {}}";
static const char HELLO[] =
    "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"page\",\"methods\":null}]}";
static const char WELCOME[] =
    "{\"meta\":{\"type\":\"router\",\"error\":null},\"members\":[{\"name\":\"w1\",\"methods\":[\"add\"]}]}";

static void peer_says(struct daffi_message message) {
    hand_over(message, session_on_message);
}

static void backend_says(struct daffi_message message) {
    hand_over(message, session_on_backend_message);
}

static void open_session(enum guard_kind kind) {
    begin(kind, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    backend_says(make(DAFFI_HANDSHAKE, "page", "", WELCOME));
    assert_true(house->opened);
    assert_int_equal(house->down.count, 1);
    house->down.count = 0;
}

static void time_passes(uint64_t ms) {
    house->now += ms;
    assert_int_equal(reactor_turn(house->bridge.reactor, 0), 0);
}

static void assert_text(struct daffi_span span, const char *text) {
    assert_int_equal(span.length, strlen(text));
    assert_memory_equal(span.data, text, span.length);
}

static void assert_holds(struct daffi_span span, const char *text) {
    if (memmem(span.data, span.length, text, strlen(text)) == NULL) {
        fail_msg("\"%.*s\" does not hold \"%s\"", (int)span.length, (const char *)span.data, text);
    }
}

/* The last message down is the bridge's own ERROR of that call. */
static void assert_refused(uint16_t uuid, const char *type, const char *text) {
    const struct daffi_message message = read_told(&house->down, house->down.count - 1);
    assert_int_equal(message.flag, DAFFI_ERROR);
    assert_int_equal(message.decoder, DAFFI_JSON);
    assert_int_equal(message.uuid, uuid);
    assert_holds(message.payload, type);
    assert_holds(message.payload, "daffi_bridge");
    assert_holds(message.payload, text);
}

/* -- the handshake -- */

static void a_handshake_is_answered_when_the_backend_has_answered(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    assert_true(house->attached);
    assert_string_equal(house->member, "page");
    assert_int_equal(house->uuid, 9);
    assert_int_equal(house->down.count, 0);
    assert_false(house->opened);
    backend_says(make(DAFFI_HANDSHAKE, "page", "", WELCOME));
    assert_true(house->opened);
    const struct daffi_message answer = read_told(&house->down, 0);
    assert_int_equal(answer.uuid, 9);
    assert_text(answer.transmitter, "page");
    assert_text(answer.payload, WELCOME);
    time_passes(house->config->timeouts.handshake * 2);
    assert_int_equal(house->closed_with, 0);
}

static void only_who_asks_is_told_of_the_bridge(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, true);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    backend_says(make(DAFFI_HANDSHAKE, "page", "", WELCOME));
    assert_holds(read_told(&house->down, 0).payload, "\"bridge\":{\"abi\":1,\"maxMessage\":8388608");
    backend_says(make(DAFFI_HANDSHAKE, "other", "", WELCOME));
    assert_text(read_told(&house->down, 1).payload, WELCOME);
}

static void bad_handshakes_never_reach_the_backend(void **state) {
    (void)state;
    static const struct {
        enum daffi_flag flag;
        const char *transmitter, *payload;
        size_t answers;
    } cases[] = {
        {DAFFI_REQUEST, "page", CALL, 0},
        {DAFFI_EVENTS, "page", "{}", 0},
        {DAFFI_HANDSHAKE, "page", "{", 1},
        {DAFFI_HANDSHAKE, "other", HELLO, 1},
        {DAFFI_HANDSHAKE, "page",
         "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"page\",\"methods\":[\"f\"]}]}", 1},
        {DAFFI_HANDSHAKE, "page",
         "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"page\",\"methods\":null},{\"name\":\"w\","
         "\"methods\":null}]}",
         1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(GUARD_BROWSER, true, false);
        peer_says(make(cases[i].flag, cases[i].transmitter, "", cases[i].payload));
        assert_int_equal(house->closed_with, 1008);
        assert_false(house->attached);
        assert_int_equal(house->down.count, cases[i].answers);
        if (cases[i].answers > 0) {
            assert_refused(9, "Refused", "");
        }
        session_on_closed(house->session, "");
        house->session = NULL;
        house->closed_with = 0;
        house->down.count = 0;
    }
}

static void a_native_peer_may_bring_functions(void **state) {
    (void)state;
    begin(GUARD_NATIVE, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "",
                   "{\"meta\":{\"type\":\"client\",\"error\":null},\"members\":[{\"name\":\"page\","
                   "\"methods\":[\"f\"]}]}"));
    assert_true(house->attached);
}

static void an_unknown_upstream_is_refused_by_the_handshake(void **state) {
    (void)state;
    begin(GUARD_BROWSER, false, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    assert_refused(9, "Refused", "there are: default");
    assert_int_equal(house->closed_with, 1008);
}

static void native_peers_are_refused_in_the_form_they_show(void **state) {
    (void)state;
    begin(GUARD_NATIVE, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    session_on_backend_lost(house->session, 1013, "the upstream is not there");
    const struct daffi_message answer = read_told(&house->down, 0);
    assert_int_equal(answer.flag, DAFFI_HANDSHAKE);
    assert_int_equal(answer.uuid, 9);
    assert_text(answer.transmitter, "page");
    assert_holds(answer.payload, "\"error\":\"the upstream is not there\"");
    assert_int_equal(house->closed_with, 1013);
    assert_false(house->attached);
}

static void silence_ends_it(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, false);
    time_passes(house->config->timeouts.handshake - 1);
    assert_int_equal(house->closed_with, 0);
    time_passes(1);
    assert_int_equal(house->closed_with, 1008);
}

static void a_silent_upstream_is_given_up(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    time_passes(house->config->timeouts.upstream_connect);
    assert_refused(9, "Refused", "did not answer within 3000 ms");
    assert_int_equal(house->closed_with, 1013);
    assert_false(house->attached);
}

static void a_backend_that_fails_at_once_is_a_refusal(void **state) {
    (void)state;
    house->attach_result = -ENOMEM;
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    assert_refused(9, "Refused", "can't be reached");
    assert_int_equal(house->closed_with, 1013);
}

static void the_upstreams_refusals_are_told(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    struct daffi_message no = make(DAFFI_ERROR, "page", "", "UnknownField");
    no.decoder = DAFFI_OPAQUE;
    backend_says(no);
    assert_refused(9, "Refused", "UnknownField");
    assert_int_equal(house->closed_with, 1008);
    session_on_closed(house->session, "");
    house->closed_with = 0;
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    backend_says(make(DAFFI_HANDSHAKE, "page", "",
                      "{\"meta\":{\"type\":\"router\",\"error\":\"name taken\"},\"members\":[]}"));
    assert_refused(9, "Refused", "name taken");
    assert_int_equal(house->closed_with, 1008);
}

static void nothing_may_be_said_before_the_answer(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    peer_says(make(DAFFI_REQUEST, "page", "w1", CALL));
    assert_int_equal(house->closed_with, 1008);
    assert_int_equal(house->up.count, 0);
    assert_false(house->attached);
}

/* -- open -- */

static void calls_and_answers_pass_as_they_are(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    peer_says(make(DAFFI_REQUEST, "page", "w1", CALL));
    const struct daffi_message call = read_told(&house->up, 0);
    assert_text(call.receiver, "w1");
    assert_text(call.payload, CALL);
    backend_says(make(DAFFI_RESPONSE, "w1", "page", ANSWER));
    assert_text(read_told(&house->down, 0).payload, ANSWER);
}

static void a_bad_payload_is_answered_and_the_session_stays(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    peer_says(make(DAFFI_REQUEST, "page", "w1", "{\"args\":[1,?],\"kwargs\":{}}"));
    assert_refused(9, "Refused", "at byte 11");
    const struct daffi_message answer = read_told(&house->down, 0);
    assert_text(answer.transmitter, "w1");
    assert_text(answer.receiver, "page");
    struct daffi_message nowait = make(DAFFI_REQUEST, "page", "w1", "?");
    nowait.return_result = false;
    peer_says(nowait);
    assert_int_equal(house->down.count, 1);
    assert_int_equal(house->up.count, 0);
    assert_int_equal(house->closed_with, 0);
}

static void violations_close(void **state) {
    (void)state;
    static const struct {
        enum daffi_flag flag;
        const char *transmitter;
    } cases[] = {{DAFFI_HANDSHAKE, "page"},
                 {DAFFI_EVENTS, "page"},
                 {DAFFI_RESPONSE, "page"},
                 {DAFFI_REQUEST, "other"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_session(GUARD_BROWSER);
        peer_says(make(cases[i].flag, cases[i].transmitter, "w1", CALL));
        assert_int_equal(house->closed_with, 1008);
        assert_false(house->attached);
        peer_says(make(DAFFI_REQUEST, "page", "w1", CALL));
        backend_says(make(DAFFI_RESPONSE, "w1", "page", ANSWER));
        assert_int_equal(house->up.count, 0);
        assert_int_equal(house->down.count, 0);
        session_on_closed(house->session, "");
        house->session = NULL;
        house->closed_with = 0;
    }
}

static void malformed_closes_with_1002(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    session_on_malformed(house->session, "four bars");
    assert_int_equal(house->closed_with, 1002);
    assert_string_equal(house->reason, "four bars");
    assert_false(house->attached);
}

static void too_large_is_answered_with_both_sizes(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    const struct daffi_message message = make(DAFFI_REQUEST, "page", "w1", "");
    session_on_oversize(house->session, &message, 9000000);
    assert_refused(9, "Refused", "9000000");
    assert_refused(9, "Refused", "8388608");
    assert_int_equal(house->closed_with, 0);
    const struct daffi_message forged = make(DAFFI_REQUEST, "other", "w1", "");
    session_on_oversize(house->session, &forged, 9000000);
    assert_int_equal(house->closed_with, 1008);
}

static void too_large_before_the_handshake_closes(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, false);
    const struct daffi_message message = make(DAFFI_HANDSHAKE, "page", "", "");
    session_on_oversize(house->session, &message, 9000000);
    assert_int_equal(house->closed_with, 1009);
}

static void a_full_backend_is_busy(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    house->send_result = -EBUSY;
    peer_says(make(DAFFI_REQUEST, "page", "w1", CALL));
    assert_refused(9, "Busy", "");
    assert_int_equal(house->closed_with, 0);
}

static void news_is_written_anew(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    struct daffi_message news =
        make(DAFFI_EVENTS, "", "", "{ \"type\" : \"connected\", \"member\" : \"w2\" }");
    news.uuid = 0;
    backend_says(news);
    const struct daffi_message told = read_told(&house->down, 0);
    assert_int_equal(told.uuid, 0);
    assert_text(told.payload, "{\"type\":\"connected\",\"member\":\"w2\"}");
    backend_says(make(DAFFI_HANDSHAKE, "somebody", "", WELCOME));
    assert_text(read_told(&house->down, 1).transmitter, "somebody");
}

static void pickle_errors_become_json(void **state) {
    (void)state;
    static const uint8_t pickle[] = "\x80\x04\x95\x58\0\0\0\0\0\0\0(\x8c\x09TypeError\x94\x8c\x08"
                                    "builtins\x94\x8c\x04"
                                    "boom\x94Nt\x94\x85\x94}\x94\x86\x94.";
    open_session(GUARD_BROWSER);
    struct daffi_message error = make(DAFFI_ERROR, "w1", "page", "");
    error.decoder = DAFFI_PICKLE;
    error.payload = daffi_span_of(pickle, sizeof pickle - 1);
    backend_says(error);
    const struct daffi_message told = read_told(&house->down, 0);
    assert_int_equal(told.decoder, DAFFI_JSON);
    assert_int_equal(told.uuid, 9);
    assert_text(told.transmitter, "w1");
    assert_holds(told.payload, "\"TypeError\", \"builtins\", \"boom\"");
    error.payload = daffi_span_text("nonsense");
    backend_says(error);
    assert_holds(read_told(&house->down, 1).payload, "can't be read");
    struct daffi_message answer = make(DAFFI_RESPONSE, "w1", "page", "x");
    answer.decoder = DAFFI_PICKLE;
    backend_says(answer);
    assert_refused(9, "Refused", "PICKLE");
}

static void a_call_of_a_page_is_answered_for_it(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    backend_says(make(DAFFI_REQUEST, "w1", "page", CALL));
    assert_int_equal(house->down.count, 0);
    const struct daffi_message answer = read_told(&house->up, 0);
    assert_int_equal(answer.flag, DAFFI_ERROR);
    assert_text(answer.transmitter, "page");
    assert_text(answer.receiver, "w1");
    assert_holds(answer.payload, "NoSuchMethod");
}

static void a_workers_bad_answer_is_replaced(void **state) {
    (void)state;
    open_session(GUARD_NATIVE);
    peer_says(make(DAFFI_RESPONSE, "page", "w1", "{"));
    const struct daffi_message answer = read_told(&house->up, 0);
    assert_int_equal(answer.flag, DAFFI_ERROR);
    assert_int_equal(answer.uuid, 9);
    assert_text(answer.receiver, "w1");
    assert_holds(answer.payload, "Refused");
}

static void a_backend_that_speaks_nonsense_ends_the_session(void **state) {
    (void)state;
    static const struct {
        enum daffi_flag flag;
        const char *receiver, *payload;
    } cases[] = {{DAFFI_RESPONSE, "other", ANSWER}, {DAFFI_EVENTS, "", "{"}, {DAFFI_HANDSHAKE, "", "[]"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_session(GUARD_BROWSER);
        backend_says(make(cases[i].flag, "w1", cases[i].receiver, cases[i].payload));
        assert_int_equal(house->closed_with, 1011);
        assert_false(house->attached);
        session_on_closed(house->session, "");
        house->session = NULL;
        house->closed_with = 0;
    }
}

static void a_lost_upstream_is_told(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    session_on_backend_lost(house->session, 1012, "the upstream was lost");
    assert_int_equal(house->closed_with, 1012);
    assert_string_equal(house->reason, "the upstream was lost");
    assert_int_equal(house->down.count, 0);
}

/* -- backpressure -- */

static void a_page_is_not_read_while_either_side_is_behind(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    house->up_congested = true;
    peer_says(make(DAFFI_REQUEST, "page", "w1", CALL));
    assert_int_equal(house->pauses, 1);
    house->down_congested = true;
    backend_says(make(DAFFI_RESPONSE, "w1", "page", ANSWER));
    assert_int_equal(house->pauses, 1);
    house->up_congested = false;
    session_on_backend_drained(house->session);
    assert_int_equal(house->pauses, 1);
    house->down_congested = false;
    session_on_drained(house->session);
    assert_int_equal(house->pauses, 0);
}

static void a_native_peer_is_always_read(void **state) {
    (void)state;
    open_session(GUARD_NATIVE);
    house->up_congested = house->down_congested = true;
    peer_says(make(DAFFI_REQUEST, "page", "w1", CALL));
    assert_int_equal(house->pauses, 0);
}

/* -- the end -- */

static void the_peer_may_leave_in_any_state(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, false);
    session_on_closed(house->session, "gone");
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    session_on_closed(house->session, "gone");
    assert_false(house->attached);
    open_session(GUARD_BROWSER);
    session_on_closed(house->session, "gone");
    house->session = NULL;
    assert_false(house->attached);
    assert_int_equal(house->closed_with, 0);
    time_passes(house->config->timeouts.handshake * 2);
}

static void the_program_may_end_all(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    assert_ptr_equal(session_next(&house->bridge, NULL), house->session);
    assert_null(session_next(&house->bridge, house->session));
    session_close(house->session, 1001, "shutting down");
    assert_int_equal(house->closed_with, 1001);
    session_close(house->session, 1011, "again");
    assert_int_equal(house->closed_with, 1001);
}

/* -- what the router inside says -- */

static void own_news(const struct daffi_message *message) {
    uint8_t bytes[TEXT_MAX];
    session_on_backend_news(house->session, daffi_span_of(bytes, encode(message, bytes)));
}

static void own_welcome(struct session *session, const struct daffi_message *message,
                        struct daffi_span bytes) {
    session_on_backend_welcome(session, message, bytes);
}

static void what_the_bridge_wrote_itself_goes_out_as_it_is(void **state) {
    (void)state;
    const struct daffi_message news = make(DAFFI_EVENTS, "", "", "{\"type\": \"connected\"}");
    begin(GUARD_NATIVE, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    own_news(&news); /* not yet */
    assert_int_equal(house->down.count, 0);
    hand_over(make(DAFFI_HANDSHAKE, "page", "", WELCOME), own_welcome);
    assert_true(house->opened);
    hand_over(make(DAFFI_HANDSHAKE, "page", "", WELCOME), own_welcome); /* it is open */
    own_news(&news);
    assert_int_equal(house->down.count, 2);
    assert_text(read_told(&house->down, 0).payload, WELCOME);
    assert_text(read_told(&house->down, 1).payload, "{\"type\": \"connected\"}");
    session_close(house->session, 1001, "enough");
    own_news(&news);
    assert_int_equal(house->down.count, 2);
}

static void our_client_is_told_of_the_bridge_by_the_router_too(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, true);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    hand_over(make(DAFFI_HANDSHAKE, "page", "", WELCOME), own_welcome);
    assert_true(house->opened);
    assert_int_equal(house->down.count, 1);
    const struct daffi_message answer = read_told(&house->down, 0);
    static const char offer[] = "\"bridge\":{\"abi\":1";
    assert_non_null(memmem(answer.payload.data, answer.payload.length, offer, strlen(offer)));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_handshake_is_answered_when_the_backend_has_answered),
        CASE(only_who_asks_is_told_of_the_bridge),
        CASE(what_the_bridge_wrote_itself_goes_out_as_it_is),
        CASE(our_client_is_told_of_the_bridge_by_the_router_too),
        CASE(bad_handshakes_never_reach_the_backend),
        CASE(a_native_peer_may_bring_functions),
        CASE(an_unknown_upstream_is_refused_by_the_handshake),
        CASE(native_peers_are_refused_in_the_form_they_show),
        CASE(silence_ends_it),
        CASE(a_silent_upstream_is_given_up),
        CASE(a_backend_that_fails_at_once_is_a_refusal),
        CASE(the_upstreams_refusals_are_told),
        CASE(nothing_may_be_said_before_the_answer),
        CASE(calls_and_answers_pass_as_they_are),
        CASE(a_bad_payload_is_answered_and_the_session_stays),
        CASE(violations_close),
        CASE(malformed_closes_with_1002),
        CASE(too_large_is_answered_with_both_sizes),
        CASE(too_large_before_the_handshake_closes),
        CASE(a_full_backend_is_busy),
        CASE(news_is_written_anew),
        CASE(pickle_errors_become_json),
        CASE(a_call_of_a_page_is_answered_for_it),
        CASE(a_workers_bad_answer_is_replaced),
        CASE(a_backend_that_speaks_nonsense_ends_the_session),
        CASE(a_lost_upstream_is_told),
        CASE(a_page_is_not_read_while_either_side_is_behind),
        CASE(a_native_peer_is_always_read),
        CASE(the_peer_may_leave_in_any_state),
        CASE(the_program_may_end_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
