/* A session between a scripted transport and a scripted backend: what it sends either way is kept. */
#ifndef SESSION_FIXTURE_H
#define SESSION_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/members/rejoins.h"
#include "bridge/members/unanswered.h"
#include "bridge/session/session.h"
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
    struct policy policy; /* of the sessions that begin */
    uint64_t now;
    struct session *session;
    /* the transport */
    struct told down;
    uint16_t closed_with; /* 0: not yet */
    char reason[TEXT_MAX];
    int pauses, pings;
    bool down_congested, opened;
    /* the backend */
    struct backend backend;
    struct attachment attachment;
    int attach_result, send_result;
    struct told up;
    char member[TEXT_MAX];
    uint16_t uuid;
    bool attached, up_congested;
    size_t rejoined; /* functions of the last rejoin */
};

static struct house *house; /* of the test that runs: a backend has no owner to be found by */

static inline void keep(struct told *told, struct daffi_span head, struct daffi_span payload) {
    assert_in_range(told->count, 0, TOLD_MAX - 1);
    assert_in_range(head.length + payload.length, 0, TEXT_MAX);
    memcpy(told->bytes[told->count], head.data, head.length);
    memcpy(told->bytes[told->count] + head.length, payload.data, payload.length);
    told->lengths[told->count++] = head.length + payload.length;
}

