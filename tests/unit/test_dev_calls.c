/* The lines of calls on the terminal: one a call, one for an answer that does not come, few for many that are equal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/terminal/dev_calls.h"

static char told[4096]; /* since it was last asserted */

void __wrap_dev_terminal_write(struct dev_terminal *terminal, const char *lines);
void __wrap_dev_terminal_write(struct dev_terminal *terminal, const char *lines) {
    const size_t length = strlen(told);
    (void)terminal;
    snprintf(told + length, sizeof told - length, "%s", lines);
}

static void assert_told(const char *expected) {
    assert_string_equal(told, expected);
    told[0] = '\0';
}

static struct dev_terminal terminal;
static struct dev_calls *calls;
static const char page[] = "a page";
static const char other[] = "another";

static int set_up(void **state) {
    (void)state;
    told[0] = '\0';
    terminal = (struct dev_terminal){.fd = -1};
    return dev_calls_new(&terminal, &calls);
}

static int tear_down(void **state) {
    (void)state;
    dev_calls_free(calls);
    return 0;
}

static struct access_call call_of(const char *function, unsigned uuid) {
    return (struct access_call){.name = "tab",
                                .receiver = "w",
                                .receiver_length = 1,
                                .function = function,
                                .function_length = strlen(function),
                                .serde = CONFIG_JSON,
                                .caller = page,
                                .uuid = uuid};
}

static void begin(const char *function, unsigned uuid, uint64_t now) {
    const struct access_call call = call_of(function, uuid);
    dev_calls_begin(calls, &call, now);
}

static void end(const char *function, unsigned uuid, const char *result) {
    struct access_call call = call_of(function, uuid);
    call.result = result;
    call.bytes_sent = strcmp(result, "response") == 0 ? 7 : 0;
    dev_calls_end(calls, &call);
}

static void an_answer_that_does_not_come_is_told_of_once(void **state) {
    (void)state;
    begin("slow", 1, 1000);
    begin("later", 2, 3000);
    dev_calls_tick(calls, 1000 + DEV_CALLS_LATE_MS - 1);
    assert_told("");
    dev_calls_tick(calls, 1000 + DEV_CALLS_LATE_MS);
    assert_told("call   tab → w.slow  json  no answer yet after 5 s\n");
    dev_calls_tick(calls, 1000 + DEV_CALLS_LATE_MS + 1);
    assert_told("");
    end("slow", 1, "response");
    assert_told("call   tab → w.slow  json  7 B  0.0 ms\n");
    dev_calls_tick(calls, 100000);
    assert_told("call   tab → w.later  json  no answer yet after 5 s\n");
}

static void what_the_answer_does_not_say_is_known_of_the_call(void **state) {
    (void)state;
    struct access_call answer = call_of("", 1);
    answer.serde = CONFIG_PICKLE;
    answer.result = "disconnected";
    begin("leave", 1, 0);
    dev_calls_end(calls, &answer);
    assert_told("call   tab → w.leave  json  disconnected  0.0 ms\n");
    dev_calls_end(calls, &answer); /* of one whose beginning nobody knows */
    assert_told("call   tab → w  disconnected  0.0 ms\n");
}

static void who_leaves_is_answered_no_more(void **state) {
    (void)state;
    begin("slow", 1, 0);
    dev_calls_leave(calls, other);
    assert_told("");
    dev_calls_leave(calls, page);
    assert_told("call   tab → w.slow  json  not answered before its caller left\n");
    dev_calls_tick(calls, 100000);
    assert_told("");
}

static void an_id_that_is_given_to_another_call_is_that_ones(void **state) {
    (void)state;
    begin("first", 1, 0);
    begin("second", 1, 4000);
    dev_calls_tick(calls, 6000);
    assert_told("");
    end("second", 1, "response");
    assert_told("call   tab → w.second  json  7 B  0.0 ms\n");
}

static void of_too_many_the_oldest_is_forgotten(void **state) {
    (void)state;
    for (unsigned i = 0; i <= DEV_CALLS_WAITING_MAX; i++) {
        begin(i == 0 ? "oldest" : "slow", i, i);
    }
    dev_calls_tick(calls, 1 + DEV_CALLS_LATE_MS);
    assert_told("call   tab → w.slow  json  no answer yet after 5 s\n");
    end("oldest", 0, "response");
    assert_told("call   tab → w.oldest  json  7 B  0.0 ms\n");
}

static void equal_ones_are_counted(void **state) {
    (void)state;
    static const char line[] = "call   tab → w.add  json  7 B  0.0 ms\n";
    char expected[256];
    for (size_t i = 0; i < 103; i++) {
        end("add", 1, "response");
    }
    snprintf(expected, sizeof expected, "%s%s%s", line, line, line);
    assert_told(expected);
    dev_calls_tick(calls, 0);
    assert_told("call   tab → w.add  json  … ×100\n");
    end("add", 1, "response");
    end("add", 1, "response");
    end("sub", 1, "response"); /* another one: what was left out is told at once */
    assert_told("call   tab → w.add  json  … ×2\ncall   tab → w.sub  json  7 B  0.0 ms\n");
    dev_calls_tick(calls, 0); /* a second without any */
    for (size_t i = 0; i < 3; i++) {
        end("sub", 1, "response");
    }
    assert_told("call   tab → w.sub  json  7 B  0.0 ms\ncall   tab → w.sub  json  7 B  0.0 ms\n"
                "call   tab → w.sub  json  7 B  0.0 ms\n");
    for (size_t i = 0; i < 5; i++) {
        end("sub", 1, "busy");
    }
    assert_told("call   tab → w.sub  json  busy  0.0 ms\ncall   tab → w.sub  json  busy  0.0 ms\n"
                "call   tab → w.sub  json  busy  0.0 ms\n");
    dev_calls_tick(calls, 0);
    assert_told("call   tab → w.sub  json  busy  … ×2\n");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(an_answer_that_does_not_come_is_told_of_once),
        CASE(what_the_answer_does_not_say_is_known_of_the_call),
        CASE(who_leaves_is_answered_no_more),
        CASE(an_id_that_is_given_to_another_call_is_that_ones),
        CASE(of_too_many_the_oldest_is_forgotten),
        CASE(equal_ones_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
