/* Call ids: in turn from any first one, round past 65535, never one in flight, late ones only after a rest. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daffi/calls.h"

static struct daffi_calls calls;

static int begin(void **state) {
    (void)state;
    daffi_calls_init(&calls, 1);
    return 0;
}

/* Opens `count` ids and gives each back at once. Returns the last. */
static int pass(unsigned count) {
    int id = 0;
    for (unsigned i = 0; i < count; i++) {
        id = daffi_calls_open(&calls);
        assert_in_range(id, 1, DAFFI_CALLS_MAX);
        assert_true(daffi_calls_close(&calls, (uint16_t)id));
    }
    return id;
}

static void ids_come_in_turn_though_given_back(void **state) {
    (void)state;
    for (int expected = 1; expected <= 200; expected++) {
        const int id = daffi_calls_open(&calls);
        assert_int_equal(id, expected);
        assert_true(daffi_calls_is_open(&calls, (uint16_t)id));
        assert_int_equal(calls.count, 1);
        assert_true(daffi_calls_close(&calls, (uint16_t)id));
        assert_false(daffi_calls_is_open(&calls, (uint16_t)id));
        assert_int_equal(calls.count, 0);
    }
}

static void what_is_not_in_flight_is_not_given_back(void **state) {
    (void)state;
    assert_false(daffi_calls_close(&calls, 0));
    assert_false(daffi_calls_close(&calls, 1));
    assert_false(daffi_calls_close(&calls, 65535));
    assert_false(daffi_calls_is_open(&calls, 0));
    assert_int_equal(daffi_calls_open(&calls), 1);
    assert_false(daffi_calls_close(&calls, 2));
    assert_true(daffi_calls_close(&calls, 1));
    assert_false(daffi_calls_close(&calls, 1));
    assert_int_equal(calls.count, 0);
}

static void a_round_ends_at_65535_and_begins_at_1(void **state) {
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int expected = 1; expected <= DAFFI_CALLS_MAX; expected++)
            assert_int_equal(pass(1), expected);
    }
}

static void a_round_may_begin_anywhere(void **state) {
    (void)state;
    static const uint16_t firsts[] = {1, 2, 63, 64, 65, 32768, 65472, 65534, 65535};
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
        daffi_calls_init(&calls, firsts[i]);
        assert_int_equal(calls.count, 0);
        int expected = firsts[i];
        for (int count = 0; count < 2 * DAFFI_CALLS_MAX; count++) {
            assert_int_equal(pass(1), expected);
            expected = expected == DAFFI_CALLS_MAX ? 1 : expected + 1;
        }
        for (int count = 0; count < DAFFI_CALLS_MAX; count++) {
            assert_in_range(daffi_calls_open(&calls), 1, DAFFI_CALLS_MAX);
        }
        assert_int_equal(daffi_calls_open(&calls), -EBUSY);
    }
}

static void a_round_passes_over_what_is_in_flight(void **state) {
    (void)state;
    /* Both ends, word borders, and a whole word. */
    static bool is_held[DAFFI_CALLS_MAX + 1];
    static const int alone[] = {1, 2, 63, 64, 65, 127, 65471, 65472, 65534, 65535};
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        is_held[alone[i]] = true;
    for (int id = 640; id < 704; id++)
        is_held[id] = true;
    for (int id = 1; id <= DAFFI_CALLS_MAX; id++) {
        assert_int_equal(daffi_calls_open(&calls), id);
        if (!is_held[id])
            assert_true(daffi_calls_close(&calls, (uint16_t)id));
    }
    for (int round = 0; round < 2; round++) {
        for (int id = 1; id <= DAFFI_CALLS_MAX; id++) {
            if (!is_held[id])
                assert_int_equal(pass(1), id);
        }
    }
}