static inline struct daffi_message read_told(const struct told *told, size_t at) {
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

static inline int transport_send(void *owner, struct daffi_span head, struct daffi_span payload) {
    (void)owner;
    keep(&house->down, head, payload);
    return 0;
}

static inline void transport_close(void *owner, uint16_t code, const char *reason) {
    (void)owner;
    assert_int_equal(house->closed_with, 0);
    house->closed_with = code;
    snprintf(house->reason, sizeof house->reason, "%s", reason);
}

static inline void transport_pause(void *owner) {
    (void)owner;
    house->pauses++;
}

static inline void transport_resume(void *owner) {
    (void)owner;
    house->pauses--;
}

static inline bool transport_is_congested(const void *owner) {
    (void)owner;
    return house->down_congested;
}

static inline void transport_on_open(void *owner) {
    (void)owner;
    house->opened = true;
}

static inline size_t transport_queued(const void *owner) {
    (void)owner;
    return 0;
}

static inline void transport_ping(void *owner) {
    (void)owner;
    house->pings++;
}

static const struct session_transport transport = {transport_send,
                                                   transport_close,
                                                   transport_pause,
                                                   transport_resume,
                                                   transport_is_congested,
                                                   transport_on_open,
                                                   transport_queued,
                                                   transport_ping,
                                                   NULL,
                                                   NULL};

/* -- the backend -- */

static inline int backend_attach(struct backend *backend, struct session *session,
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

static inline int backend_send(struct attachment *attachment, struct daffi_span head,
                               struct daffi_span payload) {
    assert_ptr_equal(attachment, &house->attachment);
    assert_true(house->attached);
    if (house->send_result == 0) {
        keep(&house->up, head, payload);
    }
    return house->send_result;
}

static inline void backend_detach(struct attachment *attachment, enum backend_leaving how,
                                  struct names_entry *claim) {
    (void)claim;
    assert_ptr_equal(attachment, &house->attachment);
    assert_true(house->attached);
    house->attached = false;
    (void)how;
}

static inline bool backend_is_congested(const struct attachment *attachment) {
    assert_ptr_equal(attachment, &house->attachment);
    return house->up_congested;
}

/* The same attachment goes on. */
static inline int backend_rejoin(struct attachment *attachment, const struct daffi_handshake *handshake,
                                 uint16_t uuid, struct attachment **ret_attachment) {
    assert_true(house->attached);
    if (house->attach_result < 0) {
        return house->attach_result;
    }
    house->rejoined = handshake->members[0].methods_count;
    house->uuid = uuid;
    *ret_attachment = attachment;
    return 0;
}

static const struct backend_operations operations = {
    backend_attach, backend_send, backend_detach, backend_is_congested, backend_rejoin, NULL, NULL};

/* -- setting up -- */

static inline uint64_t clock_of_test(void *argument) {
    return ((struct house *)argument)->now;
}

static inline int set_up(void **state) {
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

static inline int tear_down(void **state) {
    (void)state;
    if (house->session != NULL) {
        session_on_closed(house->session, "the test is over");
    }
    assert_null(house->bridge.sessions);
    assert_false(house->attached);
    reactor_free(house->bridge.reactor);
    assert_int_equal(house->bridge.call_table.count, 0);
    assert_int_equal(house->bridge.roster.count, 0);
    rejoins_free(house->bridge.rejoins);
    unanswered_free(house->bridge.unanswered);
    call_table_clear(&house->bridge.call_table);
    roster_clear(&house->bridge.roster);
    config_free(house->config);
    free(house);
    return 0;
}

static inline void begin(enum guard_kind kind, bool has_backend, bool wants_offer) {
    const struct session_setup setup = {
        .bridge = &house->bridge,
        .kind = kind,
        .backend = has_backend ? &house->backend : NULL,
        .no_backend = "no upstream called \"x\"; there are: default",
        .wants_offer = wants_offer,
        .policy = house->policy,
        .address = "192.0.2.1",
        .transport = &transport,
        .transport_owner = house,
    };
    assert_int_equal(session_new(&setup, &house->session), 0);
}

static inline size_t encode(const struct daffi_message *message, uint8_t out[TEXT_MAX]) {
    int head = daffi_message_encode_head(message, out, TEXT_MAX);
    assert_true(head > 0);
    memcpy(out + head, message->payload.data, message->payload.length);
    return (size_t)head + message->payload.length;
}

/* Through bytes, as both sides do it. */
static inline void hand_over(struct daffi_message message,
                             void (*to)(struct session *, const struct daffi_message *, struct daffi_span)) {
    uint8_t bytes[TEXT_MAX];
    size_t size;
    struct daffi_fault fault;
    struct daffi_span all = daffi_span_of(bytes, encode(&message, bytes));
    assert_int_equal(daffi_message_decode(all, &message, &size, &fault), 0);
    to(house->session, &message, all);
}

static inline struct daffi_message make(enum daffi_flag flag, const char *transmitter, const char *receiver,
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

static inline void peer_says(struct daffi_message message) {
    hand_over(message, session_on_message);
}

static inline void backend_says(struct daffi_message message) {
    hand_over(message, session_on_backend_message);
}

static inline void open_session(enum guard_kind kind) {
    begin(kind, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    backend_says(make(DAFFI_HANDSHAKE, "page", "", WELCOME));
    assert_true(house->opened);
    assert_int_equal(house->down.count, 1);
    house->down.count = 0;
}

static inline void time_passes(uint64_t ms) {
    house->now += ms;
    assert_int_equal(reactor_turn(house->bridge.reactor, 0), 0);
}

static inline void assert_text(struct daffi_span span, const char *text) {
    assert_int_equal(span.length, strlen(text));
    assert_memory_equal(span.data, text, span.length);
}

static inline void assert_holds(struct daffi_span span, const char *text) {
    if (memmem(span.data, span.length, text, strlen(text)) == NULL) {
        fail_msg("\"%.*s\" does not hold \"%s\"", (int)span.length, (const char *)span.data, text);
    }
}

/* The last message down is the bridge's own ERROR of that call. */
static inline void assert_refused(uint16_t uuid, const char *type, const char *text) {
    const struct daffi_message message = read_told(&house->down, house->down.count - 1);
    assert_int_equal(message.flag, DAFFI_ERROR);
    assert_int_equal(message.decoder, DAFFI_JSON);
    assert_int_equal(message.uuid, uuid);
    assert_holds(message.payload, type);
    assert_holds(message.payload, "daffi_bridge");
    assert_holds(message.payload, text);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
