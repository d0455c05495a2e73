/* What the tests of an upstream share: pages before it, and the test as the server behind it, by the test's own clock.
 *                                                                                   Linked with --wrap=own_message_receipt */
#ifndef UPSTREAM_FIXTURE_H
#define UPSTREAM_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bridge/members/presence.h"
#include "bridge/session/own_message.h"
#include "bridge/session/session.h"
#include "bridge/upstream/upstream_internal.h"
#include "ops/log.h"
#include "scratch_folder.h"

enum { BYTES_MAX = 4096, PATH_BYTES = 108, TURNS = 50 };

static const char ROUTER[] = "{\"meta\":{\"type\":\"router\",\"error\":null},\"members\":[]}";
static const char SERVICE[] = "{\"meta\":{\"type\":\"service\",\"error\":null},\"members\":[]}";

static struct {
    char folder[SCRATCH_FOLDER_MAX], path[PATH_BYTES];
    int listener;
    uint64_t now;
    struct memory_budget memory;
    struct config *config;
    struct config_upstream of_config;
    struct bridge bridge;
    struct names *names;
    struct presence_list *list;
    struct upstream *upstream;
    bool is_out_of_memory; /* for a receipt */
} place;

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names */
int __real_own_message_receipt(struct daffi_span name, struct own_message *ret_message);
int __wrap_own_message_receipt(struct daffi_span name, struct own_message *ret_message);

