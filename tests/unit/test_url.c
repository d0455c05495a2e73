/* Addresses of listeners and upstreams. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"

static void assert_text(const char *found, const char *expected) {
    if (expected == NULL) {
        assert_null(found);
    } else {
        assert_non_null(found);
        assert_string_equal(found, expected);
    }
}

static void good_ones_are_taken_apart(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum config_scheme scheme;
        const char *host, *port, *path;
    } cases[] = {
        {"https://127.0.0.1:8443", CONFIG_HTTPS, "127.0.0.1", "8443", NULL},
        {"https://127.0.0.1:0/", CONFIG_HTTPS, "127.0.0.1", "0", NULL},
        {"HTTPS://Bridge.Example:65535", CONFIG_HTTPS, "Bridge.Example", "65535", NULL},
        {"http://[::1]:80", CONFIG_HTTP, "::1", "80", NULL},
        {"http://[fe80::1%eth0]:80", CONFIG_HTTP, "fe80::1%eth0", "80", NULL},
        {"tcp://router_1.internal:5000", CONFIG_TCP, "router_1.internal", "5000", NULL},
        {"tls://10.0.0.1:5000", CONFIG_TLS, "10.0.0.1", "5000", NULL},
        {"unix:/run/daffi.sock", CONFIG_UNIX, NULL, NULL, "/run/daffi.sock"},
        {"unix:///run/daffi.sock", CONFIG_UNIX, NULL, NULL, "/run/daffi.sock"},
        {"router:", CONFIG_ROUTER, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config_url url;
        char error[CONFIG_ERROR_MAX];
        assert_int_equal(config_url_parse(cases[i].text, &url, error), 0);
        assert_int_equal(url.scheme, cases[i].scheme);
        assert_text(url.text, cases[i].text);
        assert_text(url.host, cases[i].host);
        assert_text(url.port, cases[i].port);
        assert_text(url.path, cases[i].path);
        config_url_clear(&url);
        assert_null(url.text);
        config_url_clear(&url);
    }
}

#define NO_ADDRESS "no address; https://, http://, tcp://, tls:// or unix:/ is expected before it"
#define NO_PORT    "no port; a number from 0 to 65535 is expected"
#define LACKS_PORT "the port is missing; HOST:PORT is expected, an IPv6 address in brackets"
#define NO_HOST    "no host; a name, an IPv4 address or an IPv6 address in brackets is expected"
#define LACKS_HOST "the host is missing; all addresses are 0.0.0.0 or [::]"
#define HAS_PATH   "a path can't be given here; SCHEME://HOST:PORT is expected"
#define NO_PATH    "no path; an absolute one is expected, as in unix:/run/daffi.sock"

static void bad_ones_are_refused_by_what_is_wrong(void **state) {
    (void)state;
    static const struct {
        const char *text, *what;
    } cases[] = {
        {"", NO_ADDRESS},
        {"127.0.0.1:8443", NO_ADDRESS},
        {"ftp://127.0.0.1:21", NO_ADDRESS},
        {"https:/127.0.0.1:8443", NO_ADDRESS},
        {"wss://127.0.0.1:8443",
         "wss:// is what pages connect to; as a listener it is https://, as an upstream tls://"},
        {"ws://127.0.0.1:8080",
         "ws:// is what pages connect to; as a listener it is http://, as an upstream tcp://"},
        {"/run/daffi.sock", "a Unix socket's path has unix: before it"},
        {"https://127.0.0.1", LACKS_PORT},
        {"https://::1:8443", LACKS_HOST},
        {"https://[::1]", LACKS_PORT},
        {"https://[::1", LACKS_PORT},
        {"https://", LACKS_PORT},
        {"https://:8443", LACKS_HOST},
        {"https://*:8443", LACKS_HOST},
        {"https://127.0.0.1:", NO_PORT},
        {"https://127.0.0.1:65536", NO_PORT},
        {"https://127.0.0.1:084430", NO_PORT},
        {"https://127.0.0.1:-1", NO_PORT},
        {"https://127.0.0.1:https", NO_PORT},
        {"https://127.0.0.1: 80", NO_PORT},
        {"https://127.0.0.256:80", NO_HOST},
        {"https://1.2.3:80", NO_HOST},
        {"https://[127.0.0.1]:80", NO_HOST},
        {"https://[::1%e/h]:80", HAS_PATH},
        {"https://[::1% ]:80", NO_HOST},
        {"https://[:::1]:80", NO_HOST},
        {"https://exa mple:80", NO_HOST},
        {"https://ex\xc3\xa4mple:80", NO_HOST},
        {"https://user@host:80", "no user can be given here; SCHEME://HOST:PORT is expected"},
        {"https://host:80/path", HAS_PATH},
        {"https://host:80?query", HAS_PATH},
        {"https://host:80//", HAS_PATH},
        {"https://host/:80", HAS_PATH},
        {"unix:", NO_PATH},
        {"unix:run/daffi.sock", NO_PATH},
        {"unix:/", NO_PATH},
        {"unix://run/daffi.sock", NO_PATH},
        {"router:x", "nothing is expected behind router:"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config_url url = {.port = (char *)(uintptr_t)1};
        char error[CONFIG_ERROR_MAX], expected[CONFIG_ERROR_MAX];
        assert_int_equal(config_url_parse(cases[i].text, &url, error), -EINVAL);
        snprintf(expected, sizeof expected, "\"%s\": %s", cases[i].text, cases[i].what);
        assert_string_equal(error, expected);
        assert_ptr_equal(url.port, (char *)(uintptr_t)1); /* untouched */
    }
}

