/* A folder that is watched: what comes into it as a whole, what is more than can be watched, and what nobody edits. The rest is in
 * test_dev_files.c. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/files/dev_watch.h"
#include "scratch_folder.h"

enum { PATIENCE_MS = 5000 };

struct fixture {
    char folder[SCRATCH_FOLDER_MAX];
    struct memory_budget memory;
    struct reactor *reactor;
    struct dev_watch *watch;
    char heard[2048]; /* " a.html b.css ": each name once */
    size_t cut_at;
    unsigned cuts;
    char why[128];
};

static unsigned watches_left = 100000; /* that the system allows */

int __real_inotify_add_watch(int fd, const char *path, uint32_t mask);
int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask);
int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask) {
    if (watches_left == 0) {
        errno = ENOSPC;
        return -1;
    }
    watches_left--;
    return __real_inotify_add_watch(fd, path, mask);
}

static bool has_heard(const struct fixture *fixture, const char *name) {
    char word[300];
    snprintf(word, sizeof word, " %s ", name);
    return strstr(fixture->heard, word) != NULL;
}

static void on_change(void *owner, const char *name) {
    struct fixture *fixture = owner;
    if (!has_heard(fixture, name)) {
        const size_t used = strlen(fixture->heard);
        snprintf(fixture->heard + used, sizeof fixture->heard - used, "%s ", name);
    }
}

static void on_cut(void *owner, size_t count, const char *why) {
    struct fixture *fixture = owner;
    fixture->cuts++;
    fixture->cut_at = count;
    snprintf(fixture->why, sizeof fixture->why, "%s", why);
}

static void write_file(const char *name) {
    const int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void make(const char *name) {
    assert_int_equal(mkdir(name, 0700), 0);
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    scratch_folder_make(fixture->folder);
    assert_int_equal(chdir(fixture->folder), 0);
    make("root");
    make("beside");
    assert_int_equal(chdir("root"), 0);
    fixture->memory.limit = 1 << 20;
    fixture->heard[0] = ' ';
    watches_left = 100000;
    assert_int_equal(reactor_new(&fixture->memory, &fixture->reactor), 0);
    *state = fixture;
    return 0;
}

static void watch(struct fixture *fixture) {
    assert_int_equal(dev_watch_new(fixture->reactor, ".", on_change, fixture, &fixture->watch), 0);
    dev_watch_on_cut(fixture->watch, on_cut);
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    dev_watch_free(fixture->watch);
    reactor_free(fixture->reactor);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(scratch_folder_remove(fixture->folder), 0);
    free(fixture);
    return 0;
}

/* What came before it has been told of, too. */
static void hear(struct fixture *fixture, const char *name) {
    while (!has_heard(fixture, name)) {
        assert_int_equal(reactor_turn(fixture->reactor, PATIENCE_MS), 0);
    }
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
    watch(fixture);
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
    bool is_cut = true;
    make("pkg");
    make("pkg/deep");
    make("pkg-other");
    make("stays");
    watch(fixture);
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
    assert_int_equal(dev_watch_count(fixture->watch, &is_cut), 3);
}

/* No name of what was there from the beginning. */
static void files_that_were_there_are_not_told(void **state) {
    struct fixture *fixture = *state;
    make("pkg");
    write_file("pkg/one.py");
    watch(fixture);
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
    watch(fixture);
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
    bool is_cut = true;
    watch(fixture);
    assert_int_equal(dev_watch_count(fixture->watch, &is_cut), 1);
    assert_false(is_cut);
    watches_left = 1;
    make("one");
    make("two");
    make("three");
    hear(fixture, "three");
    assert_int_equal(fixture->cuts, 1);
    assert_int_equal(fixture->cut_at, 2);
    assert_int_equal(dev_watch_count(fixture->watch, &is_cut), 2);
    assert_true(is_cut);
}

/* The same bound as that of DEV_WATCH_FOLDERS_MAX, which takes a disk seconds to come to. */
static void folders_that_are_too_deep_are_told(void **state) {
    struct fixture *fixture = *state;
    char name[128] = "d";
    for (unsigned i = 0; i < 40; i++) {
        make(name);
        snprintf(name + strlen(name), sizeof name - strlen(name), "/d");
    }
    watch(fixture);
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

static void virtual_environments_are_left_out(void **state) {
    struct fixture *fixture = *state;
    bool is_cut = true;
    write_file("pyvenv.cfg"); /* the root is one that was named */
    make("env");
    make("env/lib");
    write_file("env/pyvenv.cfg");
    make("src");
    watch(fixture);
    assert_int_equal(dev_watch_count(fixture->watch, &is_cut), 2);
    make("../beside/other");
    write_file("../beside/other/pyvenv.cfg");
    write_file("../beside/other/module.py");
    assert_int_equal(rename("../beside/other", "other"), 0);
    write_file("last");
    hear(fixture, "last");
    assert_false(has_heard(fixture, "other/module.py"));
    assert_int_equal(dev_watch_count(fixture->watch, &is_cut), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_of_a_folder_that_is_moved_here_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_that_is_moved_away_is_watched_no_longer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_that_were_there_are_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folders_next_to_the_root_come_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(that_it_is_cut_later_is_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folders_that_are_too_deep_are_told, set_up, tear_down),
        cmocka_unit_test(each_bound_of_the_system_is_called_by_its_name),
        cmocka_unit_test_setup_teardown(virtual_environments_are_left_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
