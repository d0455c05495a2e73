/* Request heads: the corpus of verdicts, every split of each head, limits, and the look-ups. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/request_head.h"

static const struct request_limits limits = {.head_bytes = 16384, .headers = 100};

static const char upgrade[] =
    "GET /chat?daffi-bridge=1 HTTP/1.1\r\nHost: a.example:8443\r\n"
    "Connection: keep-alive, Upgrade\r\nconnection: x\r\nUpgrade:websocket\r\nEmpty:\r\n\r\n";

/* Parses a copy that ends with its allocation, so that a sanitizer sees each byte read too far. */
static int parse(const void *bytes, size_t length, const struct request_limits *with,
                 struct request_head *ret_head, size_t *ret_size, struct request_refusal *ret_refusal) {
    uint8_t *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    int r = request_head_parse(daffi_span_of(copy, length), with, ret_head, ret_size, ret_refusal);
    free(copy);
    return r;
}

static int hex_digit(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static size_t unescape(const char *text, uint8_t *out) {
    size_t length = 0;
    for (const char *c = text; *c != '\0' && *c != '\n'; c++) {
        if (*c != '\\') {
            out[length++] = (uint8_t)*c;
            continue;
        }
        c++;
        switch (*c) {
        case 'r':
            out[length++] = '\r';
            break;
        case 'n':
            out[length++] = '\n';
            break;
        case 't':
            out[length++] = '\t';
            break;
        case 'x':
            out[length++] = (uint8_t)(hex_digit(c[1]) << 4 | hex_digit(c[2]));
            c += 2;
            break;
        default:
            assert_int_equal(*c, '\\');
            out[length++] = '\\';
        }
    }
    return length;
}

/* A head cut anywhere either waits for more or gets the verdict that the whole one gets. */
static void check_splits(const uint8_t *head, size_t length, int status, const char *text) {
    for (size_t cut = 0; cut < length; cut++) {
        struct request_head parsed;
        size_t size = 0;
        struct request_refusal refusal = {0};
        int r = parse(head, cut, &limits, &parsed, &size, &refusal);
        if (r == 0) { /* what stands behind the head is not of it */
            assert_int_equal(status, 200);
            assert_int_equal(size, cut);
            return;
        }
        assert_true(r == -EAGAIN || r == -EPROTO);
        if (r == -EPROTO) {
            assert_int_equal(refusal.status, status);
            assert_string_equal(refusal.text, text);
        }
    }
}

static void each_head_gets_its_verdict_at_every_split(void **state) {
    (void)state;
    FILE *file = fopen(TESTS_DIR "/vectors/heads/verdicts.txt", "r");
    assert_non_null(file);
    char line[1024];
    uint8_t head[1024];
    int cases = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '#' || line[0] == '\n') {
            continue;
        }
        int expected = (int)strtol(line, NULL, 10);
        size_t length = unescape(line + 4, head);
        struct request_head parsed;
        size_t size;
        struct request_refusal refusal = {.status = 0, .text = ""};
        int r = parse(head, length, &limits, &parsed, &size, &refusal);
        int status = r == 0 ? 200 : refusal.status;
        if (r == -EAGAIN || status != expected) {
            fail_msg("%s: %d %s", line, r == -EAGAIN ? 0 : status, refusal.text);
        }
        check_splits(head, length, status, refusal.text);
        cases++;
    }
    fclose(file);
    assert_true(cases > 100);
}

static void a_head_is_read_in_place(void **state) {
    (void)state;
    struct request_head head;
    size_t size;
    struct request_refusal refusal;
    char in[sizeof upgrade + 4];
    snprintf(in, sizeof in, "%sxyz", upgrade);
    assert_int_equal(request_head_parse(daffi_span_text(in), &limits, &head, &size, &refusal), 0);
    assert_int_equal(size, sizeof upgrade - 1);
    assert_int_equal(head.method, REQUEST_GET);
    assert_int_equal(head.minor_version, 1);
    assert_true(daffi_span_equal(head.target, daffi_span_text("/chat?daffi-bridge=1")));
    assert_true(daffi_span_equal(head.path, daffi_span_text("/chat")));
    assert_true(daffi_span_equal(head.query, daffi_span_text("daffi-bridge=1")));
    assert_int_equal(head.headers_count, 5);
    assert_true(daffi_span_equal(request_head_find(&head, "HOST"), daffi_span_text("a.example:8443")));
    assert_non_null(request_head_find(&head, "empty").data);
    assert_int_equal(request_head_find(&head, "empty").length, 0);
    assert_null(request_head_find(&head, "Origin").data);
}

