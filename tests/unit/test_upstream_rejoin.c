/* Who changes its functions at a Python server: what the first connection needs before the second takes its place, and who leaves
 * amid that. */
#include "upstream_fixture.h"

/* A page that is about to change its functions, where the Router has not read yet what it sent before. */
static struct page *change(const char *as, int *ret_leg) {
    struct page *page = let_in(as, ret_leg);
    shake(page, 9, "[\"f\"]");
    return page;
}

/* The second connection, which a Service that has had its time has not answered yet. */
static int second_of_a_service(void) {
    time_passes(500);
    int second = next_leg();
    assert_string_equal(heard(second), "0");
    return second;
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
    second = second_of_a_service();
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
    second = second_of_a_service();
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
    second = second_of_a_service();
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
