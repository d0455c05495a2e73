/* The opening handshake: the RFC's example, and each way of getting it wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ws/ws_upgrade.h"

static int check(const char *line, const char *fields, char ret_accept[WS_ACCEPT_MAX], bool *ret_asked,
                 int *ret_status) {
    static const struct request_limits limits = {.head_bytes = 4096, .headers = 100};
    char in[1024];
    snprintf(in, sizeof in, "%s\r\nHost: a\r\n%s\r\n", line, fields);
    struct request_head head;
    size_t size;
    struct request_refusal refusal;
    assert_int_equal(request_head_parse(daffi_span_text(in), &limits, &head, &size, &refusal), 0);
    *ret_asked = ws_upgrade_is_asked(&head);
    int r = ws_upgrade_check(&head, ret_accept, &refusal);
    *ret_status = r == 0 ? 101 : refusal.status;
    if (r < 0) {
        assert_non_null(refusal.text);
    }
    return r;
}

#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE "Upgrade: websocket\r\n"
#define CONNECT "Connection: Upgrade\r\n"

static void the_example_of_the_rfc_is_accepted(void **state) {
    (void)state;
    static const char *const fields[] = {
        UPGRADE CONNECT KEY VERSION,
        "upgrade: WebSocket\r\nconnection: keep-alive, uPGRADE\r\nsec-websocket-key:\t "
        "dGhlIHNhbXBsZSBub25jZQ== \r\n"
        "sec-websocket-version:13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
        "Upgrade: h2c, websocket\r\nConnection: x\r\n" CONNECT KEY VERSION,
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char accept[WS_ACCEPT_MAX] = "";
        bool asked;
        int status;
        assert_int_equal(check("GET /chat HTTP/1.1", fields[i], accept, &asked, &status), 0);
        assert_true(asked);
        assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}

static void what_is_not_an_upgrade_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *line, *fields;
        bool asked;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1", "", false, 400},
        {"GET / HTTP/1.1", "Upgrade: websockets\r\n" CONNECT KEY VERSION, false, 400},
        {"HEAD / HTTP/1.1", UPGRADE CONNECT KEY VERSION, true, 400},
        {"GET / HTTP/1.0", UPGRADE CONNECT KEY VERSION, true, 400},
        {"GET / HTTP/1.1", UPGRADE KEY VERSION, true, 400},
        {"GET / HTTP/1.1", UPGRADE "Connection: close\r\n" KEY VERSION, true, 400},
        {"GET / HTTP/1.1", UPGRADE CONNECT VERSION, true, 400},
        {"GET / HTTP/1.1", UPGRADE CONNECT KEY, true, 426},
        {"GET / HTTP/1.1", UPGRADE CONNECT KEY "Sec-WebSocket-Version: 8\r\n", true, 426},
        {"GET / HTTP/1.1", UPGRADE CONNECT KEY "Sec-WebSocket-Version: 13, 8\r\n", true, 426},
        {"GET / HTTP/1.1", UPGRADE CONNECT VERSION "Sec-WebSocket-Key:\r\n", true, 400},
        {"GET / HTTP/1.1", UPGRADE CONNECT VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n", true,
         400},
        {"GET / HTTP/1.1", UPGRADE CONNECT VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ===\r\n", true,
         400},
        {"GET / HTTP/1.1", UPGRADE CONNECT VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n", true,
         400},
        {"GET / HTTP/1.1", UPGRADE CONNECT VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ-==\r\n", true,
         400},
        {"GET / HTTP/1.1", UPGRADE CONNECT VERSION "Sec-WebSocket-Key: dGhl=HNhbXBsZSBub25jZQ==\r\n", true,
         400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char accept[WS_ACCEPT_MAX] = "untouched";
        bool asked;
        int status;
        assert_int_equal(check(cases[i].line, cases[i].fields, accept, &asked, &status), -EPROTO);
        assert_int_equal(asked, cases[i].asked);
        assert_int_equal(status, cases[i].status);
        assert_string_equal(accept, "untouched");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_rfc_is_accepted),
        cmocka_unit_test(what_is_not_an_upgrade_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
