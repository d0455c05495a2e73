/* A folder that is watched, and what has been told of it: the current folder is `root` in a folder of the test's own, with
 * `beside` next to it, which is not watched. */
#ifndef DEV_WATCH_FIXTURE_H
#define DEV_WATCH_FIXTURE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    struct dev_watch *watch; /* NULL until fixture_watch */
    char heard[2048];        /* " a.html b.css ": each name once */
    unsigned cuts;
    size_t cut_at;
    char why[128];
    char presence[16]; /* of the root: '-' when it was told to have gone, '+' when it was told to be back */
};

static void write_file(const char *name) {
    const int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "text", 4), 4);
    close(fd);
}

static void make(const char *name) {
    assert_int_equal(mkdir(name, 0700), 0);
}

static bool has_heard(const struct fixture *fixture, const char *name) {
    char word[300];
    snprintf(word, sizeof word, " %s ", name);
    return strstr(fixture->heard, word) != NULL;
}

/* What came before it has been told of, too. */
static void hear(struct fixture *fixture, const char *name) {
    while (!has_heard(fixture, name)) {
        assert_int_equal(reactor_turn(fixture->reactor, PATIENCE_MS), 0);
    }
}

static void fixture_on_change(void *owner, const char *name) {
    struct fixture *fixture = owner;
    if (!has_heard(fixture, name)) {
        const size_t used = strlen(fixture->heard);
        snprintf(fixture->heard + used, sizeof fixture->heard - used, "%s ", name);
    }
}

static void fixture_on_cut(void *owner, const char *why) {
    struct fixture *fixture = owner;
    fixture->cuts++;
    fixture->cut_at = dev_watch_count(fixture->watch);
    snprintf(fixture->why, sizeof fixture->why, "%s", why);
}

static void fixture_on_presence(void *owner, bool is_there) {
    struct fixture *fixture = owner;
    const size_t used = strlen(fixture->presence);
    snprintf(fixture->presence + used, sizeof fixture->presence - used, "%c", is_there ? '+' : '-');
}

static void fixture_watch(struct fixture *fixture) {
    assert_int_equal(dev_watch_new(fixture->reactor, ".", fixture_on_change, fixture, &fixture->watch), 0);
    dev_watch_on_cut(fixture->watch, fixture_on_cut);
    dev_watch_on_presence(fixture->watch, fixture_on_presence);
}

static int fixture_set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    scratch_folder_make(fixture->folder);
    assert_int_equal(chdir(fixture->folder), 0);
    make("root");
    make("beside");
    assert_int_equal(chdir("root"), 0);
    fixture->memory.limit = 1 << 20;
    fixture->heard[0] = ' ';
    assert_int_equal(reactor_new(&fixture->memory, &fixture->reactor), 0);
    *state = fixture;
    return 0;
}

static int fixture_tear_down(void **state) {
    struct fixture *fixture = *state;
    dev_watch_free(fixture->watch);
    reactor_free(fixture->reactor);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(scratch_folder_remove(fixture->folder), 0);
    free(fixture);
    return 0;
}

#endif
