/* The bridge's own pages: which paths lead where, and what stands in the answers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/pages.h"
#include "sink.h"

#define FORM(text, etag)                                                                                     \
    { (const uint8_t *)(text), sizeof(text) - 1, etag }

static const struct embedded_file files[] = {
    {"index.html", FORM("<!DOCTYPE html>", "\"home\""), FORM("br", "\"home-br\""), FORM("gz", "\"home-gz\"")},
    {"404.html", FORM("no such page", "\"404\""), {NULL, 0, NULL}, {NULL, 0, NULL}},
    {"site.css", FORM("css", "\"css\""), {NULL, 0, NULL}, {NULL, 0, NULL}},
    {"icon.svg", FORM("<svg/>", "\"icon\""), {NULL, 0, NULL}, {NULL, 0, NULL}},
    {"examples/01_x/index.html", FORM("example", "\"ex\""), {NULL, 0, NULL}, {NULL, 0, NULL}},
    {"examples/01_x/worker.py", FORM("import daffi", "\"py\""), {NULL, 0, NULL}, {NULL, 0, NULL}},
};
static const struct embedded_files table = {files, sizeof files / sizeof *files};
static void write_numbers(void *source, FILE *out) {
    fprintf(out, "{\"calls\":%d}\n", *(const int *)source);
}

static int calls = 7;
static const struct pages pages = {&table, true, write_numbers, &calls};

static struct sink out;

static int ask(const struct pages *of, const char *method, const char *path, const char *fields) {
    struct request_head head = {.headers_count = 0};
    head.method = strcmp(method, "HEAD") == 0 ? REQUEST_HEAD : REQUEST_GET;
    head.minor_version = 1;
    head.path = daffi_span_text(path);
    if (fields[0] != '\0') { /* one field, as `Name=value` */
        const char *mark = strchr(fields, '=');
        head.headers[head.headers_count++] = (struct request_header){
            daffi_span_of(fields, (size_t)(mark - fields)), daffi_span_text(mark + 1)};
    }
    sink_clear(&out);
    struct response_sink sink = sink_of(&out);
    assert_int_equal(pages_answer(of, &head, &sink), 0);
    return (int)strtol(out.bytes + sizeof "HTTP/1.1", NULL, 10);
}

static const char *body(void) {
    return strstr(out.bytes, "\r\n\r\n") + 4;
}

