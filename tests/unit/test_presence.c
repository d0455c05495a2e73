/* Who is at a Router: as told, while it is known, and not those of our own who are about to leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/members/presence.h"

enum { PLACE = 7, OTHER_PLACE = 8, NOW = 1000 };

struct world {
    struct presence *presence;
    struct presence_list *list;
};

static int make_world(void **state) {
    static struct world world;
    world = (struct world){0};
    *state = &world;
    assert_int_equal(presence_new(&world.presence), 0);
    assert_int_equal(presence_open(world.presence, PLACE, &world.list), 0);
    return 0;
}

static int free_world(void **state) {
    struct world *world = *state;
    presence_close(world->list);
    presence_free(world->presence);
    return 0;
}

static bool has(const struct world *world, const char *name) {
    return presence_has(world->presence, PLACE, daffi_span_text(name), NOW);
}

/* The member that serves `function` for somebody called `except`; empty: none. */
static const char *server(const struct world *world, const char *function, const char *except) {
    static char name[DAFFI_NAME_MAX + 1];
    bool found = presence_serves(world->presence, PLACE, daffi_span_text(function), daffi_span_text(except),
                                 NOW, name);
    return found ? name : "";
}

static void put(const struct world *world, const char *name, const char *first, const char *second) {
    char owned[64], functions[2][64];
    char *methods[] = {functions[0], functions[1]};
    snprintf(owned, sizeof owned, "%s", name);
    snprintf(functions[0], sizeof functions[0], "%s", first);
    snprintf(functions[1], sizeof functions[1], "%s", second);
    const struct daffi_member member = {.name = owned,
                                        .methods = methods,
                                        .methods_count = *first == '\0'    ? 0
                                                         : *second == '\0' ? 1
                                                                           : 2};
    assert_int_equal(presence_put(world->list, &member), 0);
}

static void nobody_is_there_before_it_is_known(void **state) {
    const struct world *world = *state;
    put(world, "w1", "work", "add");
    assert_false(has(world, "w1"));
    assert_string_equal(server(world, "work", ""), "");
    presence_know(world->list);
    assert_true(has(world, "w1"));
    assert_false(has(world, "w"));
    assert_false(has(world, "w12"));
    assert_false(presence_has(world->presence, OTHER_PLACE, daffi_span_text("w1"), NOW));
    presence_forget(world->list);
    assert_false(has(world, "w1"));
    presence_know(world->list);
    assert_false(has(world, "w1"));
    assert_false(presence_has(NULL, PLACE, daffi_span_text("w1"), NOW));
}

static void members_come_change_and_leave(void **state) {
    const struct world *world = *state;
    presence_know(world->list);
    assert_int_equal(presence_come(world->list, daffi_span_text("client")), 0);
    assert_true(has(world, "client"));
    put(world, "w1", "work", "add");
    assert_int_equal(presence_come(world->list, daffi_span_text("w1")), 0); /* keeps what it serves */
    assert_string_equal(server(world, "add", "page"), "w1");
    assert_string_equal(server(world, "work", "page"), "w1");
    assert_string_equal(server(world, "add", "w1"), "");
    assert_string_equal(server(world, "ad", "page"), "");
    put(world, "w1", "other", "");
    assert_string_equal(server(world, "add", "page"), "");
    assert_string_equal(server(world, "other", "page"), "w1");
    put(world, "w1", "", "");
    assert_string_equal(server(world, "other", "page"), "");
    presence_leave(world->list, daffi_span_text("w1"));
    presence_leave(world->list, daffi_span_text("never there"));
    assert_false(has(world, "w1"));
    assert_true(has(world, "client"));
}

static void who_is_about_to_leave_is_not_there(void **state) {
    const struct world *world = *state;
    const struct daffi_span page = daffi_span_text("page");
    presence_know(world->list);
    put(world, "page", "f", "");
    presence_expect_leave(world->presence, OTHER_PLACE, page, NOW);
    assert_true(has(world, "page"));
    presence_expect_leave(world->presence, PLACE, page, NOW);
    assert_false(has(world, "page"));
    assert_string_equal(server(world, "f", "other"), "");
    assert_false(presence_has(world->presence, PLACE, page, NOW + PRESENCE_LEAVING_MS - 1));
    assert_true(presence_has(world->presence, PLACE, page, NOW + PRESENCE_LEAVING_MS));
    presence_expect_stay(world->presence, OTHER_PLACE, page);
    assert_false(has(world, "page"));
    presence_expect_stay(world->presence, PLACE, page); /* for now */
    presence_expect_stay(world->presence, PLACE, daffi_span_text("nobody"));
    presence_expect_stay(NULL, PLACE, page);
    assert_true(has(world, "page"));
    presence_expect_leave(world->presence, PLACE, page, NOW);
    presence_leave(world->list, page); /* as the Router says; then it comes again, or a worker of that name */
    assert_int_equal(presence_come(world->list, page), 0);
    assert_true(has(world, "page"));
    presence_expect_leave(NULL, PLACE, page, NOW);
}

static void who_left_before_the_router_said_that_it_came_is_not_there(void **state) {
    const struct world *world = *state;
    const struct daffi_span page = daffi_span_text("page");
    presence_know(world->list);
    presence_expect_leave(world->presence, PLACE, page, NOW);
    assert_false(presence_has(world->presence, PLACE, page, NOW + PRESENCE_LEAVING_MS));
    assert_int_equal(presence_come(world->list, page), 0);
    assert_false(has(world, "page"));
    presence_leave(world->list, page);
    assert_int_equal(presence_come(world->list, page), 0);
    assert_true(has(world, "page"));
}

static void lists_of_one_place_are_asked_together(void **state) {
    const struct world *world = *state;
    struct presence_list *second = NULL;
    assert_int_equal(presence_open(world->presence, PLACE, &second), 0);
    presence_know(world->list);
    assert_int_equal(presence_come(second, daffi_span_text("w1")), 0);
    assert_false(has(world, "w1"));
    presence_know(second);
    assert_true(has(world, "w1"));
    presence_close(second);
    assert_false(has(world, "w1"));
}

static void names_of_watchers_are_known(void **state) {
    (void)state;
    assert_true(presence_is_watcher(daffi_span_text(PRESENCE_WATCHER "00ff")));
    assert_false(presence_is_watcher(daffi_span_text("daffi-bridge-watch")));
    assert_false(presence_is_watcher(daffi_span_text("")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_is_there_before_it_is_known, make_world, free_world),
        cmocka_unit_test_setup_teardown(members_come_change_and_leave, make_world, free_world),
        cmocka_unit_test_setup_teardown(who_is_about_to_leave_is_not_there, make_world, free_world),
        cmocka_unit_test_setup_teardown(who_left_before_the_router_said_that_it_came_is_not_there, make_world,
                                        free_world),
        cmocka_unit_test_setup_teardown(lists_of_one_place_are_asked_together, make_world, free_world),
        cmocka_unit_test(names_of_watchers_are_known),
    };
    return cmocka_run_group_tests_name("presence", tests, NULL, NULL);
}
