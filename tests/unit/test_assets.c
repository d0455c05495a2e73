/* Assets: the headers of each answer against a table, over a small set of files, and the set that is built in. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/assets.h"
#include "sink.h"

#define FORM(text, etag)                                                                                     \
    { (const uint8_t *)(text), sizeof(text) - 1, etag }

static const struct embedded_file files[] = {
    {"daffi.js", FORM("plain script", "\"js\""), FORM("br", "\"js-br\""), FORM("gz", "\"js-gz\"")},
    {"app.wasm", FORM("\0asm", "\"wasm\""), {NULL, 0, NULL}, FORM("z", "\"wasm-gz\"")},
    {"daffi.d.ts", FORM("types", "\"dts\""), {NULL, 0, NULL}, {NULL, 0, NULL}},
};
static const struct embedded_files table = {files, sizeof files / sizeof *files};
static const struct assets assets = {&table, "3.0.1", NULL};

static int ask(const struct assets *of, const char *method, const char *path, const char *fields,
               struct sink *out) {
    static const struct request_limits limits = {.head_bytes = 4096, .headers = 20};
    char text[1024];
    struct request_head head;
    size_t size;
    struct request_refusal refusal;
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, path, fields);
    assert_int_equal(request_head_parse(daffi_span_text(text), &limits, &head, &size, &refusal), 0);
    sink_clear(out);
    struct response_sink sink = sink_of(out);
    return assets_answer(of, &head, &sink);
}

static struct sink out;

static void each_answer_has_its_headers(void **state) {
    (void)state;
    static const struct {
        const char *path, *fields, *type, *coding, *etag, *body;
    } cases[] = {
        {"/daffi.js", "", "text/javascript; charset=utf-8", NULL, "\"js\"", "plain script"},
        {"/daffi.js?v=2", "Accept-Encoding: gzip, deflate, br\r\n", "text/javascript; charset=utf-8", "br",
         "\"js-br\"", "br"},
        {"/daffi.js", "Accept-Encoding: gzip, br;q=0.9\r\n", "text/javascript; charset=utf-8", "gzip",
         "\"js-gz\"", "gz"},
        {"/daffi.js", "Accept-Encoding: br;q=0, gzip;q=0.1\r\n", "text/javascript; charset=utf-8", "gzip",
         "\"js-gz\"", "gz"},
        {"/daffi.js", "Accept-Encoding: identity, br;q=0.5\r\n", "text/javascript; charset=utf-8", NULL,
         "\"js\"", "plain script"},
        {"/daffi.js", "Accept-Encoding: identity;q=0\r\n", "text/javascript; charset=utf-8", NULL, "\"js\"",
         "plain script"},
        {"/app.wasm", "Accept-Encoding: br\r\n", "application/wasm", NULL, "\"wasm\"", NULL},
        {"/app.wasm", "Accept-Encoding: *\r\n", "application/wasm", "gzip", "\"wasm-gz\"", "z"},
        {"/daffi.d.ts", "Accept-Encoding: br, gzip\r\n", "text/plain; charset=utf-8", NULL, "\"dts\"",
         "types"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[256];
        assert_int_equal(ask(&assets, "GET", cases[i].path, cases[i].fields, &out), 0);
        assert_ptr_equal(strstr(out.bytes, "HTTP/1.1 200 OK\r\n"), out.bytes);
        snprintf(expected, sizeof expected, "\r\nContent-Type: %s\r\n", cases[i].type);
        assert_non_null(strstr(out.bytes, expected));
        snprintf(expected, sizeof expected, "\r\nETag: %s\r\n", cases[i].etag);
        assert_non_null(strstr(out.bytes, expected));
        snprintf(expected, sizeof expected, "\r\nContent-Encoding: %s\r\n",
                 cases[i].coding != NULL ? cases[i].coding : "");
        assert_int_equal(strstr(out.bytes, expected) != NULL, cases[i].coding != NULL);
        static const char *const always[] = {
            "\r\nAccess-Control-Allow-Origin: *\r\n", "\r\nCross-Origin-Resource-Policy: cross-origin\r\n",
            "\r\nTiming-Allow-Origin: *\r\n",         "\r\nX-Content-Type-Options: nosniff\r\n",
            "\r\nVary: Accept-Encoding\r\n",          "\r\nCache-Control: no-cache\r\n"};
        for (size_t k = 0; k < sizeof always / sizeof *always; k++) {
            assert_non_null(strstr(out.bytes, always[k]));
        }
        const char *body = strstr(out.bytes, "\r\n\r\n") + 4;
        if (cases[i].body != NULL) {
            assert_string_equal(body, cases[i].body);
        } else {
            assert_memory_equal(body, "\0asm", 4);
        }
    }
}

static void only_the_exact_version_is_immutable(void **state) {
    (void)state;
    static const struct {
        const char *path;
        int found; /* 0: not, 1: no-cache, 2: a year */
    } cases[] = {
        {"/_bridge/daffi.js", 1},
        {"/gh/600apples/daffi@3.0.1/js-client/daffi.js", 2},
        {"/gh/600apples/daffi@3.0.1/js-client/app.wasm?x", 2},
        {"/gh/600apples/daffi@3.0.0/js-client/daffi.js", 1},
        {"/gh/600apples/daffi@3/js-client/daffi.js", 1},
        {"/gh/600apples/daffi@3.0.1-rc/js-client/daffi.js", 1},
        {"/gh/600apples/daffi@latest/js-client/daffi.js", 1},
        {"/gh/600apples/daffi@main/js-client/daffi.js", 1},
        {"/gh/600apples/daffi@%5E3/js-client/daffi.js", 1},
        {"/gh/600apples/daffi/js-client/daffi.js", 1},
        {"/daffi.js", 1},
        {"/gh/600apples/daffi@/js-client/daffi.js", 0},
        {"/gh/600apples/daffi@3.0.1", 0},
        {"/gh/600apples/daffi@3.0.1/", 0},
        {"/gh/600apples/daffi@3.0.1/daffi.js", 0},
        {"/gh/600apples/daffi@3.0.1/js-client/", 0},
        {"/gh/600apples/daffi@3.0.1/js-client/x/daffi.js", 0},
        {"/gh/600apples/daffi@3.0.1/x/js-client/daffi.js", 0},
        {"/gh/600apples/daffi@3.0.1/js-client/../daffi.js", 0},
        {"/gh/600apples/daffi@3.0.1/js-client//daffi.js", 0},
        {"/gh/600apples/daffix@3.0.1/js-client/daffi.js", 0},
        {"/gh/other/daffi@3.0.1/js-client/daffi.js", 0},
        {"/js-client/daffi.js", 0},
        {"//daffi.js", 0},
        {"/daffi.js/", 0},
        {"/daffi%2ejs", 0},
        {"/DAFFI.JS", 0},
        {"/daffi.js.br", 0},
        {"/", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int r = ask(&assets, "GET", cases[i].path, "", &out);
        int found = r == -ENOENT                                               ? 0
                    : strstr(out.bytes, "Cache-Control: no-cache\r\n") != NULL ? 1
                    : strstr(out.bytes, "Cache-Control: public, max-age=31536000, immutable\r\n") != NULL
                        ? 2
                        : -1;
        if (found != cases[i].found || (found == 0 && out.length != 0)) {
            fail_msg("%s: %d", cases[i].path, found);
        }
    }
}

