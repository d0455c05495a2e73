#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/guard/rate.h"

static size_t take_all(struct rate *rate, uint64_t now) {
    size_t taken = 0;
    while (taken < 1000000 && rate_take(rate, 1, now)) {
        taken++;
    }
    return taken;
}

static void no_rate_is_no_limit(void **state) {
    (void)state;
    struct rate rate;
    rate_init(&rate, 0, 0, 5);
    for (int i = 0; i < 1000; i++) {
        assert_true(rate_take(&rate, (size_t)1 << 40, 5));
    }
    rate_charge(&rate, (size_t)1 << 40, 5);
    assert_true(rate_take(&rate, 1, 5));
}

static void a_burst_then_the_rate(void **state) {
    (void)state;
    struct rate rate;
    rate_init(&rate, 10, 25, 1000);
    assert_int_equal(take_all(&rate, 1000), 25);
    assert_int_equal(take_all(&rate, 1099), 0);
    assert_int_equal(take_all(&rate, 1100), 1);
    assert_int_equal(take_all(&rate, 2100), 10);
    assert_int_equal(take_all(&rate, 1000000), 25); /* no more than full */
    assert_int_equal(take_all(&rate, 999999), 0);   /* a clock that goes back gives nothing */
    rate_init(&rate, 7, 0, 0);
    assert_int_equal(take_all(&rate, 0), 7);
}

/* Whatever the steps, what passes in a time is what the rate says of it. */
static void nothing_is_lost_between_steps(void **state) {
    (void)state;
    for (uint64_t step = 1; step < 500; step += 7) {
        struct rate rate;
        size_t taken = 0;
        rate_init(&rate, 3, 3, 0);
        (void)take_all(&rate, 0);
        uint64_t now = 0;
        while (now < 100000) {
            now += step;
            taken += take_all(&rate, now);
        }
        assert_int_equal(taken, now * 3 / 1000);
    }
}

static void more_than_the_burst_passes_when_full_and_is_owed(void **state) {
    (void)state;
    struct rate rate;
    rate_init(&rate, 100, 100, 0);
    assert_true(rate_take(&rate, 500, 0));
    assert_false(rate_take(&rate, 1, 4000));
    assert_true(rate_take(&rate, 1, 4010));
    assert_false(rate_take(&rate, 500, 4900));
    assert_true(rate_take(&rate, 500, 5010));
}

static void a_debt_has_an_end(void **state) {
    (void)state;
    struct rate rate;
    rate_init(&rate, 1, 1, 0);
    for (int i = 0; i < 1000; i++) {
        rate_charge(&rate, (size_t)1 << 40, 0);
    }
    assert_false(rate_take(&rate, 1, 3600000));
    assert_true(rate_take(&rate, 1, 3601000));
}

static void what_is_charged_in_turn_comes_in_turn(void **state) {
    (void)state;
    struct rate rate;
    rate_init(&rate, 4, 2, 1000);
    static const uint64_t waits[] = {0, 0, 250, 500, 750};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        assert_int_equal(rate_wait(&rate, 1, 1000), waits[i]);
        rate_charge(&rate, 1, 1000);
    }
    assert_int_equal(rate_wait(&rate, 1, 1750), 250);
    assert_int_equal(rate_wait(&rate, 2, 1750), 500);
    assert_int_equal(rate_wait(&rate, 2, 9000), 0);
    rate_init(&rate, 0, 0, 0);
    assert_int_equal(rate_wait(&rate, 1000, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rate_is_no_limit),
        cmocka_unit_test(a_burst_then_the_rate),
        cmocka_unit_test(nothing_is_lost_between_steps),
        cmocka_unit_test(more_than_the_burst_passes_when_full_and_is_owed),
        cmocka_unit_test(a_debt_has_an_end),
        cmocka_unit_test(what_is_charged_in_turn_comes_in_turn),
    };
    return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
