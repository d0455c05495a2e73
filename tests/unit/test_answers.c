/* What a session owes: an answer passes once, to a call that was delivered. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/session/answers.h"

enum { LIMIT = 8, NOW = 5000 };

struct fixture {
    struct answers answers;
    struct call_table table;
};

static int set_up(void **state) {
    *state = calloc(1, sizeof(struct fixture));
    return *state == NULL;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    answers_clear(&fixture->answers, &fixture->table);
    assert_int_equal(fixture->table.count, 0);
    assert_int_equal(fixture->answers.count, 0);
    call_table_clear(&fixture->table);
    free(fixture);
    return 0;
}

static int owe(struct fixture *fixture, const char *caller, uint16_t uuid, uint64_t now) {
    return answers_open(&fixture->answers, &fixture->table, daffi_span_text(caller), uuid, LIMIT, now);
}

static bool pay(struct fixture *fixture, const char *caller, uint16_t uuid) {
    return answers_take(&fixture->answers, &fixture->table, daffi_span_text(caller), uuid);
}

static void an_answer_passes_once(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(owe(fixture, "a", 7, NOW), 0);
    assert_true(pay(fixture, "a", 7));
    assert_false(pay(fixture, "a", 7));
}

static void nobody_elses_answer_passes(void **state) {
    struct fixture *fixture = *state;
    assert_false(pay(fixture, "a", 7));
    assert_int_equal(owe(fixture, "a", 7, NOW), 0);
    assert_false(pay(fixture, "a", 8));
    assert_false(pay(fixture, "ab", 7));
    assert_false(pay(fixture, "", 7));
    assert_true(pay(fixture, "a", 7));
}

static void a_caller_that_uses_an_id_again_is_owed_one_answer(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(owe(fixture, "a", 7, NOW), 0);
    assert_int_equal(owe(fixture, "a", 7, NOW), 0);
    assert_int_equal(fixture->answers.count, 1);
    assert_true(pay(fixture, "a", 7));
    assert_false(pay(fixture, "a", 7));
}

static void a_full_table_is_busy_until_an_answer_is_given(void **state) {
    struct fixture *fixture = *state;
    char name[16];
    for (uint16_t i = 0; i < LIMIT; i++) {
        snprintf(name, sizeof name, "caller %u", i % 3U);
        assert_int_equal(owe(fixture, name, i, NOW), 0);
    }
    assert_int_equal(owe(fixture, "z", 1, NOW), -EBUSY);
    assert_false(pay(fixture, "z", 1));
    assert_int_equal(owe(fixture, "caller 0", 0, NOW), 0); /* the same call needs no more room */
    assert_true(pay(fixture, "caller 1", 1));
    assert_int_equal(owe(fixture, "z", 1, NOW), 0);
}

static void what_is_never_answered_makes_way_in_time(void **state) {
    struct fixture *fixture = *state;
    for (uint16_t i = 0; i < LIMIT; i++) {
        assert_int_equal(owe(fixture, i % 2 == 0 ? "a" : "b", i, NOW + i), 0);
    }
    assert_int_equal(owe(fixture, "z", 1, NOW + ANSWERS_STALE_MS - 1), -EBUSY);
    assert_int_equal(owe(fixture, "z", 1, NOW + ANSWERS_STALE_MS), 0);
    assert_false(pay(fixture, "a", 0)); /* the oldest has gone, and no other */
    for (uint16_t i = 1; i < LIMIT; i++) {
        assert_true(pay(fixture, i % 2 == 0 ? "a" : "b", i));
    }
    assert_true(pay(fixture, "z", 1));
}

static void a_caller_that_leaves_takes_its_calls_along(void **state) {
    struct fixture *fixture = *state;
    answers_drop_caller(&fixture->answers, &fixture->table, daffi_span_text("a"));
    assert_int_equal(owe(fixture, "a", 7, NOW), 0);
    assert_int_equal(owe(fixture, "a", 8, NOW), 0);
    assert_int_equal(owe(fixture, "b", 7, NOW), 0);
    answers_drop_caller(&fixture->answers, &fixture->table, daffi_span_text("a"));
    assert_int_equal(fixture->answers.count, 1);
    assert_false(pay(fixture, "a", 7));
    assert_false(pay(fixture, "a", 8));
    assert_true(pay(fixture, "b", 7));
}

static void many_callers_are_told_apart(void **state) {
    struct fixture *fixture = *state;
    char name[16];
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "%u", i);
        assert_int_equal(
            answers_open(&fixture->answers, &fixture->table, daffi_span_text(name), 1, 2000, NOW), 0);
    }
    for (unsigned i = 2000; i-- > 0;) {
        snprintf(name, sizeof name, "%u", i);
        assert_true(pay(fixture, name, 1));
    }
    assert_int_equal(fixture->answers.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_passes_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_elses_answer_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_caller_that_uses_an_id_again_is_owed_one_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_table_is_busy_until_an_answer_is_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_never_answered_makes_way_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_caller_that_leaves_takes_its_calls_along, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_callers_are_told_apart, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("answers", tests, NULL, NULL);
}