static void tokens_are_found_in_lists(void **state) {
    (void)state;
    struct request_head head;
    size_t size;
    struct request_refusal refusal;
    assert_int_equal(request_head_parse(daffi_span_text(upgrade), &limits, &head, &size, &refusal), 0);
    assert_true(request_head_has_token(&head, "Connection", "upgrade"));
    assert_true(request_head_has_token(&head, "Connection", "Keep-Alive"));
    assert_true(request_head_has_token(&head, "Connection", "X"));
    assert_true(request_head_has_token(&head, "upgrade", "WebSocket"));
    assert_false(request_head_has_token(&head, "Connection", "keep"));
    assert_false(request_head_has_token(&head, "Connection", "alive"));
    assert_false(request_head_has_token(&head, "Absent", "x"));
}

static void outputs_are_untouched_on_failure(void **state) {
    (void)state;
    struct request_head head;
    struct request_head before;
    memset(&head, 0x5a, sizeof head);
    memcpy(&before, &head, sizeof head);
    size_t size = 7;
    struct request_refusal refusal = {.status = 1};
    assert_int_equal(parse(upgrade, sizeof upgrade - 2, &limits, &head, &size, &refusal), -EAGAIN);
    assert_int_equal(refusal.status, 1);
    assert_int_equal(parse("GET / HTTP/1.1\n", 15, &limits, &head, &size, &refusal), -EPROTO);
    assert_int_equal(size, 7);
    assert_memory_equal(&head, &before, sizeof head);
}

static void size_is_limited(void **state) {
    (void)state;
    struct request_head head;
    size_t size;
    struct request_refusal refusal;
    size_t length = sizeof upgrade - 1;
    struct request_limits exact = {.head_bytes = length, .headers = 100};
    assert_int_equal(parse(upgrade, length, &exact, &head, &size, &refusal), 0);
    exact.head_bytes = length - 1;
    assert_int_equal(parse(upgrade, length, &exact, &head, &size, &refusal), -EPROTO);
    assert_int_equal(refusal.status, 431);
    assert_int_equal(parse(upgrade, length - 1, &exact, &head, &size, &refusal), -EPROTO);
    assert_int_equal(refusal.status, 431);
    exact.head_bytes = 20; /* inside the request line */
    assert_int_equal(parse(upgrade, 19, &exact, &head, &size, &refusal), -EAGAIN);
    assert_int_equal(parse(upgrade, 20, &exact, &head, &size, &refusal), -EPROTO);
    assert_int_equal(refusal.status, 414);
}

static void fields_are_limited(void **state) {
    (void)state;
    char in[8192];
    size_t size;
    struct request_head head;
    struct request_refusal refusal;
    for (size_t fields = 99; fields <= 101; fields++) {
        int at = snprintf(in, sizeof in, "GET / HTTP/1.1\r\nHost: a\r\n");
        for (size_t i = 1; i < fields; i++) {
            at += snprintf(in + at, sizeof in - (size_t)at, "X%zu: y\r\n", i);
        }
        at += snprintf(in + at, sizeof in - (size_t)at, "\r\n");
        int r = parse(in, (size_t)at, &limits, &head, &size, &refusal);
        assert_int_equal(r, fields <= 100 ? 0 : -EPROTO);
        if (r == 0) {
            assert_int_equal(head.headers_count, fields);
        } else {
            assert_int_equal(refusal.status, 431);
        }
    }
    struct request_limits few = {.head_bytes = 16384, .headers = 4};
    assert_int_equal(parse(upgrade, sizeof upgrade - 1, &few, &head, &size, &refusal), -EPROTO);
    assert_int_equal(refusal.status, 431);
}

static void parts_of_queries_and_cookies(void **state) {
    (void)state;
    static const struct {
        const char *list, *found; /* NULL: not there */
        char separator;
    } cases[] = {
        {"", NULL, '&'},        {"a=1", "1", '&'},      {"a=", "", '&'},          {"a", NULL, '&'},
        {"b=1&a=2", "2", '&'},  {"a=1&a=2", "1", '&'},  {"ba=1", NULL, '&'},      {"&&a=1&", "1", '&'},
        {"b=a=1", NULL, '&'},   {"b=1; a=2", "2", ';'}, {"b=1;  a=2;", "2", ';'}, {"b=1; ", NULL, ';'},
        {"b=1&a=2", NULL, ';'},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct daffi_span part =
            request_part_find(daffi_span_text(cases[i].list), cases[i].separator, "a=");
        if (cases[i].found == NULL) {
            assert_null(part.data);
        } else {
            assert_non_null(part.data);
            assert_true(daffi_span_equal(part, daffi_span_text(cases[i].found)));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_head_gets_its_verdict_at_every_split),
        cmocka_unit_test(a_head_is_read_in_place),
        cmocka_unit_test(tokens_are_found_in_lists),
        cmocka_unit_test(outputs_are_untouched_on_failure),
        cmocka_unit_test(size_is_limited),
        cmocka_unit_test(fields_are_limited),
        cmocka_unit_test(parts_of_queries_and_cookies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
