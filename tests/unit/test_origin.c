/* Own hosts and allowed origins: a table of what passes and of what only looks like it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/origin.h"

static bool names_bridge(void *owner, const char *host) {
    (void)owner;
    return strcmp(host, "bridge.example") == 0 || strcmp(host, "192.0.2.7") == 0 ||
           strcmp(host, "2001:db8::7") == 0;
}

static char hosts_own[] = "own.example";
static char *const hosts[] = {hosts_own};

static struct daffi_span span(const char *text) {
    return text != NULL ? daffi_span_text(text) : (struct daffi_span){0};
}

static void own_hosts(void **state) {
    (void)state;
    static const struct {
        const char *host;
        bool own;
    } cases[] = {
        {"bridge.example", true},
        {"bridge.example:8443", true},
        {"BRIDGE.Example:1", true},
        {"own.example", true},
        {"Own.Example:443", true},
        {"localhost", true},
        {"LOCALHOST:80", true},
        {"app.localhost:8080", true},
        {"127.0.0.1:8443", true},
        {"127.9.9.9", true},
        {"[::1]", true},
        {"[::1]:8443", true},
        {"[0:0:0:0:0:0:0:1]", true},
        {"192.0.2.7", true},
        {"[2001:db8::7]:8443", true},
        {"", false},
        {NULL, false},
        {"evil.example", false},
        {"bridge.example.evil.example", false},
        {"evilbridge.example", false},
        {"bridge.example.", false},
        {".bridge.example", false},
        {"bridge-example", false},
        {"bridge.example:", false},
        {"bridge.example:0", false},
        {"bridge.example:080", false},
        {"bridge.example:65536", false},
        {"bridge.example:99999999999", false},
        {"bridge.example:80x", false},
        {"bridge.example:-1", false},
        {"bridge.example:*", false},
        {"bridge.example:80:80", false},
        {"u@bridge.example", false},
        {"u:p@bridge.example", false},
        {"bridge.example/", false},
        {"bridge.example, evil.example", false},
        {"bridge%2eexample", false},
        {"localhost.", false},
        {"localhost.evil.example", false},
        {"evillocalhost", false},
        {".localhost", false},
        {"127.0.0.1.evil.example", false},
        {"127.1", false},
        {"0177.0.0.1", false},
        {"2130706433", false},
        {"0x7f.0.0.1", false},
        {"128.0.0.1", false},
        {"0.0.0.0", false},
        {"[::2]", false},
        {"[::]", false},
        {"[::1", false},
        {"::1", false},
        {"[::1]x", false},
        {"[]", false},
        {"[::ffff:127.0.0.1]", false},
        {"[127.0.0.1]", false},
        {"[::1%lo]", false},
    };
    const struct origin_rule rule = {.hosts = hosts, .hosts_count = 1, .is_certificate_name = names_bridge};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (origin_host_is_own(&rule, span(cases[i].host)) != cases[i].own) {
            fail_msg("host %s", cases[i].host != NULL ? cases[i].host : "(none)");
        }
    }
}

static void own_pages(void **state) {
    (void)state;
    static const struct {
        const char *origin, *host;
        bool secure, allowed;
    } cases[] = {
        {NULL, "bridge.example:8443", true, true},
        {"https://bridge.example:8443", "bridge.example:8443", true, true},
        {"https://BRIDGE.example:8443", "bridge.example:8443", true, true},
        {"https://bridge.example", "bridge.example", true, true},
        {"https://bridge.example", "bridge.example:443", true, true},
        {"https://bridge.example:443", "bridge.example", true, true},
        {"https://own.example:8443", "bridge.example:8443", true, true},
        {"https://localhost:8443", "127.0.0.1:8443", true, true},
        {"https://[::1]:8443", "localhost:8443", true, true},
        {"http://localhost:8080", "localhost:8080", false, true},
        {"http://localhost", "localhost:80", false, true},
        {"https://bridge.example", "bridge.example", false, true}, /* a proxy took the TLS off */
        /* ports, schemes */
        {"https://bridge.example:9999", "bridge.example:8443", true, false},
        {"https://bridge.example", "bridge.example:8443", true, false},
        {"https://bridge.example:8443", "bridge.example", true, false},
        {"http://bridge.example:8443", "bridge.example:8443", true, false},
        {"http://bridge.example", "bridge.example:443", true, false},
        {"http://bridge.example", "bridge.example:443", false, false},
        {"ws://bridge.example:8443", "bridge.example:8443", true, false},
        {"file://localhost", "localhost", false, false},
        {"chrome-extension://localhost", "localhost", false, false},
        /* rebound names: Origin equals Host, and is not ours */
        {"https://evil.example:8443", "evil.example:8443", true, false},
        {"https://bridge.example:8443", "evil.example:8443", true, false},
        {"https://evil.example:8443", "bridge.example:8443", true, false},
        {"https://bridge.example", NULL, true, false},
        /* lookalikes */
        {"https://bridge.example.evil.example:8443", "bridge.example:8443", true, false},
        {"https://evilbridge.example:8443", "bridge.example:8443", true, false},
        {"https://bridge.example.:8443", "bridge.example:8443", true, false},
        {"https://bridge.example@evil.example:8443", "bridge.example:8443", true, false},
        {"https://evil.example@bridge.example:8443", "bridge.example:8443", true, false},
        {"https://bridge.example:8443/", "bridge.example:8443", true, false},
        {"https://bridge.example:8443#", "bridge.example:8443", true, false},
        {"https://bridge.example:8443?x", "bridge.example:8443", true, false},
        {"https://bridge.example:8443 https://evil.example", "bridge.example:8443", true, false},
        {"https://bridge.example:8443,https://evil.example", "bridge.example:8443", true, false},
        {"https:/bridge.example:8443", "bridge.example:8443", true, false},
        {"https:bridge.example:8443", "bridge.example:8443", true, false},
        {"//bridge.example:8443", "bridge.example:8443", true, false},
        {"bridge.example:8443", "bridge.example:8443", true, false},
        {"https://", "bridge.example", true, false},
        {"https://:8443", "bridge.example:8443", true, false},
        {"", "bridge.example", true, false},
        {"null", "bridge.example", true, false},
        {"*", "bridge.example", true, false},
        {"https://*", "bridge.example", true, false},
        {"https://bridge.example:*", "bridge.example", true, false},
        {"https://127.0.0.1.evil.example:8443", "127.0.0.1:8443", true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct origin_rule rule = {
            .hosts = hosts, .hosts_count = 1, .is_certificate_name = names_bridge, .secure = cases[i].secure};
        if (origin_is_allowed(&rule, span(cases[i].origin), span(cases[i].host)) != cases[i].allowed) {
            fail_msg("origin %s at %s", cases[i].origin, cases[i].host);
        }
    }
}

