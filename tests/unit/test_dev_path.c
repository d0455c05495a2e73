/* Paths of URLs as names of files: what leads out of the folder, or to what is hidden, is no name. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dev/files/dev_path.h"
#include "guarded.h"

/* From memory that ends behind the path; NULL when it is refused. */
static const char *decode(const char *path, char out[DEV_PATH_MAX + 1]) {
    const size_t length = strlen(path);
    const int decoded = dev_path_decode(guarded_copy(&guarded, daffi_span_of(path, length)), out);
    if (decoded < 0) {
        assert_int_equal(decoded, -ENOENT);
        return NULL;
    }
    assert_int_equal(decoded, strlen(out));
    return out;
}

static void names_are_decoded_once(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"/", ""},
        {"/index.html", "index.html"},
        {"/sub/", "sub/"},
        {"/sub/a.css", "sub/a.css"},
        {"/a%20b", "a b"},
        {"/%C3%A9.html", "\xc3\xa9.html"},
        {"/%c3%a9", "\xc3\xa9"},
        {"/%FF", "\xff"},
        {"/a..b", "a..b"},
        {"/a.", "a."},
        {"/~x", "~x"},
        {"/a+b&c=d", "a+b&c=d"},
        {"/%2520", "%20"},
        {"/%252e%252e", "%2e%2e"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[DEV_PATH_MAX + 1];
        const char *name = decode(cases[i][0], out);
        assert_non_null(name);
        assert_string_equal(name, cases[i][1]);
    }
}

static void no_names(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "index.html",
        "*",
        "//",
        "//etc",
        "/a//b",
        "/..",
        "/../etc",
        "/a/..",
        "/a/../b",
        "/.",
        "/./a",
        "/a/.",
        "/.git/config",
        "/a/.env",
        "/%2e%2e/x",
        "/%2E%2E",
        "/.%2e/x",
        "/%2e",
        "/%2egit",
        "/a%2fb",
        "/a%2Fb",
        "/..%2f..%2f",
        "/%5c..%5c",
        "/a\\b",
        "/\\..\\",
        "/a%00.html",
        "/%00",
        "/a%0ab",
        "/a%0d%0ab",
        "/%1b[2J",
        "/%7f",
        "/a\tb",
        "/%",
        "/a%",
        "/a%4",
        "/a%zz",
        "/a%g0",
        "/%c0%ae%c0%ae/.x",
        "/a/..;/b/../c",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[DEV_PATH_MAX + 1];
        if (decode(cases[i], out) != NULL) {
            fail_msg("%s is taken for \"%s\"", cases[i], out);
        }
    }
}

/* Whatever comes through names nothing outside, and comes back as it was. */
static void each_byte_and_each_pair_of_bytes(void **state) {
    (void)state;
    char path[16];
    char out[DEV_PATH_MAX + 1];
    char again[64];
    for (unsigned pair = 0; pair < 1U << 16; pair++) {
        snprintf(path, sizeof path, "/%%%02x%%%02X", pair >> 8, pair & 0xff);
        const char *name = decode(path, out);
        if (name == NULL) {
            continue;
        }
        assert_int_equal(strlen(name), 2);
        assert_null(strchr(name, '/'));
        assert_true(name[0] != '.');
        assert_true((unsigned char)name[0] >= 0x20 && (unsigned char)name[1] >= 0x20);
        assert_true(dev_path_encode(name, again + 1, sizeof again - 1) >= 0);
        again[0] = '/';
        assert_string_equal(decode(again, (char[DEV_PATH_MAX + 1]){0}) != NULL ? "same" : "refused", "same");
    }
}

static void lengths(void **state) {
    (void)state;
    static char path[DEV_PATH_MAX + 3] = "/";
    char out[DEV_PATH_MAX + 1];
    memset(path + 1, 'a', DEV_PATH_MAX);
    assert_non_null(decode(path, out));
    path[DEV_PATH_MAX + 1] = 'a';
    assert_null(decode(path, out));
    char little[4];
    assert_int_equal(dev_path_encode("a b", little, sizeof little), -ENOBUFS);
    assert_int_equal(dev_path_escape_html("a<b", little, sizeof little), -ENOBUFS);
}

static void html_is_text(void **state) {
    (void)state;
    char out[128];
    assert_true(dev_path_escape_html("<b a='1' c=\"2\">&amp;\xff</b>", out, sizeof out) >= 0);
    assert_null(strpbrk(out, "<>\"'"));
    assert_non_null(strstr(out, "&lt;b a="));
    assert_non_null(strstr(out, "&amp;amp;"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_decoded_once),
        cmocka_unit_test(no_names),
        cmocka_unit_test(each_byte_and_each_pair_of_bytes),
        cmocka_unit_test(lengths),
        cmocka_unit_test(html_is_text),
    };
    return cmocka_run_group_tests(tests, guarded_set_up, guarded_tear_down);
}
