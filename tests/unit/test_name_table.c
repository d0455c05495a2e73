/* The table of names: found, replaced and taken out, where names share slots and runs go round its end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../wasm-core/name_table.h"

enum { NAMES = 64 };

struct thing {
    const char *name;
    bool is_in;
};

static char texts[NAMES][8];
static struct thing things[NAMES];

static int begin(void **state) {
    (void)state;
    for (int i = 0; i < NAMES; i++) {
        snprintf(texts[i], sizeof texts[i], "n%d", i);
        things[i] = (struct thing){.name = texts[i]};
    }
    return 0;
}

static void assert_holds_what_is_in(const struct name_table *table) {
    size_t count = 0;
    for (int i = 0; i < NAMES; i++) {
        assert_ptr_equal(name_table_find(table, daffi_span_text(texts[i])),
                         things[i].is_in ? &things[i] : NULL);
        count += things[i].is_in ? 1 : 0;
    }
    assert_int_equal(table->count, count);
    assert_true(count * 2 <= table->capacity || count == 0);
}

static void an_empty_table_holds_nothing(void **state) {
    (void)state;
    struct name_table table = {0};
    assert_null(name_table_find(&table, daffi_span_text("a")));
    assert_null(name_table_find(&table, daffi_span_of(NULL, 0)));
    assert_null(name_table_remove(&table, daffi_span_text("a")));
    name_table_free(&table);
    name_table_free(&table);
}

static void names_are_whole(void **state) {
    (void)state;
    struct name_table table = {0};
    struct thing empty = {.name = ""}, long_one = {.name = "worker"};
    assert_int_equal(name_table_add(&table, &empty), 0);
    assert_int_equal(name_table_add(&table, &long_one), 0);
    assert_ptr_equal(name_table_find(&table, daffi_span_of(NULL, 0)), &empty);
    assert_ptr_equal(name_table_find(&table, daffi_span_text("worker")), &long_one);
    assert_null(name_table_find(&table, daffi_span_text("worke")));
    assert_null(name_table_find(&table, daffi_span_text("workers")));
    assert_null(name_table_find(&table, daffi_span_of("worker", 7)));
    assert_ptr_equal(name_table_remove(&table, daffi_span_of("", 0)), &empty);
    assert_null(name_table_find(&table, daffi_span_of(NULL, 0)));
    name_table_free(&table);
}

static void one_takes_the_place_of_another(void **state) {
    (void)state;
    struct name_table table = {0};
    char same[] = "n5";
    struct thing other = {.name = same};
    for (int i = 0; i < 8; i++) {
        assert_int_equal(name_table_add(&table, &things[i]), 0);
        things[i].is_in = true;
    }
    name_table_replace(&table, &other);
    assert_int_equal(table.count, 8);
    assert_ptr_equal(name_table_find(&table, daffi_span_text("n5")), &other);
    name_table_replace(&table, &things[5]);
    assert_holds_what_is_in(&table);
    name_table_free(&table);
}

/* Half full at most, 16 slots: runs of every form, at every place, and through the end. */
static void removal_closes_every_gap(void **state) {
    (void)state;
    struct name_table table = {0};
    unsigned random = 7;
    size_t wrapped = 0;
    for (int step = 0; step < 100000; step++) {
        random = random * 1103515245U + 12345U;
        const unsigned i = (random >> 16) % NAMES;
        if (things[i].is_in) {
            assert_ptr_equal(name_table_remove(&table, daffi_span_text(texts[i])), &things[i]);
            things[i].is_in = false;
        } else if (table.count < 8) {
            assert_int_equal(name_table_add(&table, &things[i]), 0);
            things[i].is_in = true;
        } else {
            assert_null(name_table_remove(&table, daffi_span_text(texts[i])));
        }
        assert_int_equal(table.capacity, 16);
        wrapped += table.slots[0] != NULL && table.slots[15] != NULL ? 1 : 0;
        assert_holds_what_is_in(&table);
    }
    assert_true(wrapped > 1000);
    name_table_free(&table);
}

static void it_grows_and_forgets_nobody(void **state) {
    (void)state;
    struct name_table table = {0};
    for (int i = 0; i < NAMES; i++) {
        assert_int_equal(name_table_add(&table, &things[i]), 0);
        things[i].is_in = true;
        assert_holds_what_is_in(&table);
    }
    for (int i = NAMES - 1; i >= 0; i -= 2) {
        assert_ptr_equal(name_table_remove(&table, daffi_span_text(texts[i])), &things[i]);
        things[i].is_in = false;
        assert_holds_what_is_in(&table);
    }
    name_table_free(&table);
    assert_int_equal(table.count, 0);
    assert_null(table.slots);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_holds_nothing),
        cmocka_unit_test(names_are_whole),
        cmocka_unit_test_setup(one_takes_the_place_of_another, begin),
        cmocka_unit_test_setup(removal_closes_every_gap, begin),
        cmocka_unit_test_setup(it_grows_and_forgets_nobody, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
