/* What sessions know of members: each member once, for as many as see it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/members/roster.h"

enum { VIEWS = 3 };

static struct roster roster;
static struct roster_view views[VIEWS];

static int put(size_t view, const char *name, const char *const *methods, size_t count) {
    char copy[300];
    char *list[8];
    snprintf(copy, sizeof copy, "%s", name);
    for (size_t i = 0; i < count; i++) {
        list[i] = (char *)(uintptr_t)methods[i];
    }
    const struct daffi_member member = {
        .name = copy, .methods = count > 0 ? list : NULL, .methods_count = count};
    return roster_put(&roster, &views[view], &member);
}

static struct roster_entry *find(size_t view, const char *name) {
    return roster_find(&roster, &views[view], daffi_span_text(name));
}

static int tear_down(void **state) {
    (void)state;
    for (size_t i = 0; i < VIEWS; i++) {
        roster_view_clear(&roster, &views[i]);
        assert_null(views[i].bits);
    }
    assert_int_equal(roster.count, 0);
    roster_clear(&roster);
    return 0;
}

static void a_view_holds_what_was_put_into_it(void **state) {
    (void)state;
    static const char *const methods[] = {"sub", "add", "mul"};
    assert_null(find(0, "w1"));
    assert_int_equal(put(0, "w1", methods, 3), 0);
    assert_non_null(find(0, "w1"));
    assert_null(find(1, "w1"));
    assert_null(find(0, "w"));
    assert_null(roster_find(&roster, &views[0], daffi_span_of(NULL, 0)));
    assert_true(roster_entry_exposes(find(0, "w1"), daffi_span_text("add")));
    assert_true(roster_entry_exposes(find(0, "w1"), daffi_span_text("sub")));
    assert_false(roster_entry_exposes(find(0, "w1"), daffi_span_text("ad")));
    assert_false(roster_entry_exposes(find(0, "w1"), daffi_span_of(NULL, 0)));
    roster_remove(&roster, &views[0], find(0, "w1"));
    assert_null(find(0, "w1"));
    assert_int_equal(roster.count, 0);
}

static void what_all_say_the_same_of_is_kept_once(void **state) {
    (void)state;
    static const char *const one[] = {"a", "b"}, *const other[] = {"b", "a"}, *const more[] = {"a", "b", "c"};
    assert_int_equal(put(0, "w1", one, 2), 0);
    assert_int_equal(put(1, "w1", other, 2), 0);
    assert_ptr_equal(find(0, "w1"), find(1, "w1"));
    assert_int_equal(roster.count, 1);
    assert_int_equal(put(2, "w1", more, 3), 0); /* told of otherwise: each sees what it was told */
    assert_int_equal(roster.count, 2);
    assert_false(roster_entry_exposes(find(0, "w1"), daffi_span_text("c")));
    assert_true(roster_entry_exposes(find(2, "w1"), daffi_span_text("c")));
    roster_remove(&roster, &views[0], find(0, "w1"));
    assert_null(find(0, "w1"));
    assert_non_null(find(1, "w1"));
    assert_int_equal(roster.count, 2);
}

/* Against a plain list: members come and go in three views, places are used again. */
static void thousands_come_and_go(void **state) {
    (void)state;
    enum { NAMES = 700, STEPS = 30000 };
    static const char *const methods[] = {"f"};
    static bool there[VIEWS][NAMES];
    uint32_t random = 1;
    for (int step = 0; step < STEPS; step++) {
        random = random * 1664525U + 1013904223U;
        size_t view = random >> 8 & 0xFF;
        size_t number = (random >> 16) % NAMES;
        char name[16];
        view %= VIEWS;
        snprintf(name, sizeof name, "w%zu", number);
        struct roster_entry *entry = find(view, name);
        assert_int_equal(entry != NULL, there[view][number]);
        if (entry != NULL) {
            roster_remove(&roster, &views[view], entry);
        } else {
            assert_int_equal(put(view, name, methods, number % 2), 0);
        }
        there[view][number] = entry == NULL;
    }
    assert_true(roster.count <= NAMES);
    assert_true(roster.places_capacity <= 1024);
}

#define CASE(test) cmocka_unit_test_teardown(test, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_view_holds_what_was_put_into_it),
        CASE(what_all_say_the_same_of_is_kept_once),
        CASE(thousands_come_and_go),
    };
    return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
