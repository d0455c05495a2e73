/* The ids that pages leave behind: who comes in place of one stays clear of them, for a while, within a bounded memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "bridge/members/unanswered.h"

enum { NOW = 1000, PLACE = 3, ROUND = 65535 };

static struct unanswered *unanswered;

static int set_up(void **state) {
    (void)state;
    return unanswered_new(&unanswered);
}

static int tear_down(void **state) {
    (void)state;
    unanswered_free(unanswered);
    return 0;
}

static void put(const char *name, const uint16_t *ids, size_t count) {
    unanswered_put(unanswered, PLACE, daffi_span_text(name), ids, count, NOW);
}

static uint16_t shift_at(const char *name, uint16_t first, uint64_t now) {
    return unanswered_shift(unanswered, PLACE, daffi_span_text(name), first, now);
}

static uint16_t shift_of(const char *name, uint16_t first) {
    return shift_at(name, first, NOW);
}

/* The ids of `many` calls in turn behind `first`, as they go up, are none of `left`. */
static void assert_clear(uint16_t first, uint16_t shift, unsigned many, const uint16_t *left, size_t count) {
    uint16_t id = first;
    for (unsigned i = 0; i < many; i++) {
        id = unanswered_shifted(id, 1);
        for (size_t at = 0; at < count; at++) {
            assert_int_not_equal(unanswered_shifted(id, shift), left[at]);
        }
    }
}

static void ids_are_shifted_round_and_back(void **state) {
    (void)state;
    static const uint16_t shifts[] = {0, 1, 2, 255, 32767, 65533, 65534};
    for (size_t i = 0; i < sizeof shifts / sizeof *shifts; i++) {
        static bool seen[ROUND + 1];
        memset(seen, 0, sizeof seen);
        for (unsigned id = 1; id <= ROUND; id++) {
            const uint16_t shifted = unanswered_shifted((uint16_t)id, shifts[i]);
            assert_in_range(shifted, 1, ROUND);
            assert_false(seen[shifted]);
            seen[shifted] = true;
            assert_int_equal(unanswered_unshifted(shifted, shifts[i]), id);
        }
        assert_int_equal(unanswered_shifted(0, shifts[i]), 0);
        assert_int_equal(unanswered_unshifted(0, shifts[i]), 0);
    }
    assert_int_equal(unanswered_shifted(65535, 1), 1);
    assert_int_equal(unanswered_shifted(7, 0), 7);
}

static void who_comes_after_one_that_left_nothing_is_left_alone(void **state) {
    (void)state;
    static const uint16_t two[] = {2};
    assert_int_equal(shift_of("tab", 1), 0);
    put("tab", two, 0);
    assert_int_equal(shift_of("tab", 1), 0);
    put("tab", two, 1);
    assert_int_not_equal(shift_of("tab", 1), 0);
    assert_int_equal(shift_of("ta", 1), 0);
    assert_int_equal(shift_of("tab2", 1), 0);
    assert_int_equal(unanswered_shift(unanswered, PLACE + 1, daffi_span_text("tab"), 1, NOW), 0);
}

static void a_newcomer_stays_clear_of_what_was_left(void **state) {
    (void)state;
    static const struct {
        uint16_t ids[4];
        size_t count;
        unsigned room; /* that there is at the most */
    } cases[] = {
        {{2}, 1, 65534},        {{1}, 1, 65534},
        {{65535}, 1, 65534},    {{32768}, 1, 65534},
        {{2, 3, 4}, 3, 65532},  {{65534, 65535, 1, 2}, 4, 65531},
        {{1, 32768}, 2, 32767}, {{1000, 2000, 60000, 65000}, 4, 57999},
    };
    static const uint16_t firsts[] = {1, 2, 3, 999, 32767, 32768, 61000, 65534, 65535};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[16];
        snprintf(name, sizeof name, "tab%zu", i);
        put(name, cases[i].ids, cases[i].count);
        for (size_t at = 0; at < sizeof firsts / sizeof *firsts; at++) {
            const uint16_t shift = shift_of(name, firsts[at]);
            assert_in_range(shift, 0, ROUND - 1);
            assert_clear(firsts[at], shift, cases[i].room / 2, cases[i].ids, cases[i].count);
        }
    }
}

/* Who comes may be a stranger, who knows how ids are shifted, and chooses its own. */
static void nobody_knows_which_id_was_left(void **state) {
    (void)state;
    static const uint16_t left[] = {1000};
    put("tab", left, 1);
    for (unsigned first = 1; first <= ROUND; first += 771) {
        bool differs = false;
        const uint16_t shift = shift_of("tab", (uint16_t)first);
        for (unsigned i = 0; i < 8 && !differs; i++) {
            differs = shift_of("tab", (uint16_t)first) != shift;
        }
        assert_true(differs);
    }
}

