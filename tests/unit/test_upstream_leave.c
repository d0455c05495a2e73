/* Who leaves a Python server: when the name is free, and how long the connection stays. */
#include "upstream_fixture.h"

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
