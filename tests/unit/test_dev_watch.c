/* A folder that is watched: what comes into it as a whole, what is more than can be watched, and what nobody edits. The
 * rest is in test_dev_files.c. */
#include <errno.h>
#include <sys/inotify.h>

#include "dev_watch_fixture.h"

static unsigned watches_left = 100000; /* that the system allows */
static const char *locked;             /* in the path that may not be read, or NULL */

int __real_inotify_add_watch(int fd, const char *path, uint32_t mask);
int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask);
int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask) {
    if (locked != NULL && strstr(path, locked) != NULL) {
        errno = EACCES;
        return -1;
    }
    if (watches_left == 0) {
        errno = ENOSPC;
        return -1;
    }
    watches_left--;
    return __real_inotify_add_watch(fd, path, mask);
}

static int set_up(void **state) {
    watches_left = 100000;
    locked = NULL;
    return fixture_set_up(state);
}

/* As `mv` and `git checkout` do. */
static void files_of_a_folder_that_is_moved_here_are_told(void **state) {
    struct fixture *fixture = *state;
    make("../beside/pkg");
    make("../beside/pkg/deep");
    make("../beside/pkg/__pycache__");
    write_file("../beside/pkg/one.py");
    write_file("../beside/pkg/.hidden");
    write_file("../beside/pkg/deep/two.py");
    write_file("../beside/pkg/__pycache__/one.pyc");
    fixture_watch(fixture);
    assert_int_equal(rename("../beside/pkg", "pkg"), 0);
    write_file("last");
    hear(fixture, "last");
    assert_true(has_heard(fixture, "pkg"));
    assert_true(has_heard(fixture, "pkg/one.py"));
    assert_true(has_heard(fixture, "pkg/deep/two.py"));
    assert_null(strstr(fixture->heard, "hidden"));
    assert_null(strstr(fixture->heard, "pycache"));
    assert_int_equal(fixture->cuts, 0);
}

static void a_folder_that_is_moved_away_is_watched_no_longer(void **state) {
    struct fixture *fixture = *state;
    make("pkg");
    make("pkg/deep");
    make("pkg-other");
    make("stays");
    fixture_watch(fixture);
    assert_int_equal(rename("pkg", "../beside/pkg"), 0);
    assert_int_equal(rename("stays", "here"), 0);
    hear(fixture, "here");
    write_file("../beside/pkg/one.py");
    write_file("../beside/pkg/deep/two.py");
    write_file("pkg-other/three.py");
    write_file("here/four.py");
    write_file("last");
    hear(fixture, "last");
    assert_true(has_heard(fixture, "pkg"));
    assert_null(strstr(fixture->heard, "one.py"));
    assert_null(strstr(fixture->heard, "two.py"));
    assert_true(has_heard(fixture, "pkg-other/three.py"));
    assert_true(has_heard(fixture, "here/four.py"));
    assert_int_equal(dev_watch_count(fixture->watch), 3);
}

/* No name of what was there from the beginning. */
static void files_that_were_there_are_not_told(void **state) {
    struct fixture *fixture = *state;
    make("pkg");
    write_file("pkg/one.py");
    fixture_watch(fixture);
    write_file("last");
    hear(fixture, "last");
    assert_string_equal(fixture->heard, " last ");
}

/* One that is deep, and read first, does not use up the places of its neighbours. */
static void folders_next_to_the_root_come_first(void **state) {
    struct fixture *fixture = *state;
    static const char *const tops[] = {"a", "b", "c", "d"};
    char name[32];
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
        make(tops[i]);
        for (unsigned k = 0; k < 20; k++) {
            snprintf(name, sizeof name, "%s/%u", tops[i], k);
            make(name);
        }
    }
    watches_left = 5;
    fixture_watch(fixture);
    assert_int_equal(fixture->cuts, 1);
    assert_int_equal(fixture->cut_at, 5);
    assert_non_null(strstr(fixture->why, "max_user_watches"));
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
        snprintf(name, sizeof name, "%s/file.py", tops[i]);
        write_file(name);
        hear(fixture, name);
    }
}

