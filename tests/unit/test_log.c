/* The log: lines as they arrive on standard error, text and JSON, cut, quoted, bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ops/access_log.h"
#include "ops/log.h"
#include "ops/log_limit.h"

/* Standard error goes into a file while something is logged; its text is in `captured` afterwards. */
static char captured[1 << 20];
static int saved_stderr, capture_fd;

static void capture_begin(void) {
    char path[] = "/tmp/test_log.XXXXXX";
    capture_fd = mkstemp(path);
    assert_true(capture_fd >= 0);
    unlink(path);
    assert_int_equal(fcntl(capture_fd, F_SETFL, O_APPEND), 0);
    saved_stderr = dup(STDERR_FILENO);
    assert_int_equal(dup2(capture_fd, STDERR_FILENO), STDERR_FILENO);
}

static size_t capture_end(void) {
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    ssize_t length = pread(capture_fd, captured, sizeof captured - 1, 0);
    close(capture_fd);
    assert_true(length >= 0);
    captured[length] = '\0';
    return (size_t)length;
}

static size_t count_lines(const char *part) {
    size_t count = 0;
    for (const char *at = captured; (at = strstr(at, part)) != NULL; at++) {
        count++;
    }
    return count;
}

static void test_text_line(void **state) {
    (void)state;
    log_start(CONFIG_LOG_INFO, CONFIG_LOG_TEXT);
    capture_begin();
    log_write(CONFIG_LOG_WARNING, "port %d is taken", 80);
    log_write(CONFIG_LOG_DEBUG, "not at this level");
    size_t length = capture_end();
    assert_int_equal(captured[length - 1], '\n');
    assert_int_equal(count_lines("\n"), 1);
    /* 2026-01-31T12:34:56.789Z warning  … */
    assert_int_equal(strspn(captured, "0123456789-:.TZ"), 24);
    assert_string_equal(captured + 24, " warning  port 80 is taken\n");
}

static void test_json_line(void **state) {
    (void)state;
    log_start(CONFIG_LOG_DEBUG, CONFIG_LOG_JSON);
    capture_begin();
    log_write(CONFIG_LOG_ERROR, "a \"b\"\\\n\x01 \xc3\xa9 \xff");
    capture_end();
    const char *expected =
        "\",\"level\":\"error\",\"message\":\"a \\\"b\\\"\\\\\\u000a\\u0001 \xc3\xa9 \\u00ff\"}\n";
    assert_memory_equal(captured, "{\"time\":\"", 9);
    assert_string_equal(captured + 9 + 24, expected);
}

static void test_levels(void **state) {
    (void)state;
    for (int least = CONFIG_LOG_ERROR; least <= CONFIG_LOG_DEBUG; least++) {
        log_start((enum config_log_level)least, CONFIG_LOG_TEXT);
        capture_begin();
        for (int level = CONFIG_LOG_ERROR; level <= CONFIG_LOG_DEBUG; level++) {
            log_write((enum config_log_level)level, "line");
        }
        capture_end();
        assert_int_equal(count_lines("\n"), least + 1);
    }
}

static void test_one_line_whatever_it_holds(void **state) {
    (void)state;
    log_start(CONFIG_LOG_INFO, CONFIG_LOG_TEXT);
    capture_begin();
    log_write(CONFIG_LOG_INFO, "a\nb\x1b[31m");
    capture_end();
    assert_int_equal(count_lines("\n"), 1);
    assert_non_null(strstr(captured, "a\\x0ab\\x1b[31m\n"));
}

static void test_long_record_is_cut(void **state) {
    (void)state;
    static char text[3 * LOG_LINE_MAX];
    for (int format = CONFIG_LOG_TEXT; format <= CONFIG_LOG_JSON; format++) {
        log_start(CONFIG_LOG_INFO, (enum config_log_format)format);
        for (int c = 0; c < 2; c++) {
            memset(text, c == 0 ? 'x' : '"', sizeof text - 1);
            capture_begin();
            log_write(CONFIG_LOG_INFO, "%s", text);
            size_t length = capture_end();
            assert_in_range(length, LOG_LINE_MAX / 2, LOG_LINE_MAX);
            assert_int_equal(captured[length - 1], '\n');
            assert_int_equal(count_lines("\n"), 1);
        }
    }
}

