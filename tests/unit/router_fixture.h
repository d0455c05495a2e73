/* The router with sessions that are no sessions: each writes down what it is told, a line a message. Branches, each with a
 * reactor of its own; one thread turns them in turn unless a test starts more. */
#ifndef ROUTER_FIXTURE_H
#define ROUTER_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/router/router.h"
#include "ops/log.h"

enum { BRANCHES = 2, LINE_MAX_BYTES = 2048 };

struct session {
    struct backend *backend;
    struct attachment *attachment;
    enum guard_kind kind;
    char name[64];
    char told[65536]; /* lines, since it was last read */
    size_t told_length;
    size_t queued;      /* what its peer has not read, as it says */
    uint16_t lost_with; /* 0: not lost */
    uint16_t closed_with;
    void (*on_message)(struct session *session, const struct daffi_message *message); /* NULL: a line */
};

struct house {
    struct config *config;
    struct memory_budget memory;
    struct router *router;
    struct bridge bridges[BRANCHES];
    struct backend *backends[BRANCHES];
    uint64_t now;
};

static struct house house;

/* -- what a session is to the router -- */

static void session_note(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void session_note(struct session *session, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof session->told - session->told_length;
    int length = vsnprintf(session->told + session->told_length, room, format, arguments);
    va_end(arguments);
    assert_true(length >= 0 && (size_t)length < room);
    session->told_length += (size_t)length;
}

#define SPAN(span) (int)(span).length, (const char *)(span).data

static void session_note_message(struct session *session, const struct daffi_message *message) {
    static const char *const flags[] = {"HANDSHAKE", "REQUEST", "RESPONSE", "ERROR", "EVENTS"};
    session_note(session, "%s %u %.*s>%.*s %.*s %.*s\n", flags[message->flag], (unsigned)message->uuid,
                 SPAN(message->transmitter), SPAN(message->receiver), SPAN(message->function),
                 SPAN(message->payload));
}

void session_on_backend_message(struct session *session, const struct daffi_message *message,
                                struct daffi_span bytes) {
    struct daffi_message again;
    struct daffi_fault fault;
    size_t size = 0;
    assert_int_equal(daffi_message_decode(bytes, &again, &size, &fault), 0);
    assert_int_equal(size, bytes.length);
    assert_ptr_equal(again.payload.data, message->payload.data);
    if (session->on_message != NULL) {
        session->on_message(session, message);
    } else {
        session_note_message(session, message);
    }
}

void session_on_backend_welcome(struct session *session, const struct daffi_message *message,
                                struct daffi_span bytes) {
    session_on_backend_message(session, message, bytes);
}

void session_on_backend_news(struct session *session, struct daffi_span bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct daffi_message message;
        struct daffi_fault fault;
        size_t size = 0;
        assert_int_equal(daffi_message_decode(bytes, &message, &size, &fault), 0);
        session_on_backend_message(session, &message, daffi_span_of(bytes.data, size));
        bytes = daffi_span_of(bytes.data + size, bytes.length - size);
    }
    assert_int_equal(bytes.length, 0);
}

static void session_leave(struct session *session, enum backend_leaving how) {
    struct attachment *attachment = session->attachment;
    session->attachment = NULL;
    if (attachment != NULL) {
        session->backend->operations->detach(attachment, how, NULL);
    }
}

static void session_detach(struct session *session) {
    session_leave(session, BACKEND_DISCONNECTED);
}

void session_on_backend_lost(struct session *session, uint16_t code, const char *reason) {
    session->lost_with = code;
    session_note(session, "LOST %u %s\n", (unsigned)code, reason);
    session_detach(session);
}

void session_close(struct session *session, uint16_t code, const char *reason) {
    session->closed_with = code;
    if (session->on_message == NULL) {
        session_note(session, "CLOSED %u %s\n", (unsigned)code, reason);
    }
    session_detach(session);
}

void session_account_waiting(const struct session *session, const struct daffi_message *request) {
    (void)session;
    (void)request;
}

void session_account_answer(struct session *session, const struct daffi_message *answer, uint64_t since_us) {
    (void)session;
    (void)answer;
    (void)since_us;
}

void session_account_own_answer(struct session *session, const struct daffi_message *request,
                                enum daffi_error_code code, uint64_t since_us) {
    (void)session;
    (void)request;
    (void)code;
    (void)since_us;
}

enum guard_kind session_kind(const struct session *session) {
    return session->kind;
}

const struct config *session_config(const struct session *session) {
    (void)session;
    return house.config;
}

size_t session_calls_limit(const struct session *session) {
    (void)session;
    return house.config->limits.calls_in_flight;
}

size_t session_queued(const struct session *session) {
    return session->queued;
}

void session_lend(struct session *session, size_t bytes) {
    (void)session;
    (void)bytes;
}

