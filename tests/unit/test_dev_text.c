/* What strangers say, on a terminal: as text, in whole lines, bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "dev/terminal/dev_lines.h"
#include "dev/terminal/dev_text.h"
#include "dev/terminal/dev_view.h"

static void shown(const char *text, const char *expected) {
    char out[256];
    const size_t length = dev_text_show(text, strlen(text), out, sizeof out);
    assert_int_equal(length, strlen(out));
    assert_string_equal(out, expected);
}

static void nothing_acts_on_a_terminal(void **state) {
    (void)state;
    shown("plain, \xc3\xa9 and \xf0\x9f\x98\x80", "plain, \xc3\xa9 and \xf0\x9f\x98\x80");
    shown("a\tb", "a b");
    shown("\x1b[2J\x1b]0;title\x07", "?[2J?]0;title?");
    shown("a\rb\nc\x7f", "a?b c?");
    shown("\x1b[31mred\x1b[0m \x1b[1;38:5:9mbold\x1b[m", "red bold");
    shown("\x1b[31", "?[31");
    shown("\x1b[3\x1b[1mx", "?[3x");
    shown("\xc2\x9b[m", "?[m"); /* CSI as one character of C1 */
    shown("\x9b[m", "?[m");     /* and as a byte that is no UTF-8 */
    static const char reordered[] = {(char)0xe2, (char)0x80, (char)0xae, 'a',
                                     (char)0xe2, (char)0x81, (char)0xa6, 0};
    shown(reordered, "?a?"); /* right to left, isolate */
    static const char arabic[] = {(char)0xd8, (char)0x9c, 'a', (char)0xe2, (char)0x80, (char)0xa8, 0};
    shown(arabic, "?a?");                        /* Arabic letter mark, line separator */
    shown("\xc0\xaf\xed\xa0\x80\xff", "??????"); /* overlong, surrogate, never a byte */
    shown("\xe2\x82", "??");                     /* cut off */
}

static void text_is_cut_between_characters(void **state) {
    (void)state;
    char out[6];
    assert_int_equal(dev_text_show("abcd\xc3\xa9z", 7, out, sizeof out), 4);
    assert_string_equal(out, "abcd");
    assert_int_equal(dev_text_show("abcdefgh", 8, out, sizeof out), 5);
    assert_string_equal(out, "abcde");
}

/* -- lines -- */

struct heard {
    size_t count, length;
    char text[3 * DEV_LINES_MAX];
};

static void hear(void *owner, const char *line, size_t length) {
    struct heard *heard = owner;
    assert_true(heard->length + length + 1 < sizeof heard->text);
    memcpy(heard->text + heard->length, line, length);
    heard->length += length;
    heard->text[heard->length++] = '/';
    heard->text[heard->length] = '\0';
    heard->count++;
}

static void lines_are_the_same_however_they_are_cut(void **state) {
    (void)state;
    static const char output[] = "one\n\ntwo\r\nthree\rfour\n\r\nno newline";
    for (size_t piece = 1; piece < sizeof output; piece++) {
        static struct dev_lines lines;
        static struct heard heard;
        lines.length = 0;
        heard = (struct heard){.count = 0};
        for (size_t at = 0; at < sizeof output - 1; at += piece) {
            const size_t left = sizeof output - 1 - at;
            dev_lines_take(&lines, output + at, left < piece ? left : piece, hear, &heard);
        }
        assert_int_equal(heard.count, 5);
        dev_lines_end(&lines, hear, &heard);
        dev_lines_end(&lines, hear, &heard);
        assert_string_equal(heard.text, "one//two/three\rfour//no newline/");
    }
}

