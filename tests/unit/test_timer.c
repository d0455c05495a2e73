/* timer.h: order, moves and clears, against a plain list that does the same slowly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdlib.h>

#include "net/timer.h"
#include "random_numbers.h"

enum { MANY = 300 };

struct probe {
    struct timer timer;
    struct timers *timers;
    uint64_t ran_at; /* now as it ran last */
    unsigned runs;
    uint64_t again_at; /* 0: no */
};

static uint64_t last_due;

static void on_due(struct timer *timer, uint64_t now) {
    struct probe *probe = (struct probe *)timer;
    assert_int_equal(timer->place, 0);
    assert_true(timer->due <= now);
    probe->ran_at = now;
    probe->runs++;
    assert_true(timer->due >= last_due);
    last_due = timer->due;
    if (probe->again_at) {
        assert_int_equal(timer_set(probe->timers, timer, probe->again_at), 0);
    }
}

static int setup(void **state) {
    last_due = 0;
    return timers_new((struct timers **)state);
}

static int teardown(void **state) {
    timers_free(*state);
    return 0;
}

static void test_empty(void **state) {
    assert_int_equal(timers_wait(*state, 1), -1);
    timers_run(*state, 1);
    timers_free(NULL);
}

static void test_wait_and_run(void **state) {
    struct probe a = {.timer = {.on_due = on_due}}, b = {.timer = {.on_due = on_due}};
    assert_int_equal(timer_set(*state, &a.timer, 1050), 0);
    assert_int_equal(timer_set(*state, &b.timer, 1020), 0);
    assert_int_equal(timers_wait(*state, 1000), 20);
    assert_int_equal(timers_wait(*state, 1020), 0);
    assert_int_equal(timers_wait(*state, 2000), 0);
    timers_run(*state, 1019);
    assert_int_equal(a.runs + b.runs, 0);
    timers_run(*state, 1020);
    assert_int_equal(b.runs, 1);
    assert_int_equal(a.runs, 0);
    assert_int_equal(timer_set(*state, &a.timer, 1010), 0); /* moved forward */
    assert_int_equal(timer_set(*state, &a.timer, 1080), 0); /* and back */
    timers_run(*state, 1079);
    assert_int_equal(a.runs, 0);
    timers_run(*state, 1081);
    assert_int_equal(a.runs, 1);
    timer_clear(*state, &a.timer);
    assert_int_equal(timers_wait(*state, 0), -1);
    assert_int_equal(timer_set(*state, &a.timer, UINT64_MAX), 0);
    assert_int_equal(timers_wait(*state, 0), INT_MAX);
    timer_clear(*state, &a.timer);
}

/* One that is due again at once waits for the next run: a turn always ends. */
static void test_sets_itself_again(void **state) {
    struct probe probe = {.timer = {.on_due = on_due}, .timers = *state, .again_at = 5};
    assert_int_equal(timer_set(*state, &probe.timer, 5), 0);
    timers_run(*state, 10);
    assert_int_equal(probe.runs, 1);
    timers_run(*state, 10);
    assert_int_equal(probe.runs, 2);
    timer_clear(*state, &probe.timer);
}

static struct probe *victim;

static void on_due_clears(struct timer *timer, uint64_t now) {
    (void)now;
    timer_clear(((struct probe *)timer)->timers, &victim->timer);
}

static void test_clear_from_within(void **state) {
    struct probe killer = {.timer = {.on_due = on_due_clears}, .timers = *state};
    struct probe other = {.timer = {.on_due = on_due}};
    victim = &other;
    assert_int_equal(timer_set(*state, &killer.timer, 1), 0);
    assert_int_equal(timer_set(*state, &other.timer, 2), 0);
    timers_run(*state, 10);
    assert_int_equal(other.runs, 0);
}

static void test_many_at_random(void **state) {
    static struct probe probes[MANY];
    uint32_t random = 7;
    for (uint64_t now = 1; now < 2000; now++) {
        for (int change = 0; change < 3; change++) {
            struct probe *probe = &probes[next_random(&random) % MANY];
            probe->timer.on_due = on_due;
            if (next_random(&random) % 4 == 0) {
                timer_clear(*state, &probe->timer);
            } else {
                assert_int_equal(timer_set(*state, &probe->timer, now + next_random(&random) % 200), 0);
            }
        }
        uint64_t first = UINT64_MAX;
        unsigned due = 0, runs = 0;
        for (int i = 0; i < MANY; i++) {
            if (probes[i].timer.place) {
                first = probes[i].timer.due < first ? probes[i].timer.due : first;
                due += probes[i].timer.due <= now;
            }
            probes[i].runs = 0;
        }
        if (first != UINT64_MAX) {
            assert_int_equal(timers_wait(*state, now), first > now ? (int)(first - now) : 0);
        }
        last_due = 0;
        timers_run(*state, now);
        for (int i = 0; i < MANY; i++) {
            runs += probes[i].runs;
        }
        assert_int_equal(runs, due);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wait_and_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sets_itself_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clear_from_within, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_at_random, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