/* -- what tests do -- */

static uint64_t clock_of_house(void *argument) {
    return ((struct house *)argument)->now;
}

static int set_up(void **state) {
    (void)state;
    log_start(CONFIG_LOG_ERROR, CONFIG_LOG_TEXT);
    house = (struct house){.config = config_new(), .memory = {.limit = 1 << 26}, .now = 1000};
    assert_int_equal(router_new("default", BRANCHES, &house.router), 0);
    for (size_t i = 0; i < BRANCHES; i++) {
        struct bridge *bridge = &house.bridges[i];
        assert_int_equal(reactor_new(&house.memory, &bridge->reactor), 0);
        reactor_set_clock(bridge->reactor, clock_of_house, &house);
        bridge->config = house.config;
        assert_int_equal(router_add_branch(house.router, bridge, &house.backends[i]), 0);
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    router_end(house.router);
    for (size_t i = 0; i < BRANCHES; i++) {
        reactor_free(house.bridges[i].reactor);
    }
    router_free(house.router);
    config_free(house.config);
    return 0;
}

/* Turns all reactors until nothing is on its way: each hop takes a turn. */
static inline void settle(void) {
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < BRANCHES; i++) {
            assert_int_equal(reactor_turn(house.bridges[i].reactor, 0), 0);
        }
    }
}

/* `methods` end with NULL. As an attachment, or in place of the one that is there. */
static inline int session_shake(struct session *session, uint16_t uuid, const char *const *methods) {
    char *list[16];
    char own_name[sizeof session->name];
    size_t count = 0;
    while (methods != NULL && methods[count] != NULL) {
        list[count] = (char *)(uintptr_t)methods[count];
        count++;
    }
    memcpy(own_name, session->name, sizeof own_name);
    struct daffi_member member = {
        .name = own_name, .methods = methods == NULL ? NULL : list, .methods_count = count};
    const struct daffi_handshake handshake = {
        .type = DAFFI_TYPE_CLIENT, .members = &member, .members_count = 1};
    const struct backend_operations *operations = session->backend->operations;
    return session->attachment == NULL
               ? operations->attach(session->backend, session, &handshake, uuid, &session->attachment)
               : operations->rejoin(session->attachment, &handshake, uuid, &session->attachment);
}

static inline int session_attach(struct session *session, size_t branch, enum guard_kind kind,
                                 const char *name, const char *const *methods) {
    snprintf(session->name, sizeof session->name, "%s", name);
    session->kind = kind;
    session->backend = house.backends[branch];
    return session_shake(session, 77, methods);
}

static inline struct session *join(size_t branch, enum guard_kind kind, const char *name,
                                   const char *const *methods) {
    struct session *session = calloc(1, sizeof *session);
    assert_non_null(session);
    assert_int_equal(session_attach(session, branch, kind, name, methods), 0);
    assert_int_equal(session->told_length, 0); /* nothing comes from within */
    settle();
    return session;
}

static inline void forget(struct session *session) {
    session->told_length = 0;
    session->told[0] = '\0';
}

/* All it was told since the last time. */
static inline void expect(struct session *session, const char *lines) {
    session->told[session->told_length] = '\0';
    assert_string_equal(session->told, lines);
    forget(session);
}

static inline void leave(struct session *session) {
    session_detach(session);
    free(session);
    settle();
}

/* Through bytes, as a session does it. */
static inline int session_say(struct session *session, const struct daffi_message *message) {
    size_t size = DAFFI_HEADER_BYTES + message->transmitter.length + message->receiver.length +
                  message->function.length + 2 + message->payload.length;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    int head = daffi_message_encode_head(message, bytes, size);
    assert_true(head > 0);
    memcpy(bytes + head, message->payload.data, message->payload.length);
    int status = session->backend->operations->send(session->attachment, daffi_span_of(bytes, (size_t)head),
                                                    daffi_span_of(bytes + head, message->payload.length));
    free(bytes);
    return status;
}

static inline struct daffi_message message_of(const struct session *session, enum daffi_flag flag,
                                              uint16_t uuid, const char *receiver, const char *payload) {
    return (struct daffi_message){
        .uuid = uuid,
        .flag = flag,
        .decoder = DAFFI_JSON,
        .return_result = flag == DAFFI_REQUEST,
        .transmitter = daffi_span_text(session->name),
        .receiver = daffi_span_text(receiver),
        .function = daffi_span_text("add"),
        .payload = daffi_span_text(payload),
    };
}

static inline void say(struct session *session, enum daffi_flag flag, uint16_t uuid, const char *receiver,
                       const char *payload) {
    const struct daffi_message message = message_of(session, flag, uuid, receiver, payload);
    assert_int_equal(session_say(session, &message), 0);
}

#endif