static void a_long_line_is_cut_into_several(void **state) {
    (void)state;
    static struct dev_lines lines;
    static struct heard heard;
    static char output[2 * DEV_LINES_MAX + 10];
    memset(output, 'x', sizeof output);
    dev_lines_take(&lines, output, sizeof output, hear, &heard);
    assert_int_equal(heard.count, 2);
    dev_lines_take(&lines, "\n", 1, hear, &heard);
    assert_int_equal(heard.count, 3);
    assert_int_equal(heard.length, sizeof output + 3);
    heard = (struct heard){.count = 0};
    dev_lines_take(&lines, output, DEV_LINES_MAX, hear,
                   &heard); /* just full: nothing is left for the newline */
    dev_lines_take(&lines, "\nnext\n", 6, hear, &heard);
    assert_int_equal(heard.count, 3);
    assert_string_equal(heard.text + DEV_LINES_MAX, "//next/");
}

/* -- calls -- */

/* "CALL|RESULT|TOOK" */
static void view(const struct access_call *call, const char *expected) {
    char shown[DEV_VIEW_CALL_MAX];
    char result[DEV_VIEW_RESULT_MAX];
    char took[DEV_VIEW_TOOK_MAX];
    char all[1024];
    dev_view_call(call, false, shown);
    dev_view_result(call, false, result);
    dev_view_took(call, took);
    snprintf(all, sizeof all, "%s|%s|%s", shown, result, took);
    assert_string_equal(all, expected);
}

static void a_call_is_a_line(void **state) {
    (void)state;
    struct access_call call = {.name = "tab",
                               .receiver = "worker",
                               .receiver_length = 6,
                               .function = "add",
                               .function_length = 3,
                               .result = "response",
                               .duration_us = 1234,
                               .serde = CONFIG_JSON,
                               .bytes_sent = 27};
    view(&call, "call   tab \xe2\x86\x92 worker.add  json||27 B  1.2 ms");
    call.bytes_sent = 1234567;
    call.duration_us = 12345678;
    call.serde = CONFIG_MSGPACK;
    view(&call, "call   tab \xe2\x86\x92 worker.add  msgpack||1.2 MB  12.3 s");
    call.result = "sent";
    view(&call, "call   tab \xe2\x86\x92 worker.add  msgpack|sent, no answer is waited for|");
    call.result = "no-such-member";
    call.duration_us = 50;
    view(&call, "call   tab \xe2\x86\x92 worker.add  msgpack|no-such-member|0.0 ms");
    call.function_length = 0;
    call.result = "disconnected";
    view(&call, "call   tab \xe2\x86\x92 worker|disconnected|0.0 ms");
    call.name = NULL;
    view(&call, "call   ? \xe2\x86\x92 worker|disconnected|0.0 ms");
}

static void an_error_is_told_in_each_serde(void **state) {
    (void)state;
    static const struct {
        unsigned serde;
        const char *answer;
        size_t length;
        const char *expected;
    } cases[] = {
        {CONFIG_JSON,
         "{\"args\": [[\"ValueError\", \"builtins\", \"no\\u001b[2J number\", null]], \"kwargs\": {}}", 0,
         "call   tab \xe2\x86\x92 w.f  json|ValueError: no?[2J number|0.0 ms"},
        {CONFIG_MSGPACK,
         "\x92\x91\x94\xaaValueError\xa8"
         "builtins\xa2no\xc0\x80",
         27, "call   tab \xe2\x86\x92 w.f  msgpack|ValueError: no|0.0 ms"},
        {CONFIG_JSON, "{", 0, "call   tab \xe2\x86\x92 w.f  json|error|0.0 ms"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t length = cases[i].length > 0 ? cases[i].length : strlen(cases[i].answer);
        const struct access_call call = {.name = "tab",
                                         .receiver = "w",
                                         .receiver_length = 1,
                                         .function = "f",
                                         .function_length = 1,
                                         .result = "error",
                                         .serde = cases[i].serde,
                                         .answer = cases[i].answer,
                                         .bytes_sent = length};
        view(&call, cases[i].expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acts_on_a_terminal),
        cmocka_unit_test(text_is_cut_between_characters),
        cmocka_unit_test(lines_are_the_same_however_they_are_cut),
        cmocka_unit_test(a_long_line_is_cut_into_several),
        cmocka_unit_test(a_call_is_a_line),
        cmocka_unit_test(an_error_is_told_in_each_serde),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