static void paths_lead_to_pages(void **state) {
    (void)state;
    static const struct {
        const char *path;
        int status;
        const char *type, *body;
    } cases[] = {
        {"/healthz", 200, "text/plain; charset=utf-8", "ok\n"},
        {"/_bridge/", 200, "text/html; charset=utf-8", "<!DOCTYPE html>"},
        {"/_bridge/index.html", 200, "text/html; charset=utf-8", "<!DOCTYPE html>"},
        {"/_bridge/%69ndex.html", 200, "text/html; charset=utf-8", "<!DOCTYPE html>"},
        {"/_bridge/site.css", 200, "text/css; charset=utf-8", "css"},
        {"/_bridge/numbers.json", 200, "application/json", "{\"calls\":7}\n"},
        {"/_bridge/icon.svg", 200, "image/svg+xml", "<svg/>"},
        {"/_bridge/examples/01_x/", 200, "text/html; charset=utf-8", "example"},
        {"/_bridge/examples/01_x/worker.py", 200, "text/plain; charset=utf-8", "import daffi"},
        {"/_bridge", 308, "text/plain; charset=utf-8", NULL},
        {"/_bridge/examples/01_x", 308, "text/plain; charset=utf-8", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char type[128];
        if (ask(&pages, "GET", cases[i].path, "") != cases[i].status) {
            fail_msg("%s: %s", cases[i].path, out.bytes);
        }
        snprintf(type, sizeof type, "\r\nContent-Type: %s\r\n", cases[i].type);
        assert_non_null(strstr(out.bytes, type));
        if (cases[i].body != NULL) {
            assert_string_equal(body(), cases[i].body);
        } else {
            char location[128];
            snprintf(location, sizeof location, "\r\nLocation: %s/\r\n", cases[i].path);
            assert_non_null(strstr(out.bytes, location));
        }
    }
}

static void other_paths_lead_nowhere(void **state) {
    (void)state;
    static const char *const paths[] = {
        "/index.html",
        "/_bridge/nothing",
        "/_bridge//",
        "//_bridge/",
        "/_bridge//index.html",
        "/_bridge/examples/",
        "/_bridge/examples",
        "/_bridge/examples/01_x/index.html/",
        "/_bridgeindex.html",
        "/_bridge%2findex.html",
        "/_bridge/examples%2f01_x/worker.py",
        "/_bridge/./index.html",
        "/_bridge/../_bridge/index.html",
        "/_bridge/examples/../index.html",
        "/_bridge/%2e%2e/healthz",
        "/_bridge/%2E/index.html",
        "/_bridge/.git",
        "/_bridge/..%5cindex.html",
        "/_bridge/index.html%00",
        "/_bridge/index.html%20",
        "/_bridge/%",
        "/_bridge/%6",
        "/_bridge/%6g",
        "/_bridge/index.html;x",
        "/_bridge/%2569ndex.html",
        "/_bridge/INDEX.HTML",
        "/healthz/",
        "/healthz%",
        "/HEALTHZ",
        "/_BRIDGE/",
        "healthz",
        "",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (ask(&pages, "GET", paths[i], "") != 404) {
            fail_msg("%s: %s", paths[i], out.bytes);
        }
    }
    char longest[PAGES_PATH_MAX + 8];
    memset(longest, 'a', sizeof longest);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(ask(&pages, "GET", longest, ""), 404);
    char decoded[PAGES_PATH_MAX + 1];
    assert_int_equal(pages_decode_path(daffi_span_of(longest, PAGES_PATH_MAX), decoded), PAGES_PATH_MAX);
    assert_int_equal(pages_decode_path(daffi_span_of(longest, PAGES_PATH_MAX + 1), decoded), -EINVAL);
}

static void the_root_leads_to_the_playground_and_what_is_no_page_says_so(void **state) {
    (void)state;
    assert_int_equal(ask(&pages, "GET", "/", ""), 302);
    assert_non_null(strstr(out.bytes, "\r\nLocation: /_bridge/\r\n"));
    assert_int_equal(ask(&pages, "GET", "/_bridge/nothing", ""), 404);
    assert_string_equal(body(), "no such page");
    assert_non_null(strstr(out.bytes, "\r\nContent-Security-Policy: default-src 'none'; "));
    assert_int_equal(ask(&pages, "GET", "/_bridge/nothing", "If-None-Match=\"404\""), 404);
    assert_int_equal(ask(&pages, "GET", "/nothing", ""), 404);
    assert_string_equal(body(), "there is nothing at this path\n");
}

static void without_the_playground_only_health_is_told(void **state) {
    (void)state;
    const struct pages off = {&table, false, write_numbers, &calls};
    assert_int_equal(ask(&off, "GET", "/healthz", ""), 200);
    assert_int_equal(ask(&off, "GET", "/", ""), 404);
    assert_int_equal(ask(&off, "GET", "/_bridge/", ""), 404);
    assert_int_equal(ask(&off, "GET", "/_bridge", ""), 404);
    assert_int_equal(ask(&off, "GET", "/_bridge/examples/01_x/worker.py", ""), 404);
}

static void pages_come_under_a_strict_policy(void **state) {
    (void)state;
    assert_int_equal(ask(&pages, "GET", "/_bridge/", ""), 200);
    static const char *const parts[] = {"\r\nContent-Security-Policy: default-src 'none'; ",
                                        " script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; ",
                                        " connect-src 'self' ws: wss:; ",
                                        " img-src 'self' data:; ",
                                        " base-uri 'none'; frame-ancestors 'none'; ",
                                        " form-action 'none'\r\n",
                                        "\r\nX-Content-Type-Options: nosniff\r\n",
                                        "\r\nCache-Control: no-cache\r\n",
                                        "\r\nReferrer-Policy: no-referrer\r\n",
                                        "\r\nConnection: close\r\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        assert_non_null(strstr(out.bytes, parts[i]));
    }
    assert_null(strstr(out.bytes, "unsafe-inline"));
    assert_null(strstr(out.bytes, "Access-Control-Allow-Origin"));
}

static void forms_and_conditions(void **state) {
    (void)state;
    assert_int_equal(ask(&pages, "GET", "/_bridge/", "Accept-Encoding=gzip, br"), 200);
    assert_non_null(strstr(out.bytes, "\r\nContent-Encoding: br\r\n"));
    assert_string_equal(body(), "br");
    assert_int_equal(ask(&pages, "GET", "/_bridge/", "Accept-Encoding=gzip, br;q=0.5"), 200);
    assert_string_equal(body(), "gz");
    assert_int_equal(ask(&pages, "GET", "/_bridge/site.css", "Accept-Encoding=gzip, br"), 200);
    assert_null(strstr(out.bytes, "Content-Encoding"));
    assert_int_equal(ask(&pages, "GET", "/_bridge/", "If-None-Match=\"home\""), 304);
    assert_string_equal(body(), "");
    assert_int_equal(ask(&pages, "GET", "/_bridge/", "If-None-Match=\"other\""), 200);
    assert_int_equal(ask(&pages, "HEAD", "/_bridge/", ""), 200);
    assert_non_null(strstr(out.bytes, "\r\nContent-Length: 15\r\n"));
    assert_string_equal(body(), "");
}

static void what_is_built_in_holds_a_playground_and_examples(void **state) {
    (void)state;
    const struct pages embedded = {&embedded_site, true, NULL, NULL};
    assert_int_equal(ask(&embedded, "HEAD", "/_bridge/", ""), 200);
    assert_int_equal(ask(&embedded, "HEAD", "/_bridge/examples/01_service_json/", ""), 200);
    for (size_t i = 0; i < embedded_site.count; i++) {
        char path[PAGES_PATH_MAX];
        snprintf(path, sizeof path, "/_bridge/%s", embedded_site.files[i].name);
        assert_int_equal(ask(&embedded, "HEAD", path, ""), 200);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_pages),
        cmocka_unit_test(other_paths_lead_nowhere),
        cmocka_unit_test(the_root_leads_to_the_playground_and_what_is_no_page_says_so),
        cmocka_unit_test(without_the_playground_only_health_is_told),
        cmocka_unit_test(pages_come_under_a_strict_policy),
        cmocka_unit_test(forms_and_conditions),
        cmocka_unit_test(what_is_built_in_holds_a_playground_and_examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