/* A handshake may have id 0, which no call has. */
static void who_begins_at_0_asks_with_1_first(void **state) {
    (void)state;
    static const uint16_t left[] = {1};
    assert_int_equal(shift_of("tab", 0), 0);
    put("tab", left, 1);
    assert_clear(ROUND, shift_of("tab", 0), (ROUND - 1) / 2, left, 1);
}

static void what_several_left_counts_together(void **state) {
    (void)state;
    static const uint16_t left[] = {2, 3, 4, 5};
    for (size_t i = 0; i < 4; i++) {
        put("tab", &left[i], 1);
        put("other", left, 4);
        assert_clear(1, shift_of("tab", 1), (ROUND - 4) / 2, left, i + 1);
    }
}

static void all_ids_may_have_been_left(void **state) {
    (void)state;
    static uint16_t all[ROUND];
    for (unsigned i = 0; i < ROUND; i++) {
        all[i] = (uint16_t)(i + 1);
    }
    put("tab", all, ROUND);
    assert_int_equal(shift_of("tab", 1), 0); /* there is nothing better */
    put("other", all, ROUND - 1);
    assert_int_equal(unanswered_shifted(2, shift_of("other", 1)), ROUND);
}

static void it_is_known_for_a_while(void **state) {
    (void)state;
    static const uint16_t left[] = {2};
    put("tab", left, 1);
    assert_int_not_equal(shift_at("tab", 1, NOW + UNANSWERED_MS - 1), 0);
    assert_int_equal(shift_at("tab", 1, NOW + UNANSWERED_MS), 0);
    put("tab", left, 1); /* the memory of the first has been given back */
    assert_int_not_equal(shift_of("tab", 1), 0);
}

static void of_too_much_the_oldest_is_forgotten(void **state) {
    (void)state;
    enum { MANY = 1000, PAGES = 2 * UNANSWERED_BYTES_MAX / (MANY * 2) };
    static uint16_t left[MANY];
    char name[16];
    for (unsigned i = 0; i < MANY; i++) {
        left[i] = (uint16_t)(i + 2);
    }
    for (unsigned page = 0; page < PAGES; page++) {
        snprintf(name, sizeof name, "tab%u", page);
        put(name, left, MANY);
    }
    assert_int_not_equal(shift_of(name, 1), 0);
    assert_int_equal(shift_of("tab0", 1), 0);
    unsigned known = 0;
    for (unsigned page = 0; page < PAGES; page++) {
        snprintf(name, sizeof name, "tab%u", page);
        bool is_known = shift_of(name, 1) != 0;
        assert_true(is_known || known == 0); /* the newest ones */
        known += is_known;
    }
    assert_in_range(known, UNANSWERED_BYTES_MAX / (MANY * 2 + 200), UNANSWERED_BYTES_MAX / (MANY * 2));
}

/* One name comes and goes as often as anybody likes: nobody else waits for long when all that is over at once. */
static void much_of_one_name_is_forgotten_in_no_time(void **state) {
    (void)state;
    enum { MANY = 14000, TICKS = CLOCKS_PER_SEC / 10 };
    static const uint16_t left[] = {2};
    for (unsigned i = 0; i < MANY; i++) {
        put("tab", left, 1);
    }
    const clock_t began = clock();
    assert_int_equal(shift_at("other", 1, NOW + UNANSWERED_MS), 0);
    assert_true(clock() - began < TICKS);
}

static void without_a_memory_nothing_is_known(void **state) {
    (void)state;
    static const uint16_t left[] = {2};
    const struct daffi_span name = daffi_span_text("tab");
    unanswered_put(NULL, PLACE, name, left, 1, NOW);
    assert_int_equal(unanswered_shift(NULL, PLACE, name, 1, NOW), 0);
    unanswered_free(NULL);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(ids_are_shifted_round_and_back),
        CASE(who_comes_after_one_that_left_nothing_is_left_alone),
        CASE(a_newcomer_stays_clear_of_what_was_left),
        CASE(nobody_knows_which_id_was_left),
        CASE(who_begins_at_0_asks_with_1_first),
        CASE(what_several_left_counts_together),
        CASE(all_ids_may_have_been_left),
        CASE(it_is_known_for_a_while),
        CASE(of_too_much_the_oldest_is_forgotten),
        CASE(much_of_one_name_is_forgotten_in_no_time),
        CASE(without_a_memory_nothing_is_known),
    };
    return cmocka_run_group_tests_name("what pages left unanswered", tests, NULL, NULL);
}