static void test_listening_is_said_at_any_level(void **state) {
    (void)state;
    log_start(CONFIG_LOG_ERROR, CONFIG_LOG_TEXT);
    capture_begin();
    log_listening("https://127.0.0.1:8443");
    capture_end();
    assert_string_equal(captured, "listening https://127.0.0.1:8443\n");
    log_start(CONFIG_LOG_ERROR, CONFIG_LOG_JSON);
    capture_begin();
    log_listening("https://127.0.0.1:8443");
    capture_end();
    assert_memory_equal(captured, "{\"time\":\"", 9);
    assert_non_null(
        strstr(captured, "\"level\":\"info\",\"message\":\"listening https://127.0.0.1:8443\"}\n"));
}

static void test_peer_is_bounded_and_what_was_left_out_said(void **state) {
    (void)state;
    enum { LINES = 5 * LOG_PER_PEER_BURST };
    log_start(CONFIG_LOG_INFO, CONFIG_LOG_TEXT);
    capture_begin();
    for (int i = 0; i < LINES; i++) {
        log_peer(CONFIG_LOG_INFO, "peer %d", i);
        log_write(CONFIG_LOG_INFO, "own %d", i);
    }
    log_flush();
    capture_end();
    assert_int_equal(count_lines("  own "), LINES);
    /* The second may have turned while it ran, hence at most two bursts. */
    size_t passed = count_lines("  peer ");
    assert_in_range(passed, LOG_PER_PEER_BURST, 2 * LOG_PER_PEER_BURST);
    unsigned long said = 0;
    for (const char *at = captured;
         (at = strstr(at, "more lines of this kind were left out: peer …\n")) != NULL; at++) {
        const char *start = at - 1; /* the blank after the number */
        while (start[-1] != ' ') {
            start--;
        }
        said += strtoul(start, NULL, 10);
    }
    assert_int_equal(passed + said, LINES);
}

static void test_limit_by_kind_and_window(void **state) {
    (void)state;
    static struct log_limit limit;
    const char *kind = NULL;
    uint64_t left_out = 0;
    limit = (struct log_limit){0};
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(log_limit_pass(&limit, "a", 3, 100), i < 3);
    }
    assert_true(log_limit_pass(&limit, "b", 3, 100));
    assert_false(log_limit_take_left_out(&limit, 1099, false, &kind, &left_out));
    assert_true(log_limit_take_left_out(&limit, 1100, false, &kind, &left_out));
    assert_string_equal(kind, "a");
    assert_int_equal(left_out, 2);
    assert_false(log_limit_take_left_out(&limit, 1100, false, &kind, &left_out));
    assert_true(log_limit_pass(&limit, "a", 3, 1100));
}

static void test_limit_with_more_kinds_than_places(void **state) {
    (void)state;
    static struct log_limit limit;
    static const char kinds[4 * LOG_LIMIT_KINDS];
    limit = (struct log_limit){0};
    uint64_t wanted = 0;
    for (size_t i = 0; i < sizeof kinds; i++) {
        assert_true(log_limit_pass(&limit, &kinds[i], 1, i));
        wanted += !log_limit_pass(&limit, &kinds[i], 1, i);
    }
    const char *kind = NULL;
    uint64_t left_out = 0, said = 0;
    while (log_limit_take_left_out(&limit, 0, true, &kind, &left_out)) {
        said += left_out;
    }
    assert_int_equal(wanted, sizeof kinds);
    assert_int_equal(said, wanted);
}

static void test_quote(void **state) {
    (void)state;
    char out[32];
    assert_string_equal(log_quote(out, sizeof out, "tab-1", 5), "tab-1");
    assert_string_equal(log_quote(out, sizeof out, "a\"\\\n\0\xff", 6), "a\\\"\\\\\\x0a\\x00\\xff");
    assert_string_equal(log_quote(out, sizeof out, NULL, 0), "");
    assert_string_equal(log_quote(out, 6, "abcde", 5), "abcde");
    assert_string_equal(log_quote(out, 6, "abcdef", 6), "ab...");
    assert_string_equal(log_quote(out, 3, "abcdef", 6), "..");
    assert_string_equal(log_quote(out, 1, "abcdef", 6), "");
    /* Never past its room, always ended, whatever comes. */
    for (size_t size = 1; size <= sizeof out; size++) {
        memset(out, 'X', sizeof out);
        log_quote(out, size, "\x01\x02\"\\plain\xf0\x9f\x98\x80 and more of it, and more", 36);
        assert_in_range(strlen(out), 0, size - 1);
        for (size_t i = size; i < sizeof out; i++) {
            assert_int_equal(out[i], 'X');
        }
    }
}

