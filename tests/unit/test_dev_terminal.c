/* The terminal's thread, before one that takes nothing for a while. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/terminal/dev_terminal.h"

enum { PATIENCE_MS = 10000, SAID_MAX = 1 << 20 };

struct fixture {
    struct dev_terminal terminal;
    int reader, writer;
    size_t stuffed; /* bytes that fill the pipe */
    char said[SAID_MAX];
    size_t length;
};

/* A full pipe. */
static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    int pair[2];
    assert_int_equal(pipe(pair), 0);
    fixture->reader = pair[0];
    fixture->writer = pair[1];
    assert_int_equal(fcntl(fixture->writer, F_SETFL, O_NONBLOCK), 0);
    while (write(fixture->writer, "x", 1) == 1) {
        fixture->stuffed++;
    }
    dev_terminal_init(&fixture->terminal, fixture->writer);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    dev_terminal_close(&fixture->terminal);
    close(fixture->reader);
    close(fixture->writer);
    free(fixture);
    return 0;
}

/* Until it has said so. */
static void read_until(struct fixture *fixture, const char *text) {
    struct pollfd waited = {.fd = fixture->reader, .events = POLLIN};
    while (strstr(fixture->said, text) == NULL) {
        assert_int_equal(poll(&waited, 1, PATIENCE_MS), 1);
        const ssize_t length =
            read(fixture->reader, fixture->said + fixture->length, SAID_MAX - 1 - fixture->length);
        assert_true(length > 0);
        fixture->length += (size_t)length;
    }
}

/* Somebody else who shares it has made it so: it is the same for all that hold it. */
static void nothing_is_lost_where_it_is_non_blocking(void **state) {
    struct fixture *fixture = *state;
    char line[128];
    assert_int_equal(dev_terminal_start(&fixture->terminal), 0);
    for (unsigned i = 0; i < DEV_TERMINAL_WAITING_MAX; i++) {
        snprintf(line, sizeof line, "line %u %0100d\n", i, 0);
        dev_terminal_write(&fixture->terminal, line);
    }
    snprintf(line, sizeof line, "line %u %0100d\n", DEV_TERMINAL_WAITING_MAX - 1, 0);
    read_until(fixture, line);
    const char *at = fixture->said + fixture->stuffed;
    for (unsigned i = 0; i < DEV_TERMINAL_WAITING_MAX; i++) {
        snprintf(line, sizeof line, "line %u %0100d\n", i, 0);
        assert_memory_equal(at, line, strlen(line));
        at += strlen(line);
    }
}

static void what_is_too_much_is_left_out_and_that_is_said(void **state) {
    struct fixture *fixture = *state;
    char line[32];
    for (unsigned i = 0; i < DEV_TERMINAL_WAITING_MAX + 7; i++) {
        snprintf(line, sizeof line, "line %u\n", i);
        dev_terminal_write(&fixture->terminal, line);
    }
    assert_int_equal(dev_terminal_start(&fixture->terminal), 0);
    read_until(fixture, "more lines\n");
    snprintf(line, sizeof line, "line %u\n", DEV_TERMINAL_WAITING_MAX - 1);
    assert_string_equal(strstr(fixture->said, line) + strlen(line), "... and 7 more lines\n");
    dev_terminal_write(&fixture->terminal, "again\n");
    read_until(fixture, "... and 7 more lines\nagain\n");
}

static void one_that_stands_still_does_not_hold_up_the_end(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(dev_terminal_start(&fixture->terminal), 0);
    dev_terminal_write(&fixture->terminal, "lost\n"); /* tear_down ends it */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_lost_where_it_is_non_blocking, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_too_much_is_left_out_and_that_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_stands_still_does_not_hold_up_the_end, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