static void own_pages_of_another_port(void **state) {
    (void)state;
    static const uint16_t ports[] = {8443, 8080};
    static const struct {
        const char *origin, *host;
        bool allowed;
    } cases[] = {
        {"http://localhost:8080", "localhost:8443", true},
        {"https://localhost:8443", "localhost:8080", true},
        {"http://own.example:8080", "localhost:8443", true},
        {"http://localhost:5173", "localhost:8443", false},
        {"http://evil.example:8080", "localhost:8443", false},
        {"http://localhost:8080", "evil.example:8443", false},
        {"ws://localhost:8080", "localhost:8443", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct origin_rule rule = {
            .hosts = hosts, .hosts_count = 1, .secure = true, .ports = ports, .ports_count = 2};
        if (origin_is_allowed(&rule, span(cases[i].origin), span(cases[i].host)) != cases[i].allowed) {
            fail_msg("origin %s at %s", cases[i].origin, cases[i].host);
        }
    }
}

static void listed_origins(void **state) {
    (void)state;
    static const struct {
        char form[40];
        const char *origin;
        bool allowed;
    } cases[] = {
        {"https://app.example", "https://app.example", true},
        {"https://app.example", "https://app.example:443", true},
        {"https://App.example:443", "HTTPS://app.EXAMPLE", true},
        {"https://app.example:9000", "https://app.example:9000", true},
        {"http://127.0.0.1:*", "http://127.0.0.1:5173", true},
        {"http://127.0.0.1:*", "http://127.0.0.1", true},
        {"http://[::1]:*", "http://[::1]:3000", true},
        {"tauri://localhost", "tauri://localhost", true},
        {"chrome-extension://abcdef", "chrome-extension://abcdef", true},
        {"null", "null", true},
        {"*", "https://any.example:1", true},
        {"*", "null", true},
        {"https://app.example", "http://app.example", false},
        {"https://app.example", "https://app.example:8443", false},
        {"https://app.example", "https://sub.app.example", false},
        {"https://app.example", "https://app.example.evil.example", false},
        {"https://app.example", "https://app.example.", false},
        {"https://app.example", "https://app.example@evil.example", false},
        {"https://app.example", "https://app.examplf", false},
        {"https://app.example", "https://app.exampl", false},
        {"https://app.example", "null", false},
        {"http://127.0.0.1:*", "https://127.0.0.1:5173", false},
        {"http://127.0.0.1:*", "http://127.0.0.1.evil.example:5173", false},
        {"http://127.0.0.1:*", "http://127.0.0.2:5173", false},
        {"http://127.0.0.1:*", "http://127.0.0.1:", false},
        {"http://127.0.0.1:*", "http://127.0.0.1:5173@evil.example", false},
        {"http://127.0.0.1:*", "http://127.0.0.1:*", false},
        {"null", "https://null", false},
        {"null", "NULL", false},
        {"*", "", false},
        {"*", "no origin", false},
        {"*", "https://a https://b", false},
        {"not a form", "https://app.example", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char form[40];
        memcpy(form, cases[i].form, sizeof form);
        char *const allowed[] = {form};
        const struct origin_rule rule = {.allowed = allowed, .allowed_count = 1, .secure = true};
        if (origin_is_allowed(&rule, span(cases[i].origin), span("bridge.example")) != cases[i].allowed) {
            fail_msg("%s for %s", cases[i].origin, cases[i].form);
        }
    }
}

static void forms_are_checked(void **state) {
    (void)state;
    static const char *const good[] = {
        "*",          "null",           "https://a.example",    "https://a.example:8443",
        "http://a:*", "http://[::1]:*", "capacitor://localhost"};
    static const char *const bad[] = {"",
                                      "a.example",
                                      "https://",
                                      "https://a/",
                                      "https://a:0",
                                      "https",
                                      "https://a:**",
                                      "https://*.a.example",
                                      "https://u@a",
                                      "https://a b",
                                      "NULL",
                                      "https://[::1",
                                      "https://a:65536"};
    const char *reason = NULL;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(origin_form_check(good[i], &reason), 0);
    }
    assert_null(reason);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        reason = NULL;
        assert_int_equal(origin_form_check(bad[i], &reason), -EINVAL);
        assert_non_null(reason);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_hosts),
        cmocka_unit_test(own_pages),
        cmocka_unit_test(own_pages_of_another_port),
        cmocka_unit_test(listed_origins),
        cmocka_unit_test(forms_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
