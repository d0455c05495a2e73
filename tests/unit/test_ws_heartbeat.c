/* ws_heartbeat.h: who is asked, told and given up, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ws/ws_heartbeat.h"

enum { BEGUN = 1000, INTERVAL = 20000, ANSWER = 10000 };

static struct ws_heartbeat heartbeat;

static int setup(void **state) {
    (void)state;
    ws_heartbeat_begin(&heartbeat, INTERVAL, ANSWER, BEGUN);
    return 0;
}

static void expect(uint64_t now, bool ping, bool beat, uint64_t again_ms) {
    struct ws_heartbeat_verdict verdict = ws_heartbeat_look(&heartbeat, now, false, 0);
    assert_false(verdict.dead);
    assert_int_equal(verdict.ping, ping);
    assert_int_equal(verdict.beat, beat);
    assert_int_equal(verdict.again_ms, again_ms);
}

static void test_a_silent_peer_is_asked_and_given_up_after_interval_and_answer(void **state) {
    (void)state;
    expect(BEGUN + INTERVAL, true, true, ANSWER);
    expect(BEGUN + INTERVAL + ANSWER - 1, false, false, 1);
    assert_true(ws_heartbeat_look(&heartbeat, BEGUN + INTERVAL + ANSWER, false, 0).dead);
}

static void test_one_that_answers_is_asked_once_an_interval_of_its_silence(void **state) {
    (void)state;
    uint64_t now = BEGUN + INTERVAL;
    expect(now, true, true, ANSWER);
    for (int i = 0; i < 5; i++) {
        ws_heartbeat_hear(&heartbeat, now + 30);
        expect(now + ANSWER, false, false, INTERVAL - ANSWER); /* our own sign of life comes first */
        expect(now + INTERVAL, false, true, 30);
        expect(now + INTERVAL + 30, true, false, ANSWER);
        now += INTERVAL + 30;
        ws_heartbeat_tell(&heartbeat, now);
    }
}

static void test_one_that_speaks_is_not_asked_and_told_that_we_are_there(void **state) {
    (void)state;
    ws_heartbeat_hear(&heartbeat, BEGUN + 15000);
    expect(BEGUN + INTERVAL, false, true, 15000);
    ws_heartbeat_hear(&heartbeat, BEGUN + 39999);
    expect(BEGUN + 2 * INTERVAL, false, true, INTERVAL - 1);
}

static void test_one_that_is_spoken_to_is_asked_and_told_nothing(void **state) {
    (void)state;
    ws_heartbeat_tell(&heartbeat, BEGUN + 19000);
    expect(BEGUN + INTERVAL, true, false, ANSWER);
}

static void test_no_silence_is_held_against_one_that_is_not_read(void **state) {
    (void)state;
    expect(BEGUN + INTERVAL, true, true, ANSWER);
    struct ws_heartbeat_verdict verdict = ws_heartbeat_look(&heartbeat, BEGUN + INTERVAL + ANSWER, true, 0);
    assert_false(verdict.dead);
    assert_false(verdict.ping);
    expect(BEGUN + 2 * INTERVAL, false, true, ANSWER); /* heard, as it were, when it was last not read */
    expect(BEGUN + 2 * INTERVAL + ANSWER, true, false, ANSWER);
}

static void test_a_look_that_comes_late_asks_before_it_gives_up(void **state) {
    (void)state;
    expect(BEGUN + 100 * INTERVAL, true, true, ANSWER); /* the machine slept */
    ws_heartbeat_hear(&heartbeat, BEGUN + 100 * INTERVAL + 1);
    expect(BEGUN + 100 * INTERVAL + ANSWER, false, false, INTERVAL - ANSWER);
}

static void test_an_answer_may_take_longer_than_the_interval(void **state) {
    (void)state;
    ws_heartbeat_begin(&heartbeat, 1000, 5000, 0);
    expect(1000, true, true, 1000);
    expect(2000, false, true, 1000);
    ws_heartbeat_hear(&heartbeat, 2500);
    expect(3000, false, true, 500);
}

static struct ws_heartbeat_verdict look(uint64_t now, size_t waiting) {
    return ws_heartbeat_look(&heartbeat, now, false, waiting);
}

static void test_one_that_takes_what_it_is_sent_is_alive(void **state) {
    (void)state;
    size_t waiting = 4 << 20;
    uint64_t now = BEGUN + INTERVAL;
    assert_true(look(now, waiting).ping);
    for (int i = 0; i < 10; i++) { /* slowly: the ping stands behind all that */
        struct ws_heartbeat_verdict verdict = look(now += ANSWER, --waiting);
        assert_false(verdict.dead);
        assert_false(verdict.ping);
    }
    now += INTERVAL; /* and then nothing goes any more */
    assert_true(look(now, waiting).ping);
    assert_true(look(now + ANSWER, waiting).dead);
}

static void test_an_acknowledged_ping_is_no_answer_to_it(void **state) {
    (void)state;
    assert_true(look(BEGUN + INTERVAL, 0).ping);
    assert_false(look(BEGUN + INTERVAL + 1, 4).dead);
    ws_heartbeat_begin(&heartbeat, INTERVAL, ANSWER, BEGUN);
    assert_true(look(BEGUN + INTERVAL, 0).ping);
    assert_true(look(BEGUN + INTERVAL + ANSWER, 0).dead);
}

static void test_who_slept_while_an_answer_was_due_asks_anew(void **state) {
    (void)state;
    expect(BEGUN + INTERVAL, true, true, ANSWER);
    expect(BEGUN + 100 * INTERVAL, true, true, ANSWER);
    assert_true(ws_heartbeat_look(&heartbeat, BEGUN + 100 * INTERVAL + ANSWER, false, 0).dead);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_silent_peer_is_asked_and_given_up_after_interval_and_answer, setup),
        cmocka_unit_test_setup(test_one_that_answers_is_asked_once_an_interval_of_its_silence, setup),
        cmocka_unit_test_setup(test_one_that_speaks_is_not_asked_and_told_that_we_are_there, setup),
        cmocka_unit_test_setup(test_one_that_is_spoken_to_is_asked_and_told_nothing, setup),
        cmocka_unit_test_setup(test_no_silence_is_held_against_one_that_is_not_read, setup),
        cmocka_unit_test_setup(test_a_look_that_comes_late_asks_before_it_gives_up, setup),
        cmocka_unit_test_setup(test_an_answer_may_take_longer_than_the_interval, setup),
        cmocka_unit_test_setup(test_one_that_takes_what_it_is_sent_is_alive, setup),
        cmocka_unit_test_setup(test_an_acknowledged_ping_is_no_answer_to_it, setup),
        cmocka_unit_test_setup(test_who_slept_while_an_answer_was_due_asks_anew, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