static void head_and_conditions(void **state) {
    (void)state;
    assert_int_equal(ask(&assets, "HEAD", "/daffi.js", "", &out), 0);
    assert_non_null(strstr(out.bytes, "Content-Length: 12\r\n"));
    assert_string_equal(strstr(out.bytes, "\r\n\r\n"), "\r\n\r\n");
    assert_int_equal(ask(&assets, "GET", "/daffi.js", "If-None-Match: \"js\"\r\n", &out), 0);
    assert_ptr_equal(strstr(out.bytes, "HTTP/1.1 304 Not Modified\r\n"), out.bytes);
    assert_non_null(strstr(out.bytes, "ETag: \"js\"\r\n"));
    assert_string_equal(strstr(out.bytes, "\r\n\r\n"), "\r\n\r\n");
    /* the tag of one form does not stand for another */
    assert_int_equal(
        ask(&assets, "GET", "/daffi.js", "If-None-Match: \"js\"\r\nAccept-Encoding: br\r\n", &out), 0);
    assert_ptr_equal(strstr(out.bytes, "HTTP/1.1 200 OK\r\n"), out.bytes);
    assert_int_equal(
        ask(&assets, "GET", "/daffi.js", "If-None-Match: \"js-br\"\r\nAccept-Encoding: br\r\n", &out), 0);
    assert_ptr_equal(strstr(out.bytes, "HTTP/1.1 304 Not Modified\r\n"), out.bytes);
    assert_null(strstr(out.bytes, "Connection: close"));
    assert_int_equal(ask(&assets, "GET", "/daffi.js", "Connection: close\r\n", &out), 0);
    assert_non_null(strstr(out.bytes, "Connection: close\r\n"));
}

