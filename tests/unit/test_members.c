/* The registry: turns of each function, whoever comes, is replaced and leaves. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daffi/members.h"

static struct daffi_members *members;

static int begin(void **state) {
    (void)state;
    return daffi_members_new(daffi_span_text("me"), &members);
}

static int end(void **state) {
    (void)state;
    daffi_members_free(members);
    members = NULL;
    return 0;
}

/* `methods`: functions with blanks between them; NULL: none were told. */
static int put_result(const char *name, const char *methods) {
    char name_copy[DAFFI_NAME_MAX + 1];
    char list[256] = "";
    char *functions[32];
    snprintf(name_copy, sizeof name_copy, "%s", name);
    struct daffi_member member = {.name = name_copy, .methods = methods != NULL ? functions : NULL};
    snprintf(list, sizeof list, "%s", methods != NULL ? methods : "");
    char *rest = NULL;
    for (char *word = strtok_r(list, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        functions[member.methods_count++] = word;
    return daffi_members_put(members, &member);
}

static void put(const char *name, const char *methods) {
    assert_int_equal(put_result(name, methods), 0);
}

static bool leave(const char *name) {
    return daffi_members_remove(members, daffi_span_text(name));
}

/* The members picked in turn are those of `names`, "-" where there is none. */
static void assert_picks(const char *function, const char *names) {
    char list[256];
    snprintf(list, sizeof list, "%s", names);
    char *rest = NULL;
    for (char *word = strtok_r(list, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        const struct daffi_member *member = daffi_members_pick(members, daffi_span_text(function));
        assert_string_equal(member != NULL ? member->name : "-", word);
    }
}

static void assert_order(const char *names) {
    char order[256] = "";
    for (size_t i = 0; i < daffi_members_count(members); i++) {
        const struct daffi_member *member = daffi_members_at(members, i);
        const size_t length = strlen(order);
        snprintf(order + length, sizeof order - length, i > 0 ? " %s" : "%s", member->name);
        assert_ptr_equal(daffi_members_find(members, daffi_span_text(member->name)), member);
    }
    assert_string_equal(order, names);
    assert_null(daffi_members_at(members, daffi_members_count(members)));
    assert_null(daffi_members_at(members, SIZE_MAX));
}

static void nobody_is_there(void **state) {
    (void)state;
    assert_int_equal(daffi_members_count(members), 0);
    assert_order("");
    assert_picks("f", "- -");
    assert_null(daffi_members_find(members, daffi_span_text("a")));
    assert_false(leave("a"));
    daffi_members_clear(members);
    daffi_members_free(NULL);
}

static void each_function_has_its_own_turn(void **state) {
    (void)state;
    put("a", "f g");
    put("b", "f");
    put("c", "g f");
    assert_picks("f", "a b c a");
    assert_picks("g", "a c a");
    assert_picks("f", "b c a b");
    assert_picks("g", "c a");
    assert_picks("h", "-");
}

static void oneself_is_there_but_never_picked(void **state) {
    (void)state;
    put("me", "f");
    assert_picks("f", "- -");
    put("a", "f");
    assert_picks("f", "a a");
    put("me2", "f");
    assert_picks("f", "me2 a me2");
}

static void whose_methods_are_null_or_none_is_not_picked(void **state) {
    (void)state;
    put("a", NULL);
    put("b", "");
    assert_picks("f", "-");
    const struct daffi_member *a = daffi_members_find(members, daffi_span_text("a"));
    const struct daffi_member *b = daffi_members_find(members, daffi_span_text("b"));
    assert_null(a->methods);
    assert_non_null(b->methods);
    assert_int_equal(b->methods_count, 0);
    assert_false(daffi_member_exposes(a, daffi_span_text("f")));
    assert_false(daffi_member_exposes(b, daffi_span_text("f")));
}

static void what_was_put_is_a_copy(void **state) {
    (void)state;
    char name[] = "a", function[] = "f";
    char *functions[] = {function};
    const struct daffi_member member = {.name = name, .methods = functions, .methods_count = 1};
    assert_int_equal(daffi_members_put(members, &member), 0);
    name[0] = 'x';
    function[0] = 'x';
    assert_order("a");
    assert_picks("f", "a");
    assert_picks("x", "-");
}

static void names_are_bytes_and_whole(void **state) {
    (void)state;
    put("worker", "run");
    put("Worker", "Run");
    assert_picks("run", "worker worker");
    assert_picks("Run", "Worker");
    assert_picks("ru", "-");
    assert_picks("runs", "-");
    assert_null(daffi_members_find(members, daffi_span_of("worker", 5)));
    assert_null(daffi_members_find(members, daffi_span_of("worker", 7)));
    const struct daffi_member *worker = daffi_members_find(members, daffi_span_text("worker"));
    assert_true(daffi_member_exposes(worker, daffi_span_text("run")));
    assert_false(daffi_member_exposes(worker, daffi_span_text("Run")));
    assert_false(daffi_member_exposes(worker, daffi_span_of("run", 4)));
    assert_false(daffi_member_exposes(worker, daffi_span_of(NULL, 0)));
}

static void a_newcomer_joins_the_turn(void **state) {
    (void)state;
    put("a", "f");
    assert_picks("f", "a a");
    put("b", "f");
    assert_picks("f", "b a");
    put("c", "f");
    assert_picks("f", "b c a b");
}

static void who_leaves_takes_nobody_s_turn(void **state) {
    (void)state;
    put("a", "f");
    put("b", "f");
    put("c", "f");
    put("d", "f");
    assert_picks("f", "a b");
    assert_true(leave("a")); /* served already */
    assert_picks("f", "c");
    assert_true(leave("d")); /* its turn was next */
    assert_picks("f", "b c");
    assert_false(leave("d"));
    assert_order("b c");
    assert_true(leave("c"));
    assert_picks("f", "b b");
    assert_true(leave("b"));
    assert_picks("f", "-");
    put("a", "f");
    assert_picks("f", "a");
}

static void a_member_is_replaced_where_it_stands(void **state) {
    (void)state;
    put("a", "f old");
    put("b", "f");
    put("c", "f");
    assert_picks("f", "a");
    put("b", "new f");
    put("a", "f");
    assert_order("a b c");
    assert_picks("f", "b c a b");
    assert_picks("old", "-");
    assert_picks("new", "b");
    put("b", "new");
    assert_picks("f", "c a c");
    put("b", NULL);
    assert_picks("new", "-");
    assert_order("a b c");
    put("b", "f");
    assert_picks("f", "b a c");
}

static void the_same_function_twice_is_one_member_s_fault_alone(void **state) {
    (void)state;
    put("a", "f f");
    put("b", "f");
    put("a", "f f f");
    put("a", "f");
    assert_picks("f", "a b a b");
    put("a", "f f");
    assert_true(leave("a"));
    assert_picks("f", "b b");
    assert_true(leave("b"));
    assert_picks("f", "-");
}

static void all_leave_at_once(void **state) {
    (void)state;
    put("a", "f g");
    put("b", "g");
    daffi_members_clear(members);
    assert_order("");
    assert_picks("f", "-");
    put("b", "f");
    assert_order("b");
    assert_picks("f", "b");
}

static void thousands(void **state) {
    (void)state;
    char name[16], methods[32];
    for (int i = 0; i < DAFFI_MEMBERS_MAX; i++) {
        snprintf(name, sizeof name, "w%d", i);
        snprintf(methods, sizeof methods, "all own%d tens%d", i, i / 10);
        put(name, methods);
    }
    assert_int_equal(daffi_members_count(members), DAFFI_MEMBERS_MAX);
    assert_int_equal(put_result("one more", "all"), -ENOSPC);
    assert_null(daffi_members_find(members, daffi_span_text("one more")));
    put("w77", "all own77 tens7"); /* replacing needs no room */

    for (int i = 0; i < DAFFI_MEMBERS_MAX; i++) {
        snprintf(name, sizeof name, "w%d", i);
        snprintf(methods, sizeof methods, "own%d", i);
        assert_picks("all", name);
        assert_picks(methods, name);
    }
    assert_picks("all", "w0");
    assert_picks("tens7", "w70 w71 w72 w73 w74 w75 w76 w77 w78 w79 w70");

    /* Every third leaves, from both ends alternately. */
    for (int i = 0; i < DAFFI_MEMBERS_MAX; i += 3) {
        const int which = i % 2 == 0 ? i : DAFFI_MEMBERS_MAX - 1 - i;
        snprintf(name, sizeof name, "w%d", which);
        if (daffi_members_find(members, daffi_span_text(name)) == NULL)
            continue;
        assert_true(leave(name));
        snprintf(methods, sizeof methods, "own%d", which);
        assert_picks(methods, "-");
    }
    const size_t left = daffi_members_count(members);
    int former = -1;
    for (size_t i = 0; i < left; i++) {
        const struct daffi_member *member = daffi_members_at(members, i);
        const int number = (int)strtol(member->name + 1, NULL, 10);
        assert_true(number > former);
        former = number;
        snprintf(methods, sizeof methods, "own%d", number);
        assert_picks(methods, member->name);
        assert_ptr_equal(daffi_members_find(members, daffi_span_text(member->name)), member);
    }
    /* Each is picked once in a round. */
    static bool is_picked[DAFFI_MEMBERS_MAX];
    for (size_t i = 0; i < left; i++) {
        const struct daffi_member *member = daffi_members_pick(members, daffi_span_text("all"));
        const int number = (int)strtol(member->name + 1, NULL, 10);
        assert_false(is_picked[number]);
        is_picked[number] = true;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_is_there, begin, end),
        cmocka_unit_test_setup_teardown(each_function_has_its_own_turn, begin, end),
        cmocka_unit_test_setup_teardown(oneself_is_there_but_never_picked, begin, end),
        cmocka_unit_test_setup_teardown(whose_methods_are_null_or_none_is_not_picked, begin, end),
        cmocka_unit_test_setup_teardown(what_was_put_is_a_copy, begin, end),
        cmocka_unit_test_setup_teardown(names_are_bytes_and_whole, begin, end),
        cmocka_unit_test_setup_teardown(a_newcomer_joins_the_turn, begin, end),
        cmocka_unit_test_setup_teardown(who_leaves_takes_nobody_s_turn, begin, end),
        cmocka_unit_test_setup_teardown(a_member_is_replaced_where_it_stands, begin, end),
        cmocka_unit_test_setup_teardown(the_same_function_twice_is_one_member_s_fault_alone, begin, end),
        cmocka_unit_test_setup_teardown(all_leave_at_once, begin, end),
        cmocka_unit_test_setup_teardown(thousands, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
