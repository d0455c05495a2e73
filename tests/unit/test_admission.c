/* Who may still come in: each limit at its edge, and all of it given back. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/door/admission.h"
#include "net/reactor.h"

enum { TICKETS_MAX = 64 };

static struct admission *admission;
static struct admission_ticket tickets[TICKETS_MAX];
static size_t held;
static struct reactor *reactor;
static uint64_t clock_ms;

static int set_up(void **state) {
    (void)state;
    const struct config_limits limits = {.connections = 10, .connections_per_address = 4, .half_open = 6};
    static struct memory_budget memory = {.limit = 1 << 20};
    held = 0;
    clock_ms = 0;
    assert_int_equal(reactor_new(&memory, &reactor), 0);
    memset(tickets, 0, sizeof tickets);
    return admission_new(&limits, &admission);
}

static int tear_down(void **state) {
    (void)state;
    for (size_t i = 0; i < held; i++) {
        admission_leave(&tickets[i]);
    }
    reactor_free(reactor);
    admission_free(admission);
    return 0;
}

static const char *enter(const char *address) {
    const char *reason = NULL;
    int status = admission_enter(admission, address, reactor, clock_ms, &tickets[held], &reason);
    if (status == 0) {
        held++;
        return "";
    }
    assert_int_equal(status, -EUSERS);
    assert_null(tickets[held].entry);
    return reason;
}

static void an_address_has_its_limit_and_others_theirs(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_string_equal(enter("192.0.2.1"), "");
    }
    assert_non_null(strstr(enter("192.0.2.1"), "connections_per_address"));
    assert_string_equal(enter("192.0.2.2"), "");
    admission_leave(&tickets[0]);
    assert_string_equal(enter("192.0.2.1"), "");
}

static void an_ipv6_network_is_one_address(void **state) {
    (void)state;
    assert_string_equal(enter("2001:db8:0:1::1"), "");
    assert_string_equal(enter("2001:db8:0:1::2"), "");
    assert_string_equal(enter("2001:db8:0:1:ffff::3"), "");
    assert_string_equal(enter("2001:db8:0:1:8000::"), "");
    assert_non_null(strstr(enter("2001:db8:0:1::5"), "connections_per_address"));
    assert_string_equal(enter("2001:db8:0:2::1"), "");
}

static void half_open_ones_have_theirs_until_they_settle(void **state) {
    (void)state;
    for (int i = 0; i < 6; i++) {
        assert_string_equal(enter("unix"), "");
    }
    assert_non_null(strstr(enter("unix"), "half_open"));
    admission_settle(&tickets[0]);
    admission_settle(&tickets[0]);
    assert_string_equal(enter("unix"), "");
    assert_non_null(strstr(enter("unix"), "half_open"));
    admission_leave(&tickets[0]);
    assert_non_null(strstr(enter("unix"), "half_open"));
    admission_leave(&tickets[1]);
    assert_string_equal(enter("unix"), "");
}

static void all_together_have_theirs(void **state) {
    (void)state;
    char address[ADDRESS_MAX];
    for (int i = 0; i < 10; i++) {
        snprintf(address, sizeof address, "192.0.2.%d", i);
        assert_string_equal(enter(address), "");
        admission_settle(&tickets[held - 1]);
    }
    assert_non_null(strstr(enter("unix"), "limits.connections is"));
}

static void a_ticket_may_be_given_back_twice_or_hold_nothing(void **state) {
    (void)state;
    assert_string_equal(enter("192.0.2.1"), "");
    admission_leave(&tickets[0]);
    admission_leave(&tickets[0]);
    admission_settle(&tickets[0]);
    struct admission_ticket none = {0};
    admission_leave(&none);
}

static void slow_ones_give_way_to_newcomers_of_their_address(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_string_equal(enter("192.0.2.1"), "");
    }
    admission_settle(&tickets[0]);
    admission_serve(&tickets[1]);
    clock_ms = ADMISSION_GRACE_MS - 1;
    assert_non_null(strstr(enter("192.0.2.1"), "connections_per_address"));
    clock_ms = ADMISSION_GRACE_MS;
    for (int i = 0; i < 3; i++) { /* all but the one that has said who it is */
        assert_string_equal(enter("192.0.2.1"), "");
    }
    assert_non_null(strstr(enter("192.0.2.1"), "connections_per_address"));
    assert_string_equal(enter("192.0.2.2"), "");
    admission_leave(&tickets[1]);
    assert_int_equal(reactor_turn(reactor, 0), 0);
    admission_leave(&tickets[2]); /* the third that gave way leaves behind the test's end */
    admission_leave(&tickets[0]);
    assert_string_equal(enter("192.0.2.1"), "");
}

