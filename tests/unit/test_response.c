/* Answers byte by byte, and the reading of Accept-Encoding and If-None-Match. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/response.h"
#include "sink.h"

static struct request_head head_of(const char *text) {
    static const struct request_limits limits = {.head_bytes = 4096, .headers = 20};
    struct request_head head;
    size_t size;
    struct request_refusal refusal;
    assert_int_equal(request_head_parse(daffi_span_text(text), &limits, &head, &size, &refusal), 0);
    return head;
}

static void an_answer_is_head_and_body(void **state) {
    (void)state;
    struct sink out = {0};
    struct response_sink sink = sink_of(&out);
    struct response response = {.status = 200,
                                .type = "text/plain",
                                .fields = "X: y\r\n",
                                .body = daffi_span_text("hello"),
                                .date = 784111777};
    assert_int_equal(response_write(&response, &sink), 0);
    assert_string_equal(
        out.bytes, "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n"
                   "Content-Length: 5\r\nX-Content-Type-Options: nosniff\r\nX: y\r\n\r\nhello");
    sink_clear(&out);
    response =
        (struct response){.status = 404, .body = daffi_span_text("gone"), .to_head = true, .close = true};
    assert_int_equal(response_write(&response, &sink), 0);
    assert_string_equal(out.bytes,
                        "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nX-Content-Type-Options: nosniff\r\n"
                        "Connection: close\r\n\r\n");
    sink_clear(&out);
    response = (struct response){.status = 304, .body = daffi_span_text("same")};
    assert_int_equal(response_write(&response, &sink), 0);
    assert_string_equal(out.bytes, "HTTP/1.1 304 Not Modified\r\nX-Content-Type-Options: nosniff\r\n\r\n");
    sink_clear(&out);
    response = (struct response){.status = 204};
    assert_int_equal(response_write(&response, &sink), 0);
    assert_string_equal(out.bytes, "HTTP/1.1 204 No Content\r\nX-Content-Type-Options: nosniff\r\n\r\n");
}

static void a_head_that_does_not_fit_is_not_written(void **state) {
    (void)state;
    char out[RESPONSE_HEAD_MAX];
    const struct response response = {.status = 200};
    int size = response_format_head(&response, out, sizeof out);
    assert_true(size > 0);
    assert_int_equal(response_format_head(&response, out, (size_t)size), -ENOBUFS);
    assert_int_equal(response_format_head(&response, out, (size_t)size + 1), size);
    char *fields = malloc(4096);
    memset(fields, 'x', 4095);
    fields[4095] = '\0';
    struct sink sink_out = {0};
    struct response_sink sink = sink_of(&sink_out);
    const struct response long_one = {.status = 200, .fields = fields};
    assert_int_equal(response_write(&long_one, &sink), -ENOBUFS);
    assert_int_equal(sink_out.length, 0);
    free(fields);
}

static void what_the_sink_says_is_handed_on(void **state) {
    (void)state;
    struct sink out = {.failure = -EPIPE};
    struct response_sink sink = sink_of(&out);
    const struct response response = {.status = 200, .body = daffi_span_text("x")};
    assert_int_equal(response_write(&response, &sink), -EPIPE);
    assert_int_equal(response_switch_protocols("x", &sink), -EPIPE);
}

static void refusals_say_what_their_status_asks_for(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *line, *field;
    } cases[] = {
        {400, "HTTP/1.1 400 Bad Request\r\n", "Cache-Control: no-store\r\n"},
        {405, "HTTP/1.1 405 Method Not Allowed\r\n", "Allow: GET, HEAD\r\n"},
        {414, "HTTP/1.1 414 URI Too Long\r\n", "Connection: close\r\n"},
        {426, "HTTP/1.1 426 Upgrade Required\r\n", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"},
        {431, "HTTP/1.1 431 Request Header Fields Too Large\r\n", "Connection: close\r\n"},
        {501, "HTTP/1.1 501 Not Implemented\r\n", "nosniff\r\n"},
        {505, "HTTP/1.1 505 HTTP Version Not Supported\r\n", "text/plain; charset=utf-8\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sink out = {0};
        struct response_sink sink = sink_of(&out);
        const struct request_refusal refusal = {cases[i].status, "a sentence"};
        assert_int_equal(response_refuse(&refusal, false, &sink), 0);
        assert_ptr_equal(strstr(out.bytes, cases[i].line), out.bytes);
        assert_non_null(strstr(out.bytes, cases[i].field));
        assert_non_null(strstr(out.bytes, "Connection: close\r\n"));
        assert_non_null(strstr(out.bytes, "\r\n\r\na sentence\n"));
    }
}

static void switching_protocols_carries_the_key(void **state) {
    (void)state;
    struct sink out = {0};
    struct response_sink sink = sink_of(&out);
    assert_int_equal(response_switch_protocols("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", &sink), 0);
    assert_string_equal(out.bytes,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
}

static void keep_alive_follows_the_version(void **state) {
    (void)state;
    struct request_head head = head_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(response_keeps_alive(&head));
    head = head_of("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n");
    assert_false(response_keeps_alive(&head));
    head = head_of("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_false(response_keeps_alive(&head));
}

static void qualities_are_read(void **state) {
    (void)state;
    static const struct {
        const char *field;
        unsigned br, gzip, identity;
    } cases[] = {
        {NULL, 0, 0, 1},
        {"", 0, 0, 1},
        {"br", 1000, 0, 1},
        {"gzip, deflate, br, zstd", 1000, 1000, 1},
        {"GZIP;q=0.5,br ; q=0.25", 250, 500, 1},
        {"br;q=1.000, gzip;q=0.001", 1000, 1, 1},
        {"br;q=0, gzip;q=0.0", 0, 0, 1},
        {"*", 1000, 1000, 1000},
        {"*;q=0", 0, 0, 0},
        {"*;q=0.1, br;q=0", 0, 100, 100},
        {"identity;q=0, gzip", 0, 1000, 0},
        {"br;q=2, gzip;q=x, identity;q=", 0, 0, 0},
        {"br;q=0.1234, gzip;q=1.001", 0, 0, 1},
        {"br;x=1, gzip;", 0, 0, 1},
        {"xbr, brx, ,;q=1", 0, 0, 1},
        {"br;q=0.5, br", 500, 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n%s%s%s\r\n",
                 cases[i].field != NULL ? "Accept-Encoding: " : "",
                 cases[i].field != NULL ? cases[i].field : "", cases[i].field != NULL ? "\r\n" : "");
        struct request_head head = head_of(text);
        if (response_coding_quality(&head, "br") != cases[i].br ||
            response_coding_quality(&head, "gzip") != cases[i].gzip ||
            response_coding_quality(&head, "identity") != cases[i].identity) {
            fail_msg("%s", text);
        }
    }
    struct request_head two =
        head_of("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\naccept-encoding: br\r\n\r\n");
    assert_int_equal(response_coding_quality(&two, "br"), 1000);
    assert_int_equal(response_coding_quality(&two, "gzip"), 1000);
}

static void etags_are_compared_weakly(void **state) {
    (void)state;
    static const struct {
        const char *value;
        bool unchanged;
    } cases[] = {
        {"\"abc\"", true},    {"W/\"abc\"", true},        {"\"x\", \"abc\"", true},
        {"*", true},          {"\"x\",W/\"abc\" ", true}, {"\"ab\"", false},
        {"abc", false},       {"\"abc", false},           {"", false},
        {"w/\"abc\"", false}, {"\"ABC\"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: %s\r\n\r\n", cases[i].value);
        struct request_head head = head_of(text);
        if (response_is_unchanged(&head, "\"abc\"") != cases[i].unchanged) {
            fail_msg("%s", cases[i].value);
        }
    }
    struct request_head none = head_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_false(response_is_unchanged(&none, "\"abc\""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_head_and_body),
        cmocka_unit_test(a_head_that_does_not_fit_is_not_written),
        cmocka_unit_test(what_the_sink_says_is_handed_on),
        cmocka_unit_test(refusals_say_what_their_status_asks_for),
        cmocka_unit_test(switching_protocols_carries_the_key),
        cmocka_unit_test(keep_alive_follows_the_version),
        cmocka_unit_test(qualities_are_read),
        cmocka_unit_test(etags_are_compared_weakly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