static void lengths_are_bounded(void **state) {
    (void)state;
    char text[1024], error[CONFIG_ERROR_MAX];
    struct config_url url;
    for (int length = 252; length <= 255; length++) {
        snprintf(text, sizeof text, "https://%0*d.a:80", length - 2, 0);
        assert_int_equal(config_url_parse(text, &url, error), length <= 253 ? 0 : -EINVAL);
        if (length <= 253) {
            config_url_clear(&url);
        }
    }
    for (int length = 106; length <= 109; length++) {
        snprintf(text, sizeof text, "unix:/%0*d", length - 1, 0);
        assert_int_equal(config_url_parse(text, &url, error), length <= 107 ? 0 : -EINVAL);
        if (length <= 107) {
            config_url_clear(&url);
        } else {
            assert_non_null(strstr(error, "at most 107 bytes are accepted"));
        }
    }
}

static void a_refusal_is_one_line(void **state) {
    (void)state;
    struct config_url url;
    char error[CONFIG_ERROR_MAX], text[2 * CONFIG_ERROR_MAX];
    assert_int_equal(config_url_parse("https://a\nb\x1b[31m:80", &url, error), -EINVAL);
    assert_string_equal(error, "\"https://a?b?[31m:80\": " NO_HOST);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(config_url_parse(text, &url, error), -EINVAL);
    assert_non_null(strstr(error, NO_ADDRESS));
}

static void names_of_upstreams(void **state) {
    (void)state;
    assert_true(config_name_is_sound("default"));
    assert_true(config_name_is_sound("A-z_0.9"));
    assert_false(config_name_is_sound(""));
    assert_false(config_name_is_sound("a/b"));
    assert_false(config_name_is_sound("a b"));
    assert_false(config_name_is_sound("\xc3\xa4"));
    char name[66];
    memset(name, 'n', sizeof name);
    name[64] = '\0';
    assert_true(config_name_is_sound(name));
    name[64] = 'n';
    name[65] = '\0';
    assert_false(config_name_is_sound(name));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_are_taken_apart), cmocka_unit_test(bad_ones_are_refused_by_what_is_wrong),
        cmocka_unit_test(lengths_are_bounded),       cmocka_unit_test(a_refusal_is_one_line),
        cmocka_unit_test(names_of_upstreams),
    };
    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