static void all_ids_can_be_in_flight_and_no_more(void **state) {
    (void)state;
    for (int expected = 1; expected <= DAFFI_CALLS_MAX; expected++)
        assert_int_equal(daffi_calls_open(&calls), expected);
    assert_int_equal(calls.count, DAFFI_CALLS_MAX);
    assert_int_equal(daffi_calls_open(&calls), -EBUSY);
    assert_int_equal(calls.count, DAFFI_CALLS_MAX);

    /* The only free one is taken wherever it stands, and however shortly it rested. */
    static const uint16_t only[] = {1, 63, 64, 32767, 32768, 40000, 65534, 65535};
    for (size_t i = 0; i < sizeof only / sizeof *only; i++) {
        assert_true(daffi_calls_close(&calls, only[i]));
        assert_int_equal(daffi_calls_open(&calls), only[i]);
        assert_int_equal(daffi_calls_open(&calls), -EBUSY);
    }
}

/* A call that times out after nearly a round: its answer may still come when its turn does. */
static void one_given_back_late_lets_its_turn_pass(void **state) {
    (void)state;
    assert_int_equal(pass(4), 4);
    assert_int_equal(daffi_calls_open(&calls), 5);
    assert_int_equal(pass(65530), 65535);
    assert_int_equal(pass(4), 4);
    assert_true(daffi_calls_close(&calls, 5));
    assert_int_equal(pass(1), 6);
    assert_int_equal(pass(65529), 65535);
    assert_int_equal(pass(5), 5);
}

static void half_a_round_is_enough(void **state) {
    (void)state;
    assert_int_equal(daffi_calls_open(&calls), 1);
    assert_int_equal(daffi_calls_open(&calls), 2);
    pass(32766); /* as far as 32768 */
    assert_true(daffi_calls_close(&calls, 1));
    assert_int_equal(pass(1), 32769);
    pass(1); /* as far as 32770: half a round and more behind 2 */
    assert_true(daffi_calls_close(&calls, 2));
    assert_int_equal(pass(32765), 65535);
    assert_int_equal(pass(1), 1);
    assert_int_equal(pass(1), 3);
}

/* Many calls of any length: each id once at a time, and none again within half a round of its end. */
static void whatever_comes_no_id_is_soon_again(void **state) {
    (void)state;
    enum { SLOTS = 500, CALLS = 400000 };
    static uint16_t flying[SLOTS];
    static unsigned long closed_at[DAFFI_CALLS_MAX + 1];
    unsigned long travelled = 0;
    unsigned random = 1;
    int last = 0;
    for (int i = 0; i < CALLS; i++) {
        random = random * 1103515245U + 12345U;
        /* Low slots change hands often, high ones hardly ever. */
        const unsigned range = (random >> 8) % SLOTS + 1;
        random = random * 1103515245U + 12345U;
        const unsigned slot = (random >> 8) % range;
        if (flying[slot] != 0) {
            assert_true(daffi_calls_close(&calls, flying[slot]));
            closed_at[flying[slot]] = travelled;
            flying[slot] = 0;
        }
        const int id = daffi_calls_open(&calls);
        assert_in_range(id, 1, DAFFI_CALLS_MAX);
        travelled += (uint16_t)(id - last);
        last = id;
        assert_true(closed_at[id] == 0 || travelled - closed_at[id] >= 32768);
        for (size_t other = 0; other < SLOTS; other++)
            assert_true(flying[other] != id);
        flying[slot] = (uint16_t)id;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(ids_come_in_turn_though_given_back, begin),
        cmocka_unit_test_setup(what_is_not_in_flight_is_not_given_back, begin),
        cmocka_unit_test_setup(a_round_ends_at_65535_and_begins_at_1, begin),
        cmocka_unit_test_setup(a_round_may_begin_anywhere, begin),
        cmocka_unit_test_setup(a_round_passes_over_what_is_in_flight, begin),
        cmocka_unit_test_setup(all_ids_can_be_in_flight_and_no_more, begin),
        cmocka_unit_test_setup(one_given_back_late_lets_its_turn_pass, begin),
        cmocka_unit_test_setup(half_a_round_is_enough, begin),
        cmocka_unit_test_setup(whatever_comes_no_id_is_soon_again, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
