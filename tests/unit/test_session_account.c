/* What is counted of a session: each message, each call, each refusal, how it ended. */
#include "session_fixture.h"

static uint64_t counted(enum counter which) {
    return counter_cell_read(&house->bridge.counters.cells[which]);
}

static void messages_and_handshakes(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    assert_int_equal(counted(COUNTER_PAGES_ACCEPTED), 1);
    assert_int_equal(counted(COUNTER_PAGE_MESSAGES_RECEIVED), 1);
    assert_int_equal(counted(COUNTER_PAGE_MESSAGES_SENT), 1);
    peer_says(make(DAFFI_REQUEST, "page", "worker", CALL));
    assert_int_equal(counted(COUNTER_PAGE_MESSAGES_RECEIVED), 2);
    assert_int_equal(counted(COUNTER_NATIVE_MESSAGES_RECEIVED), 0);
}

static void a_refused_handshake(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", "{"));
    assert_int_equal(counted(COUNTER_PAGES_REFUSED), 1);
    assert_int_equal(counted(COUNTER_PAGES_ACCEPTED), 0);
    session_on_closed(house->session, "");
    house->session = NULL;
    assert_int_equal(counted(COUNTER_CLOSED_1008), 1);
}

static void a_call_and_its_answer(void **state) {
    (void)state;
    struct upstream_counters upstream = {.name = "default"};
    house->backend.counters = &upstream;
    open_session(GUARD_BROWSER);
    house->bridge.call_table.waiting = &house->bridge.counters.cells[COUNTER_WAITING_CALLS];
    peer_says(make(DAFFI_REQUEST, "page", "worker", CALL));
    assert_int_equal(counter_cell_read(&upstream.cells[COUNTER_UPSTREAM_CALLS]), 1);
    assert_int_equal(counted(COUNTER_WAITING_CALLS), 1);
    time_passes(3);
    backend_says(make(DAFFI_RESPONSE, "worker", "page", CALL));
    assert_int_equal(counted(COUNTER_WAITING_CALLS), 0);
    assert_int_equal(counter_cell_read(&upstream.cells[COUNTER_UPSTREAM_RESPONSES]), 1);
    assert_int_equal(counter_cell_read(&upstream.latency.buckets[histogram_place(3000)]), 1);
    assert_int_equal(counter_cell_read(&upstream.latency.sum_us), 3000);
    backend_says(make(DAFFI_RESPONSE, "worker", "page", CALL)); /* once more: nobody waits */
    assert_int_equal(counted(COUNTER_DROPPED_ANSWERS), 1);
    assert_int_equal(counter_cell_read(&upstream.cells[COUNTER_UPSTREAM_RESPONSES]), 1);
}

static void a_refused_call(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    peer_says(make(DAFFI_REQUEST, "page", "worker", "{"));
    assert_int_equal(counted(COUNTER_REFUSED_CALL_PAYLOAD), 1);
    assert_int_equal(counted(COUNTER_CALL_ERROR_REFUSED), 1);
    assert_int_equal(counted(COUNTER_WAITING_CALLS), 0);
}

static void a_pause_is_over_with_its_page(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    house->up_congested = true;
    peer_says(make(DAFFI_REQUEST, "page", "worker", CALL));
    assert_int_equal(counted(COUNTER_PAUSED_PAGES), 1);
    session_on_closed(house->session, "gone");
    house->session = NULL;
    assert_int_equal(counted(COUNTER_PAUSED_PAGES), 0);
    assert_int_equal(counted(COUNTER_CLOSED_1006), 1);
}

static void the_first_close_code_counts(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    session_close(house->session, 1001, "the bridge is shutting down");
    session_note_close(house->session, 1000);
    session_on_closed(house->session, "by the page");
    house->session = NULL;
    assert_int_equal(counted(COUNTER_CLOSED_1001), 1);
    assert_int_equal(counted(COUNTER_CLOSED_1000), 0);
}

static void a_code_of_the_page_s_own(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    session_note_close(house->session, 4001);
    session_on_closed(house->session, "by the page");
    house->session = NULL;
    assert_int_equal(counted(COUNTER_CLOSED_OTHER), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_and_handshakes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_handshake, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_call_and_its_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pause_is_over_with_its_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_close_code_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_code_of_the_page_s_own, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("session account", tests, NULL, NULL);
}
