/* The site's server on its port: it answers the door, and nobody else. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/site.h"

static char answer[65536];

static int set_up(void **state) {
    const struct pages pages = {&embedded_site, true, NULL, NULL};
    struct site *site;
    char error[256];
    if (site_start(&pages, &site, error, sizeof error) < 0) {
        fprintf(stderr, "%s\n", error);
        return -1;
    }
    *state = site;
    return 0;
}

static int tear_down(void **state) {
    site_stop(*state);
    return 0;
}

/* Sends a request and reads to the end of the connection; a reset counts as one. The answer's bytes. */
static size_t exchange(const struct site *site, const char *request, size_t length) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)site_port(site)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(fd, request, length, MSG_NOSIGNAL), length);
    size_t got = 0;
    ssize_t n;
    while ((n = recv(fd, answer + got, sizeof answer - 1 - got, 0)) > 0) {
        got += (size_t)n;
    }
    assert_true(n == 0 || errno == ECONNRESET);
    answer[got] = '\0';
    close(fd);
    return got;
}

static size_t ask(const struct site *site, const char *line, const char *secret, const char *fields) {
    char request[2048];
    int length = snprintf(request, sizeof request, "%s\r\nHost: 127.0.0.1\r\n%s%s%s%s\r\n", line,
                          secret != NULL ? SITE_SECRET_FIELD ": " : "", secret != NULL ? secret : "",
                          secret != NULL ? "\r\n" : "", fields);
    return exchange(site, request, (size_t)length);
}

static void the_door_is_answered(void **state) {
    const struct site *site = *state;
    const char *secret = site_secret(site);
    assert_int_equal(strlen(secret), SITE_SECRET_LENGTH);
    assert_true(ask(site, "GET /healthz HTTP/1.1", secret, "Connection: close\r\n") > 0);
    assert_ptr_equal(strstr(answer, "HTTP/1.1 200 OK\r\n"), answer);
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\nok\n");
    assert_true(ask(site, "GET /_bridge/ HTTP/1.1", secret, "Accept-Encoding: identity\r\n") > 0);
    assert_non_null(strstr(answer, "\r\n\r\n<!DOCTYPE html>"));
    char tag[128] = "";
    const char *etag = strstr(answer, "ETag: ");
    assert_non_null(etag);
    snprintf(tag, sizeof tag, "If-None-Match: %.*s\r\n", (int)strcspn(etag + 6, "\r"), etag + 6);
    assert_true(ask(site, "GET /_bridge/ HTTP/1.1", secret, tag) > 0);
    assert_ptr_equal(strstr(answer, "HTTP/1.1 304 "), answer);
    assert_true(ask(site, "HEAD /_bridge/ HTTP/1.1", secret, "") > 0);
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    assert_true(ask(site, "GET /_bridge/%2e%2e/%2e%2e/etc/passwd HTTP/1.1", secret, "") > 0);
    assert_ptr_equal(strstr(answer, "HTTP/1.1 404 "), answer);
}

static void nobody_else_is_told_anything(void **state) {
    const struct site *site = *state;
    char wrong[SITE_SECRET_LENGTH + 2];
    assert_int_equal(ask(site, "GET /healthz HTTP/1.1", NULL, ""), 0);
    assert_int_equal(ask(site, "GET /healthz HTTP/1.1", "", ""), 0);
    snprintf(wrong, sizeof wrong, "%s", site_secret(site));
    wrong[SITE_SECRET_LENGTH - 1] ^= 1;
    assert_int_equal(ask(site, "GET /_bridge/ HTTP/1.1", wrong, ""), 0);
    snprintf(wrong, sizeof wrong, "%.63s", site_secret(site));
    assert_int_equal(ask(site, "GET /_bridge/ HTTP/1.1", wrong, ""), 0);
    snprintf(wrong, sizeof wrong, "%s0", site_secret(site));
    assert_int_equal(ask(site, "GET /_bridge/ HTTP/1.1", wrong, ""), 0);
    assert_int_equal(ask(site, "POST /_bridge/ HTTP/1.1", NULL, "Content-Length: 0\r\n"), 0);
    assert_int_equal(ask(site, "OPTIONS * HTTP/1.1", NULL, ""), 0);
    assert_int_equal(ask(site, "GET / HTTP/1.1", NULL, "Upgrade: websocket\r\nConnection: Upgrade\r\n"), 0);
    assert_int_equal(exchange(site, "nonsense\r\n\r\n", 12), 0);
    assert_int_equal(exchange(site, "GET http://[::1/ HTTP/1.1\r\n\r\n", 29), 0);
    assert_int_equal(exchange(site, "\x16\x03\x01\r\n\r\n", 7), 0);
}

static void the_door_itself_asks_get_and_head_alone(void **state) {
    const struct site *site = *state;
    static const char *const lines[] = {"POST /_bridge/ HTTP/1.1", "PUT /healthz HTTP/1.1",
                                        "DELETE /x HTTP/1.1", "OPTIONS / HTTP/1.1", "PROPFIND / HTTP/1.1"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(ask(site, lines[i], site_secret(site), "Content-Length: 0\r\n"), 0);
    }
}

static void two_sites_have_two_secrets(void **state) {
    const struct site *first = *state;
    const struct pages pages = {&embedded_site, false, NULL, NULL};
    struct site *second = NULL;
    char error[256] = "";
    assert_int_equal(site_start(&pages, &second, error, sizeof error), 0);
    assert_string_not_equal(site_secret(first), site_secret(second));
    assert_int_not_equal(site_port(first), site_port(second));
    assert_int_equal(ask(second, "GET /healthz HTTP/1.1", site_secret(first), ""), 0);
    site_stop(second);
    site_stop(NULL);
    assert_true(ask(first, "GET /healthz HTTP/1.1", site_secret(first), "") > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_door_is_answered),
        cmocka_unit_test(nobody_else_is_told_anything),
        cmocka_unit_test(the_door_itself_asks_get_and_head_alone),
        cmocka_unit_test(two_sites_have_two_secrets),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