static void a_range_is_a_part(void **state) {
    (void)state;
    static const struct {
        const char *fields, *status, *part, *body; /* part: Content-Range, or NULL */
    } cases[] = {
        {"Range: bytes=0-4\r\n", "206 Partial Content", "bytes 0-4/12", "plain"},
        {"Range: bytes=6-\r\n", "206 Partial Content", "bytes 6-11/12", "script"},
        {"Range: bytes=-6\r\n", "206 Partial Content", "bytes 6-11/12", "script"},
        {"Range: bytes=-600\r\n", "206 Partial Content", "bytes 0-11/12", "plain script"},
        {"Range: bytes=11-99999999999999999999999999\r\n", "206 Partial Content", "bytes 11-11/12", "t"},
        {"Range: bytes=0-0\r\nIf-Range: \"js\"\r\n", "206 Partial Content", "bytes 0-0/12", "p"},
        {"Range: bytes=0-1\r\nAccept-Encoding: br\r\n", "206 Partial Content", "bytes 0-1/2", "br"},
        {"Range: bytes=12-\r\n", "416 Range Not Satisfiable", "bytes */12", ""},
        {"Range: bytes=99999999999999999999999999-\r\n", "416 Range Not Satisfiable", "bytes */12", ""},
        {"Range: bytes=-0\r\n", "416 Range Not Satisfiable", "bytes */12", ""},
        {"Range: bytes=0-4\r\nIf-Range: \"former\"\r\n", "200 OK", NULL, "plain script"},
        {"Range: bytes=0-4\r\nIf-Range: W/\"js\"\r\n", "200 OK", NULL, "plain script"},
        {"Range: bytes=0-4\r\nIf-Range: Sat, 29 Oct 1994 19:43:31 GMT\r\n", "200 OK", NULL, "plain script"},
        {"Range: bytes=0-1,3-4\r\n", "200 OK", NULL, "plain script"},
        {"Range: bytes=4-0\r\n", "200 OK", NULL, "plain script"},
        {"Range: bytes=\r\n", "200 OK", NULL, "plain script"},
        {"Range: bytes=-\r\n", "200 OK", NULL, "plain script"},
        {"Range: bytes=--1\r\n", "200 OK", NULL, "plain script"},
        {"Range: bytes=1\r\n", "200 OK", NULL, "plain script"},
        {"Range: bytes=a-b\r\n", "200 OK", NULL, "plain script"},
        {"Range: bytes=0-4x\r\n", "200 OK", NULL, "plain script"},
        {"Range: lines=0-4\r\n", "200 OK", NULL, "plain script"},
        {"Range: bytes=0-4\r\nIf-None-Match: \"js\"\r\n", "304 Not Modified", NULL, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[128];
        assert_int_equal(ask(&assets, "GET", "/daffi.js", cases[i].fields, &out), 0);
        snprintf(expected, sizeof expected, "HTTP/1.1 %s\r\n", cases[i].status);
        snprintf(expected + 64, 64, "\r\nContent-Range: %s\r\n", cases[i].part != NULL ? cases[i].part : "");
        if (strstr(out.bytes, expected) != out.bytes ||
            (strstr(out.bytes, expected + 64) != NULL) != (cases[i].part != NULL) ||
            strcmp(strstr(out.bytes, "\r\n\r\n") + 4, cases[i].body) != 0) {
            fail_msg("%s: %s", cases[i].fields, out.bytes);
        }
        assert_non_null(strstr(out.bytes, "\r\nAccept-Ranges: bytes\r\n"));
    }
    assert_int_equal(ask(&assets, "HEAD", "/daffi.js", "Range: bytes=0-4\r\n", &out), 0);
    assert_non_null(strstr(out.bytes, "HTTP/1.1 200 OK\r\n"));
}

static void what_is_built_in_is_served(void **state) {
    (void)state;
    const struct assets *embedded = assets_embedded();
    for (size_t i = 0; i < embedded->files->count; i++) {
        const struct embedded_file *file = &embedded->files->files[i];
        char path[128];
        snprintf(path, sizeof path, "/%s", file->name);
        assert_int_equal(ask(embedded, "HEAD", path, "Accept-Encoding: br\r\n", &out), 0);
        assert_non_null(strstr(out.bytes, file->brotli.data != NULL ? file->brotli.etag : file->plain.etag));
        assert_true(file->plain.length > 0);
        assert_true(file->brotli.data == NULL || file->brotli.length < file->plain.length);
        assert_true(file->gzip.data == NULL || memcmp(file->gzip.data, "\x1f\x8b", 2) == 0);
    }
    assert_true(strlen(embedded->version) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_has_its_headers), cmocka_unit_test(only_the_exact_version_is_immutable),
        cmocka_unit_test(head_and_conditions),         cmocka_unit_test(a_range_is_a_part),
        cmocka_unit_test(what_is_built_in_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
