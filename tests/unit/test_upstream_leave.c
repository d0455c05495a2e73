/* Who leaves a Python server, and who changes its functions there, by the clock: pages before an upstream, and the test as the server
 * behind it.                                                                           Linked with --wrap=own_message_receipt */
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

static int page_send(void *owner, struct daffi_span head, struct daffi_span payload) {
    (void)owner;
    (void)head;
    (void)payload;
    return 0;
}

static void page_close(void *owner, uint16_t code, const char *reason) {
    (void)reason;
    ((struct page *)owner)->closed_with = code;
}

static void page_do_nothing(void *owner) {
    (void)owner;
}

static bool page_is_congested(const void *owner) {
    (void)owner;
    return false;
}

static void page_on_open(void *owner) {
    ((struct page *)owner)->is_open = true;
}

static size_t page_queued(const void *owner) {
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

static void say(struct page *page, enum daffi_flag flag, uint16_t uuid, const char *function,
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

static void call(struct page *page) {
    say(page, DAFFI_REQUEST, 5, "add", "{\"args\":[],\"kwargs\":{}}");
}

static void call_and_wait(struct page *page, uint16_t uuid) {
    say(page, DAFFI_REQUEST, uuid, "awaited", "{\"args\":[],\"kwargs\":{}}");
}

static char *exposed[] = {"f"};
static const struct config_policy may_expose = {
    .expose = {.is_given = true, .names = exposed, .names_count = 1}};

static void shake(struct page *page, uint16_t uuid, const char *functions) {
    char hello[BYTES_MAX];
    snprintf(hello, sizeof hello,
             "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"alice\",\"methods\":%s}]}", functions);
    say(page, DAFFI_HANDSHAKE, uuid, "", hello);
}

static struct page *begin_page(void) {
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

static void go(struct page *page) {
    session_on_closed(page->session, "it has gone");
    free(page);
}

/* -- the server -- */

static void turn(void) {
    for (int i = 0; i < TURNS; i++) {
        assert_int_equal(reactor_turn(place.bridge.reactor, 0), 0);
    }
}

static void time_passes(uint64_t ms) {
    place.now += ms;
    turn();
}

/* The next connection; -1: there is none. */
static int next_leg(void) {
    turn();
    int leg = accept4(place.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    turn();
    return leg;
}

/* The flags of the messages that have come since the last call, as digits; "." for its end. */
static const char *heard(int leg) {
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

static void send_own(int leg, struct own_message *own) {
    assert_int_equal(send(leg, own->head.data, own->head.length, MSG_NOSIGNAL), own->head.length);
    assert_int_equal(send(leg, own->payload.data, own->payload.length, MSG_NOSIGNAL), own->payload.length);
    own_message_clear(own);
    turn();
}

static void welcome(int leg, const char *as, uint16_t uuid) {
    struct daffi_handshake handshake = {.type = as == SERVICE ? DAFFI_TYPE_SERVICE : DAFFI_TYPE_ROUTER};
    const struct daffi_message envelope = {.uuid = uuid, .transmitter = daffi_span_text("alice")};
    struct own_message own = {0};
    assert_int_equal(own_message_handshake(&envelope, &handshake, &own), 0);
    send_own(leg, &own);
}

/* Or, from a Service, any answer. */
static void give_receipt(int leg) {
    struct own_message own = {0};
    assert_int_equal(own_message_receipt(daffi_span_text("alice"), &own), 0);
    send_own(leg, &own);
}

/* A page that has been let in, and its connection. */
static struct page *let_in(const char *as, int *ret_leg) {
    struct page *page = begin_page();
    *ret_leg = next_leg();
    assert_true(*ret_leg >= 0);
    assert_string_equal(heard(*ret_leg), "0");
    welcome(*ret_leg, as, 1);
    assert_true(page->is_open);
    return page;
}

/* -- setting up -- */

static uint64_t clock_of_test(void *argument) {
    (void)argument;
    return place.now;
}

static int set_up(void **state) {
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

static int tear_down(void **state) {
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

/* -- the cases -- */

static void the_name_is_free_when_the_router_has_read_all(void **state) {
    (void)state;
    int leg, next;
    struct page *former = let_in(ROUTER, &leg);
    call(former);
    go(former);
    assert_string_equal(heard(leg), "12");
    struct page *page = begin_page();
    assert_int_equal(next_leg(), -1);
    give_receipt(leg);
    next = next_leg();
    assert_true(next >= 0);
    assert_string_equal(heard(leg), ".");
    go(page);
    close(leg);
    close(next);
}

static void the_receipt_may_take_long(void **state) {
    (void)state;
    int leg, next;
    struct page *former = let_in(ROUTER, &leg);
    assert_int_equal(presence_come(place.list, daffi_span_text("alice")), 0);
    go(former);
    time_passes(PRESENCE_LEAVING_MS + 1);
    struct page *page = begin_page();
    give_receipt(leg); /* and what it tells its watcher of the leaving comes behind */
    next = next_leg();
    assert_int_equal(page->closed_with, 0);
    assert_true(next >= 0);
    go(page);
    close(leg);
    close(next);
}

static void nobody_waits_for_a_receipt_without_end(void **state) {
    (void)state;
    int leg, next;
    struct page *former = let_in(ROUTER, &leg);
    go(former);
    time_passes(59999);
    struct page *early = begin_page();
    time_passes(1);
    assert_int_equal(next_leg(), -1);
    time_passes(1000); /* the connection's goodbye */
    next = next_leg();
    assert_true(next >= 0);
    go(early);
    close(leg);
    close(next);
}

/* As when memory is short, or the Router takes nothing for long. It reads on what is on its way. */
static void who_is_cut_is_there_until_the_router_says_otherwise(void **state) {
    (void)state;
    int leg, next;
    struct page *former = let_in(ROUTER, &leg);
    assert_int_equal(presence_come(place.list, daffi_span_text("alice")), 0);
    call(former);
    go(former);
    connection_abort_all(place.bridge.reactor, -ENOBUFS, "no memory is left");
    turn();
    struct page *early = begin_page();
    assert_int_equal(next_leg(), -1);
    assert_int_equal(early->closed_with, 1008);
    go(early);
    presence_leave(place.list, daffi_span_text("alice"));
    struct page *page = begin_page();
    next = next_leg();
    assert_true(next >= 0);
    go(page);
    close(leg);
    close(next);
}

static void its_end_frees_the_name_in_whatever_state(void **state) {
    (void)state;
    for (int asked = 0; asked < 2; asked++) {
        int leg, next;
        struct page *former = begin_page();
        leg = next_leg();
        assert_string_equal(heard(leg), "0");
        go(former);
        if (asked > 0) {
            welcome(leg, ROUTER, 1);
            assert_string_equal(heard(leg), "2");
        }
        struct page *page = begin_page();
        assert_int_equal(next_leg(), -1);
        close(leg);
        next = next_leg();
        assert_true(next >= 0);
        go(page);
        close(next);
        time_passes(61000);
    }
}

static void a_service_has_half_a_second_behind_the_last_message(void **state) {
    (void)state;
    int leg, next;
    struct page *former = let_in(SERVICE, &leg);
    call(former);
    time_passes(200);
    go(former);
    assert_string_equal(heard(leg), "1.");
    struct page *page = begin_page();
    time_passes(299);
    assert_int_equal(next_leg(), -1);
    time_passes(1);
    next = next_leg();
    assert_true(next >= 0);
    go(page);
    close(leg);
    close(next);
}

static void a_service_that_answers_late_has_read_the_handshake(void **state) {
    (void)state;
    int leg, next;
    struct page *former = begin_page();
    leg = next_leg();
    go(former);
    struct page *page = begin_page();
    assert_int_equal(next_leg(), -1);
    welcome(leg, SERVICE, 1);
    next = next_leg();
    assert_true(next >= 0);
    assert_string_equal(heard(leg), "0.");
    go(page);
    close(leg);
    close(next);
}

static void who_waits_to_be_read_does_not_hold_up_the_end(void **state) {
    (void)state;
    int owing, unread;
    struct page *page = let_in(SERVICE, &owing);
    call_and_wait(page, 5);
    go(page);
    assert_string_equal(heard(owing), "1");
    time_passes(500);
    page = let_in(ROUTER, &unread);
    go(page);
    assert_string_equal(heard(unread), "2");
    place.bridge.stopping = true;
    upstream_stop(place.upstream);
    assert_string_equal(heard(unread), ".");
    assert_string_equal(heard(owing), "");
    give_receipt(owing);
    assert_string_equal(heard(owing), ".");
    close(owing);
    close(unread);
}

static void a_service_is_waited_for_as_long_as_a_call_may_take(void **state) {
    (void)state;
    int leg;
    struct page *page = let_in(SERVICE, &leg);
    call_and_wait(page, 5);
    go(page);
    assert_string_equal(heard(leg), "1");
    time_passes(NAMES_DEBT_MS - 1000);
    assert_string_equal(heard(leg), "");
    give_receipt(leg); /* any answer */
    assert_string_equal(heard(leg), ".");
    close(leg);
}

static void those_of_one_address_do_not_keep_all_others_out(void **state) {
    (void)state;
    struct upstream upstream = {.lingering = UPSTREAM_LINGERING_SHARE};
    struct attachment *each = calloc(UPSTREAM_LINGERING_SHARE, sizeof *each);
    assert_non_null(each);
    for (size_t i = 0; i < UPSTREAM_LINGERING_SHARE; i++) {
        each[i].leaving.counted_in = &upstream.lingering;
        snprintf(each[i].leaving.address, sizeof each[i].leaving.address, "192.0.2.1");
        each[i].leaving.next = upstream.leaving;
        upstream.leaving = &each[i];
    }
    assert_false(upstream_has_room(&upstream, "192.0.2.1"));
    assert_true(upstream_has_room(&upstream, "192.0.2.2"));
    each[7].leaving.counted_in = &upstream.unread; /* it is owed nothing */
    assert_true(upstream_has_room(&upstream, "192.0.2.1"));
    upstream.lingering = UPSTREAM_LINGERING_MAX;
    assert_false(upstream_has_room(&upstream, "192.0.2.2"));
    upstream.lingering = 0;
    upstream.unread = UPSTREAM_UNREAD_MAX;
    assert_false(upstream_has_room(&upstream, "192.0.2.2"));
    free(each);
}

static void the_bridge_may_end_meanwhile(void **state) {
    (void)state;
    int leg;
    struct page *former = let_in(ROUTER, &leg);
    go(former);
    struct page *page = begin_page();
    assert_int_equal(next_leg(), -1);
    go(page);
    upstream_free(place.upstream);
    place.upstream = NULL;
    close(leg); /* the last attachment frees it */
    turn();
}

/* A Service answers whoever has the name, and dies where nobody has it. */
static void who_comes_and_goes_stays_for_the_answers_to_those_before_it(void **state) {
    (void)state;
    int leg, next, last;
    struct page *page = let_in(SERVICE, &leg);
    call_and_wait(page, 5);
    assert_string_equal(heard(leg), "1");
    go(page);
    page = begin_page(); /* waits for its half a second */
    assert_int_equal(next_leg(), -1);
    time_passes(500);
    next = next_leg();
    close(leg); /* evicted */
    welcome(next, SERVICE, 1);
    go(page);
    assert_string_equal(heard(next), "0");
    time_passes(1500);
    page = begin_page();
    go(page);            /* before it had a connection */
    page = begin_page(); /* comes later */
    last = next_leg();
    close(next);
    welcome(last, SERVICE, 1);
    go(page);
    time_passes(1500);
    assert_string_equal(heard(last), "0");
    give_receipt(last);
    assert_string_equal(heard(last), ".");
    page = let_in(SERVICE, &leg);
    go(page);
    assert_string_equal(heard(leg), "."); /* no debt is left */
    close(last);
    close(leg);
}

static void what_is_answered_before_the_next_is_there_is_not_owed_to_it(void **state) {
    (void)state;
    int leg, next;
    struct page *page = let_in(SERVICE, &leg);
    call_and_wait(page, 5);
    assert_string_equal(heard(leg), "1");
    time_passes(500);
    go(page);
    go(begin_page()); /* before it had a connection */
    give_receipt(leg);
    assert_string_equal(heard(leg), ".");
    page = let_in(SERVICE, &next);
    go(page);
    assert_string_equal(heard(next), ".");
    close(leg);
    close(next);
}

static void who_comes_after_the_end_of_a_service_is_owed_nothing(void **state) {
    (void)state;
    int leg, next;
    struct page *page = let_in(SERVICE, &leg);
    call_and_wait(page, 5);
    call_and_wait(page, 6);
    assert_string_equal(heard(leg), "11");
    go(page);
    page = begin_page();
    give_receipt(leg);
    close(leg);
    next = next_leg();
    welcome(next, SERVICE, 1);
    go(page);
    assert_string_equal(heard(next), "0.");
    close(next);
}

/* A page that is about to change its functions, where the Router has not read yet what it sent before. */
static struct page *change(const char *as, int *ret_leg) {
    struct page *page = let_in(as, ret_leg);
    shake(page, 9, "[\"f\"]");
    return page;
}

static void a_change_goes_on_when_all_is_read(void **state) {
    (void)state;
    int leg, next;
    struct page *page = change(ROUTER, &leg);
    call(page);
    assert_string_equal(heard(leg), "2");
    assert_int_equal(next_leg(), -1);
    give_receipt(leg);
    next = next_leg();
    assert_string_equal(heard(next), "0");
    welcome(next, ROUTER, 9);
    close(leg); /* evicted */
    assert_string_equal(heard(next), "1");
    call(page);
    assert_string_equal(heard(next), "1");
    go(page);
    assert_string_equal(heard(next), "2");
    close(next);
}

static void a_change_waits_for_a_service_as_well(void **state) {
    (void)state;
    int leg, next;
    struct page *page = let_in(SERVICE, &leg);
    call(page);
    shake(page, 9, "[\"f\"]");
    time_passes(499);
    assert_int_equal(next_leg(), -1);
    time_passes(1);
    next = next_leg();
    assert_true(next >= 0);
    assert_string_equal(heard(leg), "1");
    go(page);
    close(leg);
    close(next);
}

static void a_change_for_which_memory_ends_leaves_nothing(void **state) {
    (void)state;
    int leg;
    place.is_out_of_memory = true;
    struct page *page = change(ROUTER, &leg);
    assert_int_equal(page->closed_with, 0);
    time_passes(place.config->timeouts.upstream_connect + 1); /* for a timer that was left */
    place.is_out_of_memory = false;
    call(page);
    assert_string_equal(heard(leg), "1");
    go(page);
    close(leg);
}

static void who_leaves_as_its_change_waits_is_read_to_the_end(void **state) {
    (void)state;
    int leg, next;
    struct page *page = change(ROUTER, &leg);
    call(page);
    assert_string_equal(heard(leg), "2");
    go(page);
    assert_string_equal(heard(leg), "12");
    struct page *newcomer = begin_page();
    give_receipt(leg); /* the first one: the call came behind it */
    assert_int_equal(next_leg(), -1);
    give_receipt(leg);
    next = next_leg();
    assert_true(next >= 0);
    go(newcomer);
    close(leg);
    close(next);
}

static void who_leaves_as_its_change_is_with_the_router_is_read_to_the_end(void **state) {
    (void)state;
    int leg, second, next;
    struct page *page = change(ROUTER, &leg);
    call(page);
    give_receipt(leg);
    second = next_leg();
    assert_string_equal(heard(second), "0");
    go(page);
    assert_string_equal(heard(second), "1");
    assert_string_equal(heard(leg), "2.");
    struct page *newcomer = begin_page();
    assert_int_equal(next_leg(), -1);
    welcome(second, ROUTER, 9);
    assert_string_equal(heard(second), "2");
    assert_int_equal(next_leg(), -1);
    give_receipt(second);
    next = next_leg();
    assert_true(next >= 0);
    go(newcomer);
    close(leg);
    close(second);
    close(next);
}

static void a_router_owes_nothing(void **state) {
    (void)state;
    int leg, second, next;
    struct page *page = change(ROUTER, &leg);
    call_and_wait(page, 5);
    give_receipt(leg);
    second = next_leg();
    assert_string_equal(heard(second), "0");
    go(page);
    assert_string_equal(heard(second), "1");
    welcome(second, ROUTER, 9);
    assert_string_equal(heard(second), "2");
    time_passes(60000);
    time_passes(1000); /* the connection's goodbye */
    page = begin_page();
    next = next_leg();
    assert_true(next >= 0);
    go(page);
    close(leg);
    close(second);
    close(next);
}

/* Those to what both connections have asked. */
static void who_leaves_as_its_change_is_with_a_service_stays_for_its_answers(void **state) {
    (void)state;
    int leg, second;
    struct page *page = let_in(SERVICE, &leg);
    call_and_wait(page, 5);
    shake(page, 9, "[\"f\"]");
    call_and_wait(page, 6);
    assert_string_equal(heard(leg), "1");
    time_passes(500);
    second = next_leg();
    assert_string_equal(heard(second), "0");
    go(page);
    assert_string_equal(heard(second), "1");
    close(leg);
    welcome(second, SERVICE, 9);
    time_passes(2000);
    give_receipt(second);
    assert_string_equal(heard(second), "");
    give_receipt(second);
    assert_string_equal(heard(second), ".");
    close(second);
}

static void a_service_that_is_late_has_its_time_from_then_on(void **state) {
    (void)state;
    int leg, second, next;
    struct page *page = let_in(SERVICE, &leg);
    shake(page, 9, "[\"f\"]");
    call(page);
    time_passes(500);
    second = next_leg();
    assert_string_equal(heard(second), "0");
    go(page);
    assert_string_equal(heard(second), "1");
    time_passes(1000);
    welcome(second, SERVICE, 9);
    struct page *newcomer = begin_page();
    time_passes(499);
    assert_int_equal(next_leg(), -1);
    time_passes(1);
    next = next_leg();
    assert_true(next >= 0);
    go(newcomer);
    close(leg);
    close(second);
    close(next);
}

static void what_the_first_connection_is_answered_the_second_is_not_owed(void **state) {
    (void)state;
    int leg, second;
    struct page *page = let_in(SERVICE, &leg);
    call_and_wait(page, 5);
    shake(page, 9, "[\"f\"]");
    assert_string_equal(heard(leg), "1");
    time_passes(500);
    second = next_leg();
    assert_string_equal(heard(second), "0");
    go(page);
    give_receipt(leg); /* before the Service has come to the second one */
    assert_string_equal(heard(leg), ".");
    close(leg);
    welcome(second, SERVICE, 9);
    assert_string_equal(heard(second), ".");
    close(second);
}

/* The Router evicts the first connection when it comes to read the handshake: nothing may be on its way there then. */
static void who_has_asked_for_a_change_has_no_way_back(void **state) {
    (void)state;
    int leg, second;
    struct page *page = change(ROUTER, &leg);
    give_receipt(leg);
    second = next_leg();
    assert_string_equal(heard(second), "0");
    time_passes(place.config->timeouts.upstream_connect + 1);
    assert_int_equal(page->closed_with, 1013);
    go(page);
    close(leg);
    close(second);
}

/* It is reset, as when its server dies before it has read what has come: closed with something unread. */
static void who_loses_its_second_connection_ends_alone(void **state) {
    (void)state;
    for (int answered = 0; answered < 2; answered++) {
        int leg, second;
        struct page *page = change(ROUTER, &leg);
        call(page);
        give_receipt(leg);
        second = next_leg();
        assert_true(second >= 0);
        if (answered > 0) {
            welcome(second, ROUTER, 9); /* waits for the end of the first one */
        }
        close(second);
        turn();
        assert_int_equal(page->closed_with, 1012);
        go(page);
        assert_string_equal(heard(leg),
                            "2."); /* the call goes nowhere: that way it might come behind an eviction */
        close(leg);
    }
}

static void who_loses_its_second_connection_is_answered_by_the_first(void **state) {
    (void)state;
    int leg, second;
    struct page *page = let_in(SERVICE, &leg);
    call_and_wait(page, 5);
    shake(page, 9, "[\"f\"]");
    time_passes(500);
    second = next_leg();
    close(second);
    turn();
    assert_int_equal(page->closed_with, 1012);
    go(page);
    assert_string_equal(heard(leg), "1");
    give_receipt(leg);
    assert_string_equal(heard(leg), ".");
    time_passes(NAMES_DEBT_MS);
    close(leg);
}

int main(void) {
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_name_is_free_when_the_router_has_read_all),
        CASE(the_receipt_may_take_long),
        CASE(nobody_waits_for_a_receipt_without_end),
        CASE(who_is_cut_is_there_until_the_router_says_otherwise),
        CASE(its_end_frees_the_name_in_whatever_state),
        CASE(a_service_has_half_a_second_behind_the_last_message),
        CASE(a_service_that_answers_late_has_read_the_handshake),
        CASE(who_waits_to_be_read_does_not_hold_up_the_end),
        CASE(a_service_is_waited_for_as_long_as_a_call_may_take),
        CASE(those_of_one_address_do_not_keep_all_others_out),
        CASE(the_bridge_may_end_meanwhile),
        CASE(who_comes_and_goes_stays_for_the_answers_to_those_before_it),
        CASE(what_is_answered_before_the_next_is_there_is_not_owed_to_it),
        CASE(who_comes_after_the_end_of_a_service_is_owed_nothing),
        CASE(a_change_goes_on_when_all_is_read),
        CASE(a_change_waits_for_a_service_as_well),
        CASE(a_change_for_which_memory_ends_leaves_nothing),
        CASE(who_leaves_as_its_change_waits_is_read_to_the_end),
        CASE(who_leaves_as_its_change_is_with_the_router_is_read_to_the_end),
        CASE(a_router_owes_nothing),
        CASE(who_leaves_as_its_change_is_with_a_service_stays_for_its_answers),
        CASE(what_the_first_connection_is_answered_the_second_is_not_owed),
        CASE(a_service_that_is_late_has_its_time_from_then_on),
        CASE(who_has_asked_for_a_change_has_no_way_back),
        CASE(who_loses_its_second_connection_ends_alone),
        CASE(who_loses_its_second_connection_is_answered_by_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
