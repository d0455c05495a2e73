/* forwarded.h: whom X-Forwarded-For names, and whom nobody has to believe; config_networks.h: who is believed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/door/forwarded.h"
#include "config/config_networks.h"

static struct config_network networks[3];

static int set_up(void **state) {
    (void)state;
    char error[CONFIG_ERROR_MAX];
    assert_int_equal(config_network_parse("10.0.0.0/8", &networks[0], error), 0);
    assert_int_equal(config_network_parse("2001:db8:ff::/48", &networks[1], error), 0);
    assert_int_equal(config_network_parse("unix", &networks[2], error), 0);
    return 0;
}

static int find(const char *fields, char *address) {
    static char text[1024];
    static struct request_head head;
    static const struct request_limits limits = {.head_bytes = sizeof text, .headers = 20};
    struct request_refusal refusal;
    size_t size;
    int length = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", fields);
    assert_int_equal(request_head_parse(daffi_span_of(text, (size_t)length), &limits, &head, &size, &refusal),
                     0);
    return forwarded_find(&head, networks, 3, address);
}

static void the_last_that_is_no_proxy_is_the_client(void **state) {
    (void)state;
    static const struct {
        const char *fields, *address;
    } cases[] = {
        {"X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"},
        {"x-forwarded-FOR: 192.0.2.1:4711\r\n", "192.0.2.1"},
        {"X-Forwarded-For: 2001:DB8::1\r\n", "2001:db8::1"},
        {"X-Forwarded-For: [2001:db8::1]\r\n", "2001:db8::1"},
        {"X-Forwarded-For: [2001:db8::1]:80\r\n", "2001:db8::1"},
        {"X-Forwarded-For: ::ffff:192.0.2.1\r\n", "192.0.2.1"},
        {"X-Forwarded-For: 127.0.0.1, 192.0.2.1\r\n",
         "192.0.2.1"}, /* the first is the client's own invention */
        {"X-Forwarded-For: nonsense\x80,192.0.2.1\r\n", "192.0.2.1"},
        {"X-Forwarded-For: 198.51.100.1 ,\t192.0.2.1 , 10.1.2.3,2001:db8:ff::9\r\n", "192.0.2.1"},
        {"X-Forwarded-For: 198.51.100.1\r\nAccept: x\r\nX-Forwarded-For: 192.0.2.1, 10.1.2.3\r\n",
         "192.0.2.1"},
        {"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 10.1.2.3\r\n", "192.0.2.1"},
        {"X-Forwarded-For: 10.0.0.7, 10.1.2.3\r\n", "10.0.0.7"}, /* a proxy that asks for itself */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char address[FORWARDED_ADDRESS_MAX] = "untouched";
        assert_int_equal(find(cases[i].fields, address), 0);
        assert_string_equal(address, cases[i].address);
    }
}

static void what_is_no_address_is_none(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "X-Forwarded-For: unknown\r\n",
        "X-Forwarded-For: \r\n",
        "X-Forwarded-For: 192.0.2.1,\r\n",
        "X-Forwarded-For: 192.0.2.1, , 10.0.0.1\r\n",
        "X-Forwarded-For: 192.0.2\r\n",
        "X-Forwarded-For: [::1\r\n",
        "X-Forwarded-For: [::1]x\r\n",
        "X-Forwarded-For: 1::2::3\r\n",
        "X-Forwarded-For: 192.0.2.1 192.0.2.2\r\n",
        "X-Forwarded-For: "
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
        "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: x\r\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char address[FORWARDED_ADDRESS_MAX] = "untouched";
        assert_int_equal(find(wrong[i], address), -EPROTO);
        assert_string_equal(address, "untouched");
    }
    char address[FORWARDED_ADDRESS_MAX] = "untouched";
    assert_int_equal(find("Forwarded: for=192.0.2.1\r\nX-Forwarded: 192.0.2.1\r\n", address), -ENOENT);
    assert_string_equal(address, "untouched");
}

static void networks_hold_what_they_hold(void **state) {
    (void)state;
    static const struct {
        const char *network, *inside[2], *outside[3];
    } cases[] = {
        {"192.0.2.1", {"192.0.2.1", "192.0.2.1"}, {"192.0.2.2", "::ffff:1", "unix"}},
        {"10.0.0.0/8", {"10.0.0.0", "10.255.255.255"}, {"11.0.0.0", "9.255.255.255", "a00::"}},
        {"192.168.4.0/22", {"192.168.4.0", "192.168.7.255"}, {"192.168.8.0", "192.168.3.255", ""}},
        {"0.0.0.0/0", {"0.0.0.0", "255.255.255.255"}, {"::", "unix", "x"}},
        {"::/0", {"::", "ffff::"}, {"0.0.0.0", "unix", ""}},
        {"2001:db8::/33",
         {"2001:db8::1", "2001:db8:7fff::"},
         {"2001:db8:8000::", "2001:db9::", "32.1.13.184"}},
        {"unix", {"unix", "unix"}, {"0.0.0.0", "::", "127.0.0.1"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config_network network;
        char error[CONFIG_ERROR_MAX];
        assert_int_equal(config_network_parse(cases[i].network, &network, error), 0);
        for (size_t j = 0; j < 2; j++) {
            assert_true(config_networks_have(&network, 1, cases[i].inside[j]));
        }
        for (size_t j = 0; j < 3; j++) {
            assert_false(config_networks_have(&network, 1, cases[i].outside[j]));
        }
        assert_false(config_networks_have(&network, 0, cases[i].inside[0]));
    }
}

static void networks_that_are_none(void **state) {
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "is no address"},
        {"localhost", "is no address"},
        {"10.0.0", "is no address"},
        {"/8", "is no address"},
        {"Unix", "is no address"},
        {"10.0.0.0/", "from 0 to 32"},
        {"10.0.0.0/33", "from 0 to 32"},
        {"10.0.0.0/-1", "from 0 to 32"},
        {"10.0.0.0/8/8", "from 0 to 32"},
        {"::/129", "from 0 to 128"},
        {"10.0.0.1/8", "behind the first 8"},
        {"2001:db8::1/64", "behind the first 64"},
        {"192.0.2.1192.0.2.1192.0.2.1192.0.2.1192.0.2.1192.0.2.1", "is no address"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config_network network;
        char error[CONFIG_ERROR_MAX] = "";
        assert_int_equal(config_network_parse(cases[i].text, &network, error), -EINVAL);
        assert_non_null(strstr(error, cases[i].words));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_that_is_no_proxy_is_the_client),
        cmocka_unit_test(what_is_no_address_is_none),
        cmocka_unit_test(networks_hold_what_they_hold),
        cmocka_unit_test(networks_that_are_none),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
