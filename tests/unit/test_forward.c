/* The way from the door to the site and back: reading its answers at every split, and whole exchanges on a reactor,
 * with the real site and with servers that misbehave. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/forward.h"
#include "http/site.h"
#include "sink.h"

/* --- answers as bytes --- */

static void an_answer_is_read_at_every_split(void **state) {
    (void)state;
    static const char in[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: 5\r\nX-A: b\r\n"
                             "connection: close\r\nDate: x\r\nX-Content-Type-Options: nosniff\r\n\r\nhello";
    char fields[RESPONSE_HEAD_MAX];
    struct response response;
    for (size_t cut = 0; cut < sizeof in - 1; cut++) {
        assert_int_equal(forward_read_answer(daffi_span_of(in, cut), false, true, fields, &response),
                         -EAGAIN);
    }
    assert_int_equal(forward_read_answer(daffi_span_text(in), false, true, fields, &response), 0);
    assert_int_equal(response.status, 200);
    assert_false(response.close);
    assert_string_equal(response.fields, "Content-Type: text/plain\r\nX-A: b\r\n");
    assert_true(daffi_span_equal(response.body, daffi_span_text("hello")));
    struct sink out = {0};
    struct response_sink sink = sink_of(&out);
    response.close = true;
    assert_int_equal(response_write(&response, &sink), 0);
    assert_string_equal(out.bytes,
                        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Content-Type-Options: nosniff\r\n"
                        "Content-Type: text/plain\r\nX-A: b\r\nConnection: close\r\n\r\nhello");
}

static void answers_without_a_body_are_complete_by_their_head(void **state) {
    (void)state;
    char fields[RESPONSE_HEAD_MAX];
    struct response response;
    struct daffi_span in = daffi_span_text("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n");
    assert_int_equal(forward_read_answer(in, false, false, fields, &response), 0);
    assert_true(response.status == 304 && response.close);
    in = daffi_span_text("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
    assert_int_equal(forward_read_answer(in, true, true, fields, &response), 0);
    assert_int_equal(response.body.length, 99);
    assert_int_equal(forward_read_answer(in, false, true, fields, &response), -EAGAIN);
}

static void answers_that_make_no_sense_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *in;
        bool to_head;
        int result;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", false, -EBADMSG},
        {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, -EBADMSG},
        {"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n", false, -EBADMSG},
        {"HTTP/1.1 20\r\nContent-Length: 0\r\n\r\n", false, -EBADMSG},
        {"HTTP/1.1 101 x\r\nContent-Length: 0\r\n\r\n", false, -EBADMSG},
        {"nonsense\r\nContent-Length: 0\r\n\r\n", false, -EBADMSG},
        {"\r\n\r\n", false, -EBADMSG},
        {"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n", false, -EBADMSG},
        {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false, -EBADMSG},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", false, -EBADMSG},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy", false, -EBADMSG},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", true, -EBADMSG},
        {"HTTP/1.1 304 x\r\n\r\nx", false, -EBADMSG},
        {"HTTP/1.1 200 OK\r\nContent-Length: 4194305\r\n\r\n", false, -EMSGSIZE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999999\r\n\r\n", false, -EMSGSIZE},
    };
    char fields[RESPONSE_HEAD_MAX];
    struct response response;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int r = forward_read_answer(daffi_span_text(cases[i].in), cases[i].to_head, true, fields, &response);
        if (r != cases[i].result) {
            fail_msg("%s: %d", cases[i].in, r);
        }
    }
    char *endless = malloc(RESPONSE_HEAD_MAX);
    memset(endless, 'x', RESPONSE_HEAD_MAX);
    assert_int_equal(
        forward_read_answer(daffi_span_of(endless, RESPONSE_HEAD_MAX), false, true, fields, &response),
        -EMSGSIZE);
    free(endless);
}

/* --- exchanges --- */

static struct memory_budget memory = {.limit = 64 << 20};
static uint64_t fake_now;

static uint64_t read_fake_clock(void *argument) {
    (void)argument;
    return fake_now;
}

struct exchange {
    struct reactor *reactor;
    struct forward_route *route;
    struct forward *forward;
    struct sink out;
    bool done, keeps;
    int result;
};

static void on_done(void *owner, int r, bool keeps) {
    struct exchange *exchange = owner;
    assert_false(exchange->done);
    exchange->done = true;
    exchange->result = r;
    exchange->keeps = keeps;
    forward_free(exchange->forward); /* from within it, as the door does */
    exchange->forward = NULL;
}

