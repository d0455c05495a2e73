/* What a request for an upgrade asks for: upstream by path, offer by query, Host and Origin; and who is local. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/door/door_route.h"

static struct config *config;
static struct origin_rule rule;

static int set_up(void **state) {
    (void)state;
    config = config_new();
    config->upstreams_count = 3;
    config->upstreams[0].name = strdup("unused");
    config->upstreams[1].name = strdup("main");
    config->upstreams[2].name = strdup("second");
    config->listeners_count = 1;
    config->listeners[0].upstreams[0] = 1;
    config->listeners[0].upstreams[1] = 2;
    config->listeners[0].upstreams_count = 2;
    rule = (struct origin_rule){0};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    config_free(config);
    return 0;
}

static int find(const char *target, const char *fields, struct door_route *route,
                struct request_refusal *refusal) {
    static char text[1024];
    static struct request_head head; /* borrows `text` */
    static const struct request_limits limits = {.head_bytes = sizeof text, .headers = 20};
    size_t size;
    int length = snprintf(
        text, sizeof text,
        "GET %s HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
        target, fields);
    assert_int_equal(request_head_parse(daffi_span_of(text, (size_t)length), &limits, &head, &size, refusal),
                     0);
    return door_route_find(config, &config->listeners[0], &rule, &head, route, refusal);
}

static const char HERE[] = "Host: localhost:8443\r\n";

static void a_path_picks_an_upstream(void **state) {
    (void)state;
    static const struct {
        const char *target;
        size_t upstream;
        bool wants_offer;
    } cases[] = {
        {"/", 1, false},
        {"/main", 1, false},
        {"/second", 2, false},
        {"/second?daffi-bridge=1", 2, true},
        {"/?a&daffi-bridge=1&b", 1, true},
        {"/?daffi-bridge=2", 1, false},
        {"/?xdaffi-bridge=1", 1, false},
        {"/?daffi-bridge=10", 1, false},
        {"/?&&", 1, false},
        {"/unused", SIZE_MAX, false},
        {"/mai", SIZE_MAX, false},
        {"/main/", SIZE_MAX, false},
        {"//", SIZE_MAX, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct door_route route;
        struct request_refusal refusal;
        assert_int_equal(find(cases[i].target, HERE, &route, &refusal), 0);
        assert_int_equal(route.upstream, cases[i].upstream);
        assert_int_equal(route.wants_offer, cases[i].wants_offer);
        assert_string_equal(route.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}

static void an_unknown_name_is_told_what_there_is(void **state) {
    (void)state;
    struct door_route route;
    struct request_refusal refusal;
    assert_int_equal(find("/nowhere", HERE, &route, &refusal), 0);
    assert_string_equal(route.text, "no upstream called \"nowhere\"; there are: main, second");
}

static void strange_hosts_and_origins_are_refused_and_the_log_says_what_helps(void **state) {
    (void)state;
    static const struct {
        const char *fields, *log;
    } cases[] = {
        {"Host: rebound.example\r\n", "rebound.example"},
        {"Host: localhost\r\nOrigin: https://evil.example\r\n", "--allow-origin https://evil.example"},
        {"Host: localhost\r\nOrigin: null\r\n", "--allow-origin null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct door_route route;
        struct request_refusal refusal;
        assert_int_equal(find("/", cases[i].fields, &route, &refusal), -EACCES);
        assert_int_equal(refusal.status, 403);
        assert_non_null(strstr(route.text, cases[i].log));
    }
}

static void a_strange_host_is_told_the_option_that_takes_it(void **state) {
    (void)state;
    struct door_route route;
    struct request_refusal refusal;
    assert_int_equal(find("/", "Host: shop.test\r\n", &route, &refusal), -EACCES);
    assert_non_null(strstr(route.text, "add its name to \"hosts\" in the configuration"));
    rule.hosts_option = "--allow-host";
    assert_int_equal(find("/", "Host: shop.test\r\n", &route, &refusal), -EACCES);
    assert_string_equal(route.text,
                        "host shop.test is not one of this bridge's own; add its name by --allow-host");
    assert_null(strstr(refusal.text, "configuration"));
}

static void a_bad_upgrade_is_refused_before_anything_else(void **state) {
    (void)state;
    struct door_route route;
    struct request_refusal refusal;
    static const char version_8[] =
        "GET / HTTP/1.1\r\nHost: rebound.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct request_head head;
    static const struct request_limits limits = {.head_bytes = sizeof version_8, .headers = 20};
    size_t size;
    assert_int_equal(request_head_parse(daffi_span_text(version_8), &limits, &head, &size, &refusal), 0);
    assert_int_equal(door_route_find(config, &config->listeners[0], &rule, &head, &route, &refusal), -EPROTO);
    assert_int_equal(refusal.status, 426);
}

static void pages_are_for_own_hosts_and_health_for_all(void **state) {
    (void)state;
    static const struct {
        const char *head;
        int status;
    } cases[] = {
        {"GET /_bridge/ HTTP/1.1\r\nHost: LocalHost:1\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\nHost: 127.0.0.2\r\n\r\n", 0},
        {"HEAD /healthz HTTP/1.1\r\nHost: 192.0.2.1:8443\r\n\r\n", 0},
        {"GET /healthz?x HTTP/1.0\r\n\r\n", 0},
        {"GET /healthz/ HTTP/1.1\r\nHost: rebound.example\r\n\r\n", -EACCES},
        {"GET /_bridge/ HTTP/1.1\r\nHost: rebound.example\r\n\r\n", -EACCES},
        {"GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n", -EACCES},
        {"GET / HTTP/1.1\r\nHost: localhost.rebound.example\r\n\r\n", -EACCES},
        {"GET / HTTP/1.0\r\n\r\n", -EACCES},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct request_head head;
        static const struct request_limits limits = {.head_bytes = 1024, .headers = 20};
        struct request_refusal refusal = {.status = 0};
        char text[DOOR_ROUTE_TEXT_MAX] = "";
        size_t size;
        assert_int_equal(request_head_parse(daffi_span_text(cases[i].head), &limits, &head, &size, &refusal),
                         0);
        assert_int_equal(door_route_check_page(&rule, &head, text, &refusal), cases[i].status);
        assert_int_equal(refusal.status, cases[i].status == 0 ? 0 : 403);
        assert_true((strstr(text, "\"hosts\"") != NULL) == (cases[i].status < 0));
    }
}

static void some_addresses_are_this_machine(void **state) {
    (void)state;
    static const char *const local[] = {"unix", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"};
    static const char *const remote[] = {"",           "10.0.0.1", "192.0.2.127", "::2", "::ffff:10.0.0.1",
                                         "1270.0.0.1", "fe80::1"};
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        assert_true(door_is_local(local[i]));
    }
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++) {
        assert_false(door_is_local(remote[i]));
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_path_picks_an_upstream),
        CASE(an_unknown_name_is_told_what_there_is),
        CASE(strange_hosts_and_origins_are_refused_and_the_log_says_what_helps),
        CASE(a_strange_host_is_told_the_option_that_takes_it),
        CASE(a_bad_upgrade_is_refused_before_anything_else),
        CASE(pages_are_for_own_hosts_and_health_for_all),
        CASE(some_addresses_are_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