int __wrap_own_message_receipt(struct daffi_span name, struct own_message *ret_message) {
    return place.is_out_of_memory ? -ENOMEM : __real_own_message_receipt(name, ret_message);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* -- a page -- */

struct page {
    struct session *session;
    bool is_open;
    uint16_t closed_with; /* 0: not yet */
};

static inline int page_send(void *owner, struct daffi_span head, struct daffi_span payload) {
    (void)owner;
    (void)head;
    (void)payload;
    return 0;
}

static inline void page_close(void *owner, uint16_t code, const char *reason) {
    (void)reason;
    ((struct page *)owner)->closed_with = code;
}

static inline void page_do_nothing(void *owner) {
    (void)owner;
}

static inline bool page_is_congested(const void *owner) {
    (void)owner;
    return false;
}

static inline void page_on_open(void *owner) {
    ((struct page *)owner)->is_open = true;
}

static inline size_t page_queued(const void *owner) {
    (void)owner;
    return 0;
}

static const struct session_transport transport = {.send = page_send,
                                                   .close = page_close,
                                                   .pause = page_do_nothing,
                                                   .resume = page_do_nothing,
                                                   .is_congested = page_is_congested,
                                                   .on_open = page_on_open,
                                                   .queued = page_queued,
                                                   .ping = page_do_nothing};

static inline void say(struct page *page, enum daffi_flag flag, uint16_t uuid, const char *function,
                       const char *payload) {
    const struct daffi_message message = {.uuid = uuid,
                                          .flag = flag,
                                          .decoder = DAFFI_JSON,
                                          .return_result =
                                              flag == DAFFI_HANDSHAKE || strcmp(function, "awaited") == 0,
                                          .transmitter = daffi_span_text("alice"),
                                          .receiver = daffi_span_text(flag == DAFFI_REQUEST ? "w1" : ""),
                                          .function = daffi_span_text(function),
                                          .payload = daffi_span_text(payload)};
    uint8_t bytes[BYTES_MAX];
    int head = daffi_message_encode_head(&message, bytes, sizeof bytes);
    assert_true(head > 0);
    memcpy(bytes + head, message.payload.data, message.payload.length);
    struct daffi_message read;
    struct daffi_fault fault;
    size_t size;
    const struct daffi_span all = daffi_span_of(bytes, (size_t)head + message.payload.length);
    assert_int_equal(daffi_message_decode(all, &read, &size, &fault), 0);
    session_on_message(page->session, &read, all);
}

static inline void call(struct page *page) {
    say(page, DAFFI_REQUEST, 5, "add", "{\"args\":[],\"kwargs\":{}}");
}

static inline void call_and_wait(struct page *page, uint16_t uuid) {
    say(page, DAFFI_REQUEST, uuid, "awaited", "{\"args\":[],\"kwargs\":{}}");
}

static char *exposed[] = {"f"};
static const struct config_policy may_expose = {
    .expose = {.is_given = true, .names = exposed, .names_count = 1}};

static inline void shake(struct page *page, uint16_t uuid, const char *functions) {
    char hello[BYTES_MAX];
    snprintf(hello, sizeof hello,
             "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"alice\",\"methods\":%s}]}", functions);
    say(page, DAFFI_HANDSHAKE, uuid, "", hello);
}

static inline struct page *begin_page(void) {
    struct page *page = calloc(1, sizeof *page);
    const struct session_setup setup = {.bridge = &place.bridge,
                                        .kind = GUARD_BROWSER,
                                        .backend = upstream_backend(place.upstream),
                                        .policy = {.parts = {&may_expose}, .count = 1},
                                        .tab = "0123456789abcdef0123456789abcdef",
                                        .address = "192.0.2.1",
                                        .transport = &transport,
                                        .transport_owner = page};
    assert_int_equal(session_new(&setup, &page->session), 0);
    shake(page, 1, "null");
    return page;
}

static inline void go(struct page *page) {
    session_on_closed(page->session, "it has gone");
    free(page);
}

/* -- the server -- */

static inline void turn(void) {
    for (int i = 0; i < TURNS; i++) {
        assert_int_equal(reactor_turn(place.bridge.reactor, 0), 0);
    }
}

static inline void time_passes(uint64_t ms) {
    place.now += ms;
    turn();
}

/* The next connection; -1: there is none. */
static inline int next_leg(void) {
    turn();
    int leg = accept4(place.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    turn();
    return leg;
}

/* The flags of the messages that have come since the last call, as digits; "." for its end. */
static inline const char *heard(int leg) {
    static char flags[64];
    static uint8_t bytes[BYTES_MAX];
    size_t count = 0;
    turn();
    ssize_t length = recv(leg, bytes, sizeof bytes, 0);
    struct daffi_span left = daffi_span_of(bytes, length < 0 ? 0 : (size_t)length);
    if (left.length >= DAFFI_PROBE_BYTES && left.data[0] == DAFFI_PROBE) {
        left = daffi_span_of(left.data + DAFFI_PROBE_BYTES, left.length - DAFFI_PROBE_BYTES);
    }
    while (left.length > 0) {
        struct daffi_message message;
        struct daffi_fault fault;
        size_t size;
        assert_int_equal(daffi_message_decode(left, &message, &size, &fault), 0);
        flags[count++] = (char)('0' + message.flag);
        left = daffi_span_of(left.data + size, left.length - size);
    }
    if (length == 0 || (length > 0 && recv(leg, bytes, sizeof bytes, 0) == 0)) {
        flags[count++] = '.';
    }
    flags[count] = '\0';
    return flags;
}

static inline void send_own(int leg, struct own_message *own) {
    assert_int_equal(send(leg, own->head.data, own->head.length, MSG_NOSIGNAL), own->head.length);
    assert_int_equal(send(leg, own->payload.data, own->payload.length, MSG_NOSIGNAL), own->payload.length);
    own_message_clear(own);
    turn();
}

static inline void welcome(int leg, const char *as, uint16_t uuid) {
    struct daffi_handshake handshake = {.type = as == SERVICE ? DAFFI_TYPE_SERVICE : DAFFI_TYPE_ROUTER};
    const struct daffi_message envelope = {.uuid = uuid, .transmitter = daffi_span_text("alice")};
    struct own_message own = {0};
    assert_int_equal(own_message_handshake(&envelope, &handshake, &own), 0);
    send_own(leg, &own);
}

/* Or, from a Service, any answer. */
static inline void give_receipt(int leg) {
    struct own_message own = {0};
    assert_int_equal(own_message_receipt(daffi_span_text("alice"), &own), 0);
    send_own(leg, &own);
}

/* A page that has been let in, and its connection. */
static inline struct page *let_in(const char *as, int *ret_leg) {
    struct page *page = begin_page();
    *ret_leg = next_leg();
    assert_true(*ret_leg >= 0);
    assert_string_equal(heard(*ret_leg), "0");
    welcome(*ret_leg, as, 1);
    assert_true(page->is_open);
    return page;
}

/* -- setting up -- */

static inline uint64_t clock_of_test(void *argument) {
    (void)argument;
    return place.now;
}

static inline int set_up(void **state) {
    (void)state;
    memset(&place, 0, sizeof place);
    log_start(CONFIG_LOG_ERROR, CONFIG_LOG_TEXT);
    scratch_folder_make(place.folder);
    snprintf(place.path, sizeof place.path, "%s/s", place.folder);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", place.path);
    place.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(place.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(place.listener, SOMAXCONN), 0);
    place.now = 1000000;
    place.memory.limit = 1 << 24;
    place.config = config_new();
    place.of_config = (struct config_upstream){
        .name = "default", .url = {.scheme = CONFIG_UNIX, .path = place.path, .text = place.path}};
    assert_int_equal(reactor_new(&place.memory, &place.bridge.reactor), 0);
    reactor_set_clock(place.bridge.reactor, clock_of_test, NULL);
    place.bridge.config = place.config;
    assert_int_equal(admission_new(&place.config->limits, &place.bridge.admission), 0);
    assert_int_equal(presence_new(&place.bridge.presence), 0);
    assert_int_equal(upstream_health_new(&place.bridge.health), 0);
    assert_int_equal(names_new(&place.names), 0);
    names_open_desk(place.names, place.bridge.reactor, &place.bridge.names);
    assert_int_equal(upstream_new(&place.bridge, &place.of_config, NULL, &place.upstream), 0);
    upstream_health_note_receipts(upstream_health_of(place.bridge.health, "default"), true);
    assert_int_equal(
        presence_open(place.bridge.presence, upstream_backend(place.upstream)->place, &place.list), 0);
    presence_know(place.list);
    return 0;
}

static inline int tear_down(void **state) {
    (void)state;
    upstream_free(place.upstream);
    connection_abort_all(place.bridge.reactor, -ECONNABORTED, "the test is over");
    turn();
    assert_int_equal(place.bridge.connections, 0);
    reactor_free(place.bridge.reactor);
    presence_close(place.list);
    presence_free(place.bridge.presence);
    admission_free(place.bridge.admission);
    upstream_health_free(place.bridge.health);
    names_free(place.names);
    call_table_clear(&place.bridge.call_table);
    roster_clear(&place.bridge.roster);
    config_free(place.config);
    close(place.listener);
    scratch_folder_remove(place.folder);
    return 0;
}

#endif