static struct exchange *begin(unsigned port, const char *secret) {
    struct exchange *exchange = calloc(1, sizeof *exchange);
    assert_non_null(exchange);
    assert_int_equal(reactor_new(&memory, &exchange->reactor), 0);
    fake_now = 1000;
    reactor_set_clock(exchange->reactor, read_fake_clock, NULL);
    assert_int_equal(forward_route_new(exchange->reactor, port, secret, &exchange->route), 0);
    return exchange;
}

static int start(struct exchange *exchange, const char *request) {
    static const struct request_limits limits = {.head_bytes = 4096, .headers = 20};
    struct request_head head;
    size_t size;
    struct request_refusal refusal;
    assert_int_equal(request_head_parse(daffi_span_text(request), &limits, &head, &size, &refusal), 0);
    exchange->done = false;
    sink_clear(&exchange->out);
    const struct response_sink sink = sink_of(&exchange->out);
    return forward_new(exchange->route, &head, &sink, on_done, exchange, &exchange->forward);
}

/* Turns the reactor until the answer is there; each turn waits for an event. */
static void wait_done(struct exchange *exchange) {
    for (int turns = 0; !exchange->done && turns < 1000; turns++) {
        assert_int_equal(reactor_turn(exchange->reactor, 10000), 0);
    }
    assert_true(exchange->done);
    assert_int_equal(reactor_turn(exchange->reactor, 0), 0);
}

static void end(struct exchange *exchange) {
    forward_free(exchange->forward);
    assert_int_equal(reactor_turn(exchange->reactor, 0), 0);
    forward_route_free(exchange->route);
    reactor_free(exchange->reactor);
    assert_int_equal(memory.used, 0);
    free(exchange);
}