static void half_open_ones_give_way_to_newcomers_of_all_addresses(void **state) {
    (void)state;
    for (int i = 0; i < 6; i++) {
        assert_string_equal(enter("unix"), "");
    }
    admission_serve(&tickets[0]);
    assert_string_equal(enter("192.0.2.1"), "");
    assert_non_null(strstr(enter("192.0.2.1"), "half_open"));
    clock_ms = ADMISSION_GRACE_MS;
    for (int i = 0; i < 12; i++) {
        assert_string_equal(enter("192.0.2.1"), "");
        clock_ms += ADMISSION_GRACE_MS;
    }
    for (size_t i = 0; i < held; i++) { /* nobody is settled twice, or settled that has gone */
        admission_settle(&tickets[i]);
    }
    for (int i = 0; i < 4; i++) {
        enter("192.0.2.2");
    }
    assert_int_equal(held, 7 + 12 + 3); /* ten in all: the served one, six settled, three new ones */
}

/* The ms until it is passed on, or -1: never, and *reason says why. */
static long pass_on(const char *address, uint64_t now, const char **reason) {
    uint64_t wait = 0;
    int status = admission_pass_on(admission, address, now, 1000, &wait, reason);
    assert_true(status == 0 || status == -EBUSY);
    return status == 0 ? (long)wait : -1;
}

static void connects_to_upstreams_come_at_once_then_in_turn_then_not(void **state) {
    (void)state;
    const char *reason = "";
    for (int i = 0; i < 4; i++) { /* connections_per_address */
        assert_int_equal(pass_on("192.0.2.1", 5000, &reason), 0);
    }
    assert_int_equal(pass_on("192.0.2.1", 5000, &reason), 1000); /* one a second */
    assert_int_equal(pass_on("192.0.2.1", 5000, &reason), -1);
    assert_non_null(strstr(reason, "upstream_connects_per_address"));
    assert_int_equal(pass_on("192.0.2.2", 5000, &reason), 0);
    assert_int_equal(pass_on("192.0.2.1", 5400, &reason), -1);
    assert_int_equal(pass_on("192.0.2.1", 6000, &reason), 1000); /* what it waited for is its own */
    assert_int_equal(pass_on("192.0.2.1", 60000, &reason), 0);
}

static void connects_of_all_addresses_have_their_rate(void **state) {
    (void)state;
    const char *reason = "";
    char address[ADDRESS_MAX];
    for (int i = 0; i < 10; i++) { /* connections */
        snprintf(address, sizeof address, "192.0.2.%d", i);
        assert_int_equal(pass_on(address, 5000, &reason), 0);
    }
    assert_int_equal(pass_on("unix", 5000, &reason), 500); /* two a second */
    assert_int_equal(pass_on("unix", 5000, &reason), 1000);
    assert_int_equal(pass_on("192.0.2.99", 5000, &reason), -1);
    assert_non_null(strstr(reason, "limits.upstream_connects)"));
}