static void that_it_is_cut_later_is_told_once(void **state) {
    struct fixture *fixture = *state;
    fixture_watch(fixture);
    assert_int_equal(dev_watch_count(fixture->watch), 1);
    assert_int_equal(fixture->cuts, 0);
    watches_left = 1;
    make("one");
    make("two");
    make("three");
    hear(fixture, "three");
    assert_int_equal(fixture->cuts, 1);
    assert_int_equal(fixture->cut_at, 2);
    assert_int_equal(dev_watch_count(fixture->watch), 2);
}

/* One that comes with a folder that may not be read, and with others behind it. */
static void come_with_a_locked_one(struct fixture *fixture, unsigned left) {
    locked = "/pkg/locked/";
    fixture_watch(fixture);
    watches_left = left;
    make("../beside/pkg");
    make("../beside/pkg/locked");
    make("../beside/pkg/open");
    make("../beside/pkg/open/deep");
    assert_int_equal(rename("../beside/pkg", "pkg"), 0);
    hear(fixture, "pkg");
    assert_int_equal(fixture->cuts, 1);
}

static void how_many_are_watched_is_told_when_all_have_been_tried(void **state) {
    struct fixture *fixture = *state;
    come_with_a_locked_one(fixture, 100);
    assert_int_equal(fixture->cut_at, 4);
    assert_string_equal(fixture->why, "Permission denied");
}

static void a_bound_is_told_before_a_folder_that_may_not_be_read(void **state) {
    struct fixture *fixture = *state;
    come_with_a_locked_one(fixture, 2); /* of three */
    assert_int_equal(fixture->cut_at, 3);
    assert_non_null(strstr(fixture->why, "max_user_watches"));
}

static void a_bound_is_told_behind_a_folder_that_may_not_be_read(void **state) {
    struct fixture *fixture = *state;
    come_with_a_locked_one(fixture, 100);
    watches_left = 1;
    make("one");
    make("two");
    make("three");
    hear(fixture, "three");
    assert_int_equal(fixture->cuts, 2);
    assert_int_equal(fixture->cut_at, 5);
    assert_non_null(strstr(fixture->why, "max_user_watches"));
    make("pkg/open/locked");
    hear(fixture, "pkg/open/locked");
    assert_int_equal(fixture->cuts, 2);
}

/* The same bound as that of DEV_WATCH_FOLDERS_MAX, which takes a disk seconds to come to. */
static void folders_that_are_too_deep_are_told(void **state) {
    struct fixture *fixture = *state;
    char name[128] = "d";
    for (unsigned i = 0; i < 40; i++) {
        make(name);
        snprintf(name + strlen(name), sizeof name - strlen(name), "/d");
    }
    fixture_watch(fixture);
    assert_int_equal(fixture->cuts, 1);
    assert_int_equal(fixture->cut_at, 32);
    assert_string_equal(fixture->why, "there are too many, or they are too deep");
}

static void each_bound_of_the_system_is_called_by_its_name(void **state) {
    (void)state;
    assert_non_null(strstr(dev_watch_explain(-EMFILE), "fs.inotify.max_user_instances"));
    assert_non_null(strstr(dev_watch_explain(-ENOSPC), "fs.inotify.max_user_watches"));
    assert_string_equal(dev_watch_explain(-ENOENT), "No such file or directory");
}

/* -- the root itself -- */

static void hear_presence(struct fixture *fixture, const char *presence) {
    while (strcmp(fixture->presence, presence) != 0) {
        assert_int_equal(reactor_turn(fixture->reactor, PATIENCE_MS), 0);
    }
}

/* Whoever is there once is told of, and what is elsewhere is no longer watched. */
static void that_the_root_is_moved_away_and_comes_back_is_told(void **state) {
    struct fixture *fixture = *state;
    make("pkg");
    fixture_watch(fixture);
    assert_int_equal(rename("../root", "../beside/root"), 0);
    hear(fixture, "");
    hear_presence(fixture, "-");
    assert_int_equal(dev_watch_count(fixture->watch), 0);
    write_file("elsewhere");
    write_file("pkg/elsewhere");
    make("../../root");
    hear_presence(fixture, "-+");
    write_file("../../root/last");
    hear(fixture, "last");
    assert_null(strstr(fixture->heard, "elsewhere"));
    assert_int_equal(dev_watch_count(fixture->watch), 1);
}