static void pages_come_through(void **state) {
    (void)state;
    const struct pages pages = {&embedded_site, true, NULL, NULL};
    struct site *site;
    char error[256];
    assert_int_equal(site_start(&pages, &site, error, sizeof error), 0);
    struct exchange *exchange = begin(site_port(site), site_secret(site));
    assert_int_equal(start(exchange, "GET /healthz?x HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    wait_done(exchange);
    assert_int_equal(exchange->result, 0);
    assert_true(exchange->keeps);
    assert_ptr_equal(strstr(exchange->out.bytes, "HTTP/1.1 200 OK\r\n"), exchange->out.bytes);
    assert_non_null(strstr(exchange->out.bytes, "\r\n\r\nok\n"));
    assert_null(strstr(exchange->out.bytes, "Connection:"));
    assert_null(strstr(exchange->out.bytes, site_secret(site)));
    assert_int_equal(start(exchange, "HEAD /_bridge/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 0);
    wait_done(exchange);
    assert_false(exchange->keeps);
    assert_non_null(strstr(exchange->out.bytes, "Connection: close\r\n"));
    assert_non_null(strstr(exchange->out.bytes, "Content-Security-Policy: "));
    char request[512];
    const char *tag = strstr(exchange->out.bytes, "ETag: ") + 6;
    snprintf(request, sizeof request, "GET /_bridge/ HTTP/1.1\r\nHost: a\r\nIf-None-Match: %.*s\r\n\r\n",
             (int)strcspn(tag, "\r"), tag);
    assert_int_equal(start(exchange, request), 0);
    wait_done(exchange);
    assert_ptr_equal(strstr(exchange->out.bytes, "HTTP/1.1 304 Not Modified\r\n"), exchange->out.bytes);
    assert_int_equal(start(exchange, "GET /_bridge/%2e%2e/x HTTP/1.1\r\nHost: a\r\n\r\n"), -ENOENT);
    assert_int_equal(start(exchange, "GET /_bridge/absent HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    wait_done(exchange);
    assert_ptr_equal(strstr(exchange->out.bytes, "HTTP/1.1 404 "), exchange->out.bytes);
    end(exchange);
    site_stop(site);
}

static const char secret[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static int listen_anywhere(unsigned *ret_port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static const char request[] =
    "GET /healthz HTTP/1.1\r\nHost: a\r\nCookie: s=1\r\nX-Daffi-Door: forged\r\n\r\n";

static void a_site_that_is_not_there_is_502(void **state) {
    (void)state;
    unsigned port;
    close(listen_anywhere(&port));
    struct exchange *exchange = begin(port, secret);
    assert_int_equal(start(exchange, request), 0);
    wait_done(exchange);
    assert_int_equal(exchange->result, 0);
    assert_false(exchange->keeps);
    assert_ptr_equal(strstr(exchange->out.bytes, "HTTP/1.1 502 Bad Gateway\r\n"), exchange->out.bytes);
    end(exchange);
}

/* Takes the connection, reads the whole request, says `answer`, closes if told. */
static int serve(struct exchange *exchange, int listener, const char *answer, bool closes) {
    assert_int_equal(start(exchange, request), 0);
    int fd = -1;
    for (int turns = 0; turns < 100 && fd < 0; turns++) {
        assert_int_equal(reactor_turn(exchange->reactor, 1), 0);
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    }
    assert_true(fd >= 0);
    char in[2048] = "";
    for (int turns = 0; turns < 100 && recv(fd, in, sizeof in - 1, 0) <= 0; turns++) {
        assert_int_equal(reactor_turn(exchange->reactor, 1), 0);
    }
    /* nothing of the client's but the path */
    assert_ptr_equal(
        strstr(in, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-Daffi-Door: "), in);
    assert_null(strstr(in, "Cookie"));
    assert_null(strstr(in, "forged"));
    assert_non_null(strstr(in, secret));
    assert_int_equal(send(fd, answer, strlen(answer), MSG_NOSIGNAL), strlen(answer));
    if (closes) {
        close(fd);
    }
    return fd;
}

static void a_site_that_misbehaves_is_502(void **state) {
    (void)state;
    static const char *const answers[] = {"", "HTTP/1.1 200 OK\r\n",
                                          "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
                                          "HTTP/1.1 200 OK\r\n\r\n", "nonsense\r\n\r\n"};
    unsigned port;
    int listener = listen_anywhere(&port);
    struct exchange *exchange = begin(port, secret);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        serve(exchange, listener, answers[i], true);
        wait_done(exchange);
        assert_int_equal(exchange->result, 0);
        assert_false(exchange->keeps);
        assert_ptr_equal(strstr(exchange->out.bytes, "HTTP/1.1 502 Bad Gateway\r\n"), exchange->out.bytes);
    }
    end(exchange);
    close(listener);
}

static void a_site_that_is_silent_is_504(void **state) {
    (void)state;
    unsigned port;
    int listener = listen_anywhere(&port);
    struct exchange *exchange = begin(port, secret);
    int fd = serve(exchange, listener, "HTTP/1.1 200 OK\r\nContent-Le", false);
    fake_now += FORWARD_TIMEOUT_MS;
    wait_done(exchange);
    assert_ptr_equal(strstr(exchange->out.bytes, "HTTP/1.1 504 Gateway Timeout\r\n"), exchange->out.bytes);
    close(fd);
    end(exchange);
    close(listener);
}

static void giving_up_leaves_nothing_behind(void **state) {
    (void)state;
    unsigned port;
    int listener = listen_anywhere(&port);
    struct exchange *exchange = begin(port, secret);
    assert_int_equal(start(exchange, request), 0); /* while it connects */
    forward_free(exchange->forward);
    exchange->forward = NULL;
    assert_int_equal(reactor_turn(exchange->reactor, 0), 0);
    int given_up = accept4(listener, NULL, NULL, SOCK_CLOEXEC); /* it may have come as far as that, or not */
    if (given_up >= 0) {
        close(given_up);
    }
    int fd = serve(exchange, listener, "HTTP/1.1 200 OK\r\n", false); /* while it is answered */
    forward_free(exchange->forward);
    exchange->forward = NULL;
    for (int turns = 0; turns < 3; turns++) {
        assert_int_equal(reactor_turn(exchange->reactor, 0), 0);
    }
    assert_false(exchange->done);
    assert_int_equal(exchange->out.length, 0);
    close(fd);
    end(exchange);
    close(listener);
}

static void what_the_client_s_side_says_is_handed_on(void **state) {
    (void)state;
    unsigned port;
    int listener = listen_anywhere(&port);
    struct exchange *exchange = begin(port, secret);
    exchange->out.failure = -EPIPE;
    serve(exchange, listener, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", true);
    wait_done(exchange);
    assert_int_equal(exchange->result, -EPIPE);
    end(exchange);
    close(listener);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read_at_every_split),
        cmocka_unit_test(answers_without_a_body_are_complete_by_their_head),
        cmocka_unit_test(answers_that_make_no_sense_are_refused),
        cmocka_unit_test(pages_come_through),
        cmocka_unit_test(a_site_that_is_not_there_is_502),
        cmocka_unit_test(a_site_that_misbehaves_is_502),
        cmocka_unit_test(a_site_that_is_silent_is_504),
        cmocka_unit_test(giving_up_leaves_nothing_behind),
        cmocka_unit_test(what_the_client_s_side_says_is_handed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