static void the_loopback_has_a_rate_where_one_is_said(void **state) {
    (void)state;
    const char *reason = "";
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pass_on(i % 2 == 0 ? "127.0.0.1" : "::1", 5000, &reason), 0);
    }
    admission_free(admission);
    const struct config_limits limits = {
        .connections = 10, .connections_per_address = 4, .half_open = 6, .upstream_connects_per_address = 2};
    assert_int_equal(admission_new(&limits, &admission), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pass_on("::1", 5000, &reason), 0);
    }
    assert_int_equal(pass_on("::1", 5000, &reason), 500);
}

static void an_address_that_has_left_is_remembered_until_its_rate_is_whole(void **state) {
    (void)state;
    const char *reason = "";
    assert_string_equal(enter("192.0.2.1"), "");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pass_on("192.0.2.1", 5000, &reason), 0);
    }
    admission_leave(&tickets[0]);
    assert_string_equal(enter("192.0.2.1"), "");
    assert_int_equal(pass_on("192.0.2.1", 5000, &reason), 1000);
}

static void *come_and_go(void *argument) {
    const char *address = argument;
    for (int i = 0; i < 2000; i++) {
        struct admission_ticket ticket = {0};
        const char *reason;
        if (admission_enter(admission, address, reactor, 0, &ticket, &reason) == 0) {
            admission_settle(&ticket);
        }
        admission_leave(&ticket);
    }
    return NULL;
}

static void threads_come_and_go(void **state) {
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        const char *address = i % 2 == 0 ? "192.0.2.1" : "192.0.2.2";
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, (void *)(uintptr_t)address), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    all_together_have_theirs(NULL);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const char *move_to(size_t place, const char *address) {
    const char *reason = NULL;
    int status = admission_move(&tickets[place], address, clock_ms, &reason);
    assert_int_equal(status, reason == NULL ? 0 : -EUSERS);
    return reason == NULL ? "" : reason;
}

/* What a proxy asks for counts where it is for; what it is not taken for stays where it was. */
static void a_connection_moves_to_another_address(void **state) {
    (void)state;
    for (int i = 0; i < 6; i++) {
        assert_string_equal(enter("unix"), "");
    }
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(move_to(i, "192.0.2.1"), "");
        assert_string_equal(move_to(i, "192.0.2.1"), ""); /* it is there already */
        admission_serve(&tickets[i]);
    }
    assert_string_equal(move_to(4, "192.0.2.1"), "limits.connections_per_address is reached");
    assert_string_equal(move_to(4, "192.0.2.2"), "");
    assert_string_equal(move_to(4, "192.0.2.1"), "limits.connections_per_address is reached");
    assert_string_equal(move_to(0, "192.0.2.2"), "");
    assert_string_equal(move_to(4, "192.0.2.1"), "");
    assert_string_equal(move_to(0, "unix"), "");
    admission_settle(&tickets[1]);
    assert_string_equal(move_to(1, "2001:db8::1"), ""); /* it has said who it is: it is no stranger there */
    clock_ms += ADMISSION_GRACE_MS;
    assert_string_equal(move_to(0, "192.0.2.1"), "");
    assert_string_equal(move_to(5, "192.0.2.1"), ""); /* the oldest stranger there gives way */
    assert_string_equal(move_to(2, "192.0.2.9"), ""); /* which is this one: nothing comes of it any more */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_connection_moves_to_another_address, set_up, tear_down),
        CASE(an_address_has_its_limit_and_others_theirs),
        CASE(an_ipv6_network_is_one_address),
        CASE(half_open_ones_have_theirs_until_they_settle),
        CASE(all_together_have_theirs),
        CASE(a_ticket_may_be_given_back_twice_or_hold_nothing),
        CASE(threads_come_and_go),
        CASE(slow_ones_give_way_to_newcomers_of_their_address),
        CASE(half_open_ones_give_way_to_newcomers_of_all_addresses),
        CASE(connects_to_upstreams_come_at_once_then_in_turn_then_not),
        CASE(connects_of_all_addresses_have_their_rate),
        CASE(the_loopback_has_a_rate_where_one_is_said),
        CASE(an_address_that_has_left_is_remembered_until_its_rate_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
