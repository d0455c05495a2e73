/* clock.h: one clock in two units, which never goes back, and times to come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/clock.h"

static void test_never_back(void **state) {
    (void)state;
    uint64_t before = clock_now_us();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_now_us();
        assert_true(now >= before);
        before = now;
    }
}

static void test_two_units(void **state) {
    (void)state;
    const uint64_t before_us = clock_now_us();
    const uint64_t now_ms = clock_now_ms();
    assert_in_range(now_ms, before_us / 1000, clock_now_us() / 1000);
}

static uint64_t us_of(struct timespec time) {
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* 999 ms carry into the next second, but for the first of each. */
static void test_times_to_come(void **state) {
    (void)state;
    static const unsigned ms[] = {1, 999, 1000, 86400000};
    for (size_t i = 0; i < sizeof ms / sizeof *ms; i++) {
        const uint64_t before = clock_now_us();
        const struct timespec then = clock_in_ms(CLOCK_MONOTONIC, ms[i]);
        const uint64_t after = clock_now_us();
        assert_in_range(then.tv_nsec, 0, 999999999);
        assert_in_range(us_of(then), before + ms[i] * 1000ULL, after + ms[i] * 1000ULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_back),
        cmocka_unit_test(test_two_units),
        cmocka_unit_test(test_times_to_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