static void *log_many(void *argument) {
    for (int i = 0; i < 500; i++) {
        log_write(CONFIG_LOG_INFO, "%s <%064d>", (const char *)argument, i);
        log_peer(CONFIG_LOG_INFO, "%s", (const char *)argument);
    }
    return NULL;
}

static void test_threads_do_not_mix_lines(void **state) {
    (void)state;
    log_start(CONFIG_LOG_INFO, CONFIG_LOG_TEXT);
    pthread_t threads[4];
    static char names[4][8] = {"first", "second", "third", "fourth"};
    capture_begin();
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, names[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    log_flush();
    capture_end();
    assert_int_equal(count_lines(">\n"), 2000);
    for (const char *line = captured; *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_int_equal(strspn(line, "0123456789-:.TZ"), 24);
    }
}

static const struct access_connection gone = {
    .who = "page",
    .name = "a\"b",
    .address = "192.0.2.1",
    .upstream = "default",
    .duration_ms = 61007,
    .bytes_received = 10,
    .bytes_sent = 20,
    .messages_received = 3,
    .messages_sent = 4,
    .code = 1000,
    .reason = "by the page",
};
static const struct access_call called = {
    .who = "page",
    .name = "p",
    .address = "192.0.2.1",
    .upstream = "default",
    .receiver = "w1...",
    .receiver_length = 2,
    .function = "add\nx",
    .function_length = 5,
    .result = "response",
    .duration_us = 1234,
    .bytes_sent = 7,
};

static void test_access_lines(void **state) {
    (void)state;
    log_start(CONFIG_LOG_INFO, CONFIG_LOG_TEXT);
    capture_begin();
    access_log_connection(&gone); /* not started */
    access_log_start(CONFIG_LOG_ACCESS_CONNECTIONS, 1000);
    access_log_connection(&gone);
    access_log_call(&called); /* not wanted */
    access_log_start(CONFIG_LOG_ACCESS_CALLS, 1000);
    access_log_call(&called);
    access_log_start(CONFIG_LOG_ACCESS_NONE, 1000);
    access_log_connection(&gone);
    capture_end();
    assert_int_equal(count_lines("\n"), 2);
    assert_non_null(strstr(captured, " info     closed page \"a\\\"b\" from 192.0.2.1, upstream default: "
                                     "1000 by the page; 61.007 s, received 3 messages, 10 bytes, sent 4 "
                                     "messages, 20 bytes\n"));
    assert_non_null(strstr(captured, " info     call of page \"p\" from 192.0.2.1, upstream default: "
                                     "\"add\\x0ax\" at \"w1\": response in 1.234 ms, 7 bytes\n"));
}

static void test_access_fields(void **state) {
    (void)state;
    log_start(CONFIG_LOG_INFO, CONFIG_LOG_JSON);
    access_log_start(CONFIG_LOG_ACCESS_CALLS, 1000);
    capture_begin();
    access_log_connection(&gone);
    access_log_call(&called);
    capture_end();
    assert_non_null(
        strstr(captured,
               "\"event\":\"connection\",\"who\":\"page\",\"name\":\"a\\\\\\\"b\",\"address\":\"192.0.2.1\","
               "\"upstream\":\"default\",\"duration_ms\":61007,\"received_bytes\":10,\"sent_bytes\":20,"
               "\"received_messages\":3,\"sent_messages\":4,\"code\":1000,\"reason\":\"by the page\"}\n"));
    assert_non_null(strstr(captured,
                           "\"receiver\":\"w1\",\"function\":\"add\\\\x0ax\",\"result\":\"response\","
                           "\"duration_us\":1234,\"sent_bytes\":7}\n"));
    assert_int_equal(count_lines("{\"time\":\""), 2);
    access_log_start(CONFIG_LOG_ACCESS_NONE, 1000);
}

static void test_access_is_bounded(void **state) {
    (void)state;
    const struct log_numbers before = log_numbers();
    log_start(CONFIG_LOG_INFO, CONFIG_LOG_TEXT);
    access_log_start(CONFIG_LOG_ACCESS_CONNECTIONS, 5);
    capture_begin();
    for (int i = 0; i < 100; i++) {
        access_log_connection(&gone);
    }
    log_flush();
    capture_end();
    access_log_start(CONFIG_LOG_ACCESS_NONE, 1000);
    assert_in_range(count_lines("closed page"), 1,
                    20); /* of one second, or two; the tests before have had some */
    assert_true(count_lines("more lines of this kind were left out: closed … ") >= 1);
    const struct log_numbers behind = log_numbers();
    assert_in_range(behind.left_out - before.left_out, 80, 99);
}

/* A disk that is full: lines are lost and counted, the first that finds room says how many. */
static void test_lost_lines_are_told_of(void **state) {
    (void)state;
    const struct log_numbers before = log_numbers();
    log_start(CONFIG_LOG_INFO, CONFIG_LOG_TEXT);
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    int kept = dup(STDERR_FILENO);
    assert_true(full >= 0 && kept >= 0);
    dup2(full, STDERR_FILENO);
    for (int i = 0; i < 3; i++) {
        log_write(CONFIG_LOG_WARNING, "lost");
    }
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(full);
    capture_begin();
    log_write(CONFIG_LOG_INFO, "found");
    capture_end();
    assert_int_equal(count_lines("\n"), 2);
    assert_non_null(strstr(captured, " info     found\n"));
    assert_non_null(strstr(captured, "warning  3 lines of the log could not be written and are lost\n"));
    assert_int_equal(log_numbers().lost - before.lost, 3);
}

/* A pipe that nobody reads: it is waited for a moment once, not once a line. */
static void test_a_pipe_that_nobody_reads_holds_up_nobody(void **state) {
    (void)state;
    enum { LINES = 2000 };
    int ends[2];
    char text[900];
    struct timespec from, to;
    const struct log_numbers before = log_numbers();
    log_start(CONFIG_LOG_INFO, CONFIG_LOG_TEXT);
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(pipe(ends), 0);
    int kept = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < LINES; i++) {
        log_write(CONFIG_LOG_INFO, "%s", text);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(ends[0]);
    close(ends[1]);
    const struct log_numbers behind = log_numbers();
    assert_true(behind.lost - before.lost > LINES / 2);
    assert_true(behind.written[CONFIG_LOG_INFO] > before.written[CONFIG_LOG_INFO]);
    assert_true((to.tv_sec - from.tv_sec) * 1000 < 20 * LOG_PATIENCE_MS);
    capture_begin();
    log_write(CONFIG_LOG_INFO, "again"); /* what was lost is told now, not by a later test's line */
    capture_end();
    assert_int_equal(count_lines("could not be written"), 1);
}

/* To the journal each line begins with its level, and a line of text has no time of its own. */
static void test_journal(void **state) {
    (void)state;
    struct stat status;
    char named[64];
    capture_begin();
    fstat(STDERR_FILENO, &status);
    snprintf(named, sizeof named, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    setenv("JOURNAL_STREAM", named, 1);
    log_start(CONFIG_LOG_DEBUG, CONFIG_LOG_TEXT);
    log_write(CONFIG_LOG_ERROR, "one");
    log_write(CONFIG_LOG_WARNING, "two");
    log_write(CONFIG_LOG_INFO, "three");
    log_write(CONFIG_LOG_DEBUG, "four");
    log_start(CONFIG_LOG_INFO, CONFIG_LOG_JSON);
    log_write(CONFIG_LOG_INFO, "five");
    setenv("JOURNAL_STREAM", "1:1", 1); /* somebody else's */
    log_start(CONFIG_LOG_INFO, CONFIG_LOG_TEXT);
    log_write(CONFIG_LOG_INFO, "six");
    unsetenv("JOURNAL_STREAM");
    log_start(CONFIG_LOG_INFO, CONFIG_LOG_TEXT);
    capture_end();
    assert_memory_equal(captured, "<3>one\n<4>two\n<6>three\n<7>four\n<6>{\"time\":\"", 43);
    assert_int_equal(count_lines("<"), 5);
    assert_int_equal(count_lines("Z info     six\n"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_access_lines),
        cmocka_unit_test(test_access_fields),
        cmocka_unit_test(test_access_is_bounded),
        cmocka_unit_test(test_lost_lines_are_told_of),
        cmocka_unit_test(test_a_pipe_that_nobody_reads_holds_up_nobody),
        cmocka_unit_test(test_journal),
        cmocka_unit_test(test_text_line),
        cmocka_unit_test(test_json_line),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_one_line_whatever_it_holds),
        cmocka_unit_test(test_long_record_is_cut),
        cmocka_unit_test(test_listening_is_said_at_any_level),
        cmocka_unit_test(test_peer_is_bounded_and_what_was_left_out_said),
        cmocka_unit_test(test_limit_by_kind_and_window),
        cmocka_unit_test(test_limit_with_more_kinds_than_places),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_threads_do_not_mix_lines),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