static void that_the_root_is_removed_is_told(void **state) {
    struct fixture *fixture = *state;
    fixture_watch(fixture);
    assert_int_equal(rmdir("../root"), 0);
    hear_presence(fixture, "-");
    make("../root");
    hear_presence(fixture, "-+");
    assert_int_equal(rmdir("../root"), 0);
    hear_presence(fixture, "-+-");
}

/* As build tools do. */
static void a_root_that_is_made_anew_has_not_gone(void **state) {
    struct fixture *fixture = *state;
    make("sub");
    fixture_watch(fixture);
    assert_int_equal(rename("../root", "../beside/root"), 0);
    hear(fixture, "");
    assert_int_equal(dev_watch_count(fixture->watch), 0);
    assert_int_equal(rename("sub", "../../root"), 0); /* which was watched as another one */
    while (dev_watch_count(fixture->watch) == 0) {
        assert_int_equal(reactor_turn(fixture->reactor, PATIENCE_MS), 0);
    }
    write_file("../../root/last");
    hear(fixture, "last");
    assert_int_equal(dev_watch_count(fixture->watch), 1);
    assert_int_equal(rename("../../root", "../again"), 0);
    hear_presence(fixture, "-");
}

static void a_root_that_goes_with_the_folders_above_it_is_told_and_found_again(void **state) {
    struct fixture *fixture = *state;
    make("above");
    make("above/it");
    make("above/it/root");
    assert_int_equal(chdir("above/it/root"), 0);
    fixture_watch(fixture);
    assert_int_equal(rename("../../../above", "../../../moved"), 0);
    hear_presence(fixture, "-");
    make("../../../above");
    make("../../../above/its-neighbour");
    make("../../../above/it");
    make("../../../above/it/root");
    hear_presence(fixture, "-+");
    write_file("../../../above/it/root/last");
    hear(fixture, "last");
    assert_int_equal(rmdir("../../../moved/it/root"), 0); /* which was it once */
    assert_int_equal(rename("../../../above/it", "../../../above/beside"), 0);
    hear_presence(fixture, "-+-");
}

static void virtual_environments_are_left_out(void **state) {
    struct fixture *fixture = *state;
    write_file("pyvenv.cfg"); /* the root is one that was named */
    make("env");
    make("env/lib");
    write_file("env/pyvenv.cfg");
    make("src");
    fixture_watch(fixture);
    assert_int_equal(dev_watch_count(fixture->watch), 2);
    make("../beside/other");
    write_file("../beside/other/pyvenv.cfg");
    write_file("../beside/other/module.py");
    assert_int_equal(rename("../beside/other", "other"), 0);
    write_file("last");
    hear(fixture, "last");
    assert_false(has_heard(fixture, "other/module.py"));
    assert_int_equal(dev_watch_count(fixture->watch), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_of_a_folder_that_is_moved_here_are_told, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_folder_that_is_moved_away_is_watched_no_longer, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(files_that_were_there_are_not_told, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(folders_next_to_the_root_come_first, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(that_it_is_cut_later_is_told_once, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(how_many_are_watched_is_told_when_all_have_been_tried, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_bound_is_told_before_a_folder_that_may_not_be_read, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_bound_is_told_behind_a_folder_that_may_not_be_read, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(folders_that_are_too_deep_are_told, set_up, fixture_tear_down),
        cmocka_unit_test(each_bound_of_the_system_is_called_by_its_name),
        cmocka_unit_test_setup_teardown(that_the_root_is_moved_away_and_comes_back_is_told, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(that_the_root_is_removed_is_told, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_root_that_is_made_anew_has_not_gone, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_root_that_goes_with_the_folders_above_it_is_told_and_found_again,
                                        set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(virtual_environments_are_left_out, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
