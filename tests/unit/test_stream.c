/* stream.h, plain and TLS: both ends in one thread over socket pairs, with everything a network may do: bytes one
 * at a time, full sockets, ends with and without goodbye. */
#include "tls_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/stream.h"
#include "net/tls_context.h"

static struct tls_context *server_context, *client_context;

struct link {
    struct stream *server, *client;
    int server_fd, client_fd;
};

static struct tls_context *make_server(const char *cert, const char *key) {
    struct tls_context *context = NULL;
    char error[512] = "";
    if (tls_context_new_server(fixture_path(cert), fixture_path(key), &context, error, sizeof error) < 0) {
        fail_msg("%s", error);
    }
    return context;
}

static struct tls_context *make_client(const char *ca) {
    struct tls_context *context = NULL;
    char error[512] = "";
    if (tls_context_new_client(fixture_path(ca), &context, error, sizeof error) < 0) {
        fail_msg("%s", error);
    }
    return context;
}

static int group_setup(void **state) {
    fixture_make(state);
    server_context = make_server("chain.pem", "key.pem");
    client_context = make_client("ca.pem");
    return 0;
}

static int group_teardown(void **state) {
    tls_context_free(server_context);
    tls_context_free(client_context);
    return fixture_remove(state);
}

static void make_pair(int fds[2], int sndbuf) {
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    for (int i = 0; i < 2 && sndbuf; i++) {
        assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof sndbuf), 0);
    }
}

static struct link tls_link(int server_fd, int client_fd, const char *name) {
    struct link link = {.server_fd = server_fd, .client_fd = client_fd};
    assert_int_equal(stream_tls_accept(server_context, server_fd, &link.server), 0);
    assert_int_equal(stream_tls_connect(client_context, client_fd, name, &link.client), 0);
    return link;
}

static struct link open_link(bool tls, int sndbuf) {
    int fds[2];
    make_pair(fds, sndbuf);
    if (tls) {
        struct link link = tls_link(fds[0], fds[1], "localhost");
        int s = -EAGAIN, c = -EAGAIN;
        for (int turn = 0; turn < 20 && (s || c); turn++) {
            c = c ? stream_handshake(link.client) : 0;
            s = s ? stream_handshake(link.server) : 0;
        }
        assert_int_equal(s, 0);
        assert_int_equal(c, 0);
        return link;
    }
    struct link link = {.server_fd = fds[0], .client_fd = fds[1]};
    assert_int_equal(stream_tcp_new(fds[0], &link.server), 0);
    assert_int_equal(stream_tcp_new(fds[1], &link.client), 0);
    assert_int_equal(stream_handshake(link.server), 0);
    return link;
}

static void close_link(struct link *link) {
    stream_close(link->server);
    stream_close(link->client);
}

static void fill(uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (uint8_t)(i * 31 + i / 257);
    }
}

/* Sends all of `bytes` through, as far as each socket takes it; asserts that it arrives. */
static void transfer(struct stream *from, struct stream *to, const uint8_t *bytes, size_t length,
                     size_t read_size) {
    uint8_t *got = malloc(length + read_size);
    size_t sent = 0, have = 0;
    unsigned blocked = 0;
    while (have < length) {
        ssize_t n = stream_write(from, bytes + sent, length - sent);
        if (n == -EAGAIN || (n >= 0 && (sent + (size_t)n < length || from->unsent))) {
            assert_int_equal(from->wants, EPOLLOUT);
            blocked++;
        }
        if (n > 0) {
            sent += (size_t)n;
        } else {
            assert_true(n == 0 || n == -EAGAIN);
        }
        for (;;) {
            n = stream_read(to, got + have, read_size);
            if (n <= 0) {
                assert_int_equal(n, -EAGAIN);
                assert_int_equal(to->wants, EPOLLIN);
                break;
            }
            have += (size_t)n;
            assert_true(have <= length);
        }
    }
    assert_int_equal(sent, length);
    assert_int_equal(from->unsent, 0);
    assert_memory_equal(got, bytes, length);
    free(got);
}

static void both_ways(bool tls, int sndbuf, size_t length, size_t read_size) {
    uint8_t *bytes = malloc(length);
    fill(bytes, length);
    struct link link = open_link(tls, sndbuf);
    transfer(link.client, link.server, bytes, length, read_size);
    transfer(link.server, link.client, bytes, length, read_size);
    close_link(&link);
    free(bytes);
}

static void test_tcp_transfer(void **state) {
    (void)state;
    both_ways(false, 0, 1, 10);
    both_ways(false, 4096, 300000, 5000);
}

static void test_tls_transfer(void **state) {
    (void)state;
    both_ways(true, 0, 1, 10);
    both_ways(true, 0, 300000, 65536);
    both_ways(true, 4096, 300000, 65536);
    both_ways(true, 4096, 100000, 7); /* many reads out of one record */
    both_ways(true, 0, 3000000, 16384);
}

/* Fewer bytes than asked for: there is no more; as many: stream_pending knows whether epoll would tell. */
static void test_tls_reads_tell_whether_more_is_there(void **state) {
    (void)state;
    struct link link = open_link(true, 0);
    uint8_t bytes[1000], got[4096];
    fill(bytes, sizeof bytes);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(stream_write(link.client, bytes, sizeof bytes), sizeof bytes);
    }
    assert_int_equal(stream_read(link.server, got, 500), 500);
    assert_true(stream_pending(link.server) > 0);
    assert_int_equal(stream_read(link.server, got, sizeof got), 2500); /* three records, one read */
    assert_int_equal(stream_pending(link.server), 0);
    assert_int_equal(stream_read(link.server, got, sizeof got), -EAGAIN);
    close_link(&link);
}

/* The network hands over one byte at a time, in both directions. */
static void test_tls_one_byte_at_a_time(void **state) {
    (void)state;
    int left[2], right[2];
    make_pair(left, 0);
    make_pair(right, 0);
    struct link link = tls_link(left[0], right[0], "127.0.0.1");
    int s = -EAGAIN, c = -EAGAIN;
    bool greeted = false;
    char got[16] = "";
    size_t have = 0;
    for (long turn = 0; turn < 100000 && have < 5; turn++) {
        c = c ? stream_handshake(link.client) : 0;
        s = s ? stream_handshake(link.server) : 0;
        assert_true((c == 0 || c == -EAGAIN) && (s == 0 || s == -EAGAIN));
        if (c == 0 && !greeted) {
            assert_int_equal(stream_write(link.client, "hello", 5), 5);
            greeted = true;
        }
        if (s == 0) {
            ssize_t n = stream_read(link.server, got + have, sizeof got - have);
            assert_true(n > 0 || n == -EAGAIN);
            have += n > 0 ? (size_t)n : 0;
            assert_int_equal(stream_pending(link.server), 0);
        }
        char byte;
        if (recv(left[1], &byte, 1, 0) == 1) {
            assert_int_equal(send(right[1], &byte, 1, 0), 1);
        }
        if (recv(right[1], &byte, 1, 0) == 1) {
            assert_int_equal(send(left[1], &byte, 1, 0), 1);
        }
    }
    assert_memory_equal(got, "hello", 5);
    close_link(&link);
    close(left[1]);
    close(right[1]);
}

static void test_tls_goodbye(void **state) {
    (void)state;
    struct link link = open_link(true, 0);
    char got[64];
    assert_int_equal(stream_write(link.client, "bye", 3), 3);
    assert_int_equal(stream_shutdown(link.client), 0);
    /* The data and the goodbye came together: epoll would not tell of the second. */
    assert_int_equal(stream_read(link.server, got, sizeof got), 3);
    if (stream_pending(link.server) == 0) { /* it may be unread in the socket still */
        struct pollfd ready = {.fd = link.server_fd, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 0), 1);
    }
    assert_int_equal(stream_read(link.server, got, sizeof got), 0);
    assert_int_equal(stream_read(link.server, got, sizeof got), 0);
    assert_false(link.server->truncated);
    /* One side's end is not the other's. */
    assert_int_equal(stream_write(link.server, "yes", 3), 3);
    assert_int_equal(stream_read(link.client, got, sizeof got), 3);
    assert_int_equal(stream_shutdown(link.server), 0);
    assert_int_equal(stream_shutdown(link.server), 0);
    assert_int_equal(stream_read(link.client, got, sizeof got), 0);
    close_link(&link);
}

static void test_tls_end_without_goodbye(void **state) {
    (void)state;
    struct link link = open_link(true, 0);
    char got[64];
    assert_int_equal(stream_write(link.client, "bye", 3), 3);
    assert_int_equal(shutdown(link.client_fd, SHUT_WR), 0);
    assert_int_equal(stream_read(link.server, got, sizeof got), 3);
    assert_int_equal(stream_read(link.server, got, sizeof got), 0);
    assert_true(link.server->truncated);
    assert_int_equal(stream_write(link.server, "yes", 3), 3);
    assert_int_equal(stream_read(link.client, got, sizeof got), 3);
    close_link(&link);
}

/* The goodbye waits for room like everything else. */
static void test_tls_goodbye_behind_a_full_socket(void **state) {
    (void)state;
    struct link link = open_link(true, 4096);
    static uint8_t bytes[200000], got[300000];
    fill(bytes, sizeof bytes);
    ssize_t taken = stream_write(link.server, bytes, sizeof bytes);
    assert_true(taken > 0 && (size_t)taken < sizeof bytes);
    assert_true(link.server->unsent > 0);
    assert_int_equal(stream_shutdown(link.server), -EAGAIN);
    assert_int_equal(link.server->wants, EPOLLOUT);
    size_t have = 0;
    for (;;) {
        ssize_t n = stream_read(link.client, got + have, sizeof got - have);
        if (n == 0) {
            break;
        }
        have += n > 0 ? (size_t)n : 0;
        int r = stream_shutdown(link.server);
        assert_true(r == 0 || r == -EAGAIN);
    }
    assert_int_equal(have, taken);
    assert_memory_equal(got, bytes, have);
    assert_false(link.client->truncated);
    close_link(&link);
}

static void test_write_to_a_closed_peer(void **state) {
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        struct link link = open_link(tls, 0);
        stream_close(link.client);
        ssize_t n = stream_write(link.server, "x", 1);
        assert_true(n == -EPIPE || n == -ECONNRESET); /* and no SIGPIPE */
        stream_close(link.server);
    }
}

/* Runs a handshake that must fail and gives both results. */
static void failing_handshake(struct link *link, int *ret_server, int *ret_client) {
    int s = -EAGAIN, c = -EAGAIN;
    for (int turn = 0; turn < 20 && (s == -EAGAIN || c == -EAGAIN); turn++) {
        c = c == -EAGAIN ? stream_handshake(link->client) : c;
        s = s == -EAGAIN ? stream_handshake(link->server) : s;
    }
    /* In TLS 1.3 a client is done before the server has seen its verdict. */
    if (s == -EAGAIN || s == 0) {
        char byte;
        ssize_t n = stream_read(link->server, &byte, 1);
        s = n < 0 ? (int)n : s;
    }
    *ret_server = s;
    *ret_client = c;
}

static void test_wrong_name(void **state) {
    (void)state;
    int fds[2], s, c;
    make_pair(fds, 0);
    struct link link = tls_link(fds[0], fds[1], "router.example.net");
    failing_handshake(&link, &s, &c);
    assert_int_equal(c, -EPROTO);
    assert_non_null(strstr(stream_error(link.client), "certificate of router.example.net not trusted: "));
    assert_non_null(strcasestr(stream_error(link.client), "hostname mismatch"));
    assert_int_equal(s, -EPROTO);
    assert_non_null(strstr(stream_error(link.server), "TLS failed: "));
    close_link(&link);
    make_pair(fds, 0);
    link = tls_link(fds[0], fds[1], "127.0.0.2");
    failing_handshake(&link, &s, &c);
    assert_int_equal(c, -EPROTO);
    assert_non_null(strcasestr(stream_error(link.client), "IP address mismatch"));
    close_link(&link);
}

static void test_names_that_fit(void **state) {
    (void)state;
    static const char *const names[] = {"localhost", "any.example.org", "127.0.0.1", "::1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int fds[2], s, c;
        make_pair(fds, 0);
        struct link link = tls_link(fds[0], fds[1], names[i]);
        failing_handshake(&link, &s, &c);
        assert_int_equal(c, 0);
        assert_int_equal(stream_handshake(link.server), 0);
        close_link(&link);
    }
}

static void test_self_signed_and_expired(void **state) {
    (void)state;
    static const struct {
        const char *cert, *key, *words;
    } cases[] = {
        {"self.pem", "self-key.pem", "self-signed certificate"},
        {"expired.pem", "expired-key.pem", "certificate has expired"},
    };
    struct tls_context *usual = server_context;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fds[2], s, c;
        make_pair(fds, 0);
        server_context = make_server(cases[i].cert, cases[i].key);
        struct link link = tls_link(fds[0], fds[1], "localhost");
        failing_handshake(&link, &s, &c);
        assert_int_equal(c, -EPROTO);
        assert_non_null(strstr(stream_error(link.client), cases[i].words));
        close_link(&link);
        tls_context_free(server_context);
    }
    server_context = usual;
}

/* Those who speak something else are told apart, for the log. */
static void test_no_tls_at_all(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *words;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "spoke plain HTTP"},
        {"\x1f\x1f\x1f\x1f\x1f\x1f\x1f\x1f\x1f\x1f\x1f\x1f", "did not speak TLS"},
        {"", "hung up in the TLS handshake"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fds[2];
        make_pair(fds, 0);
        struct stream *server = NULL;
        assert_int_equal(stream_tls_accept(server_context, fds[0], &server), 0);
        assert_int_equal(stream_handshake(server), -EAGAIN);
        assert_int_equal(send(fds[1], cases[i].bytes, strlen(cases[i].bytes), 0), strlen(cases[i].bytes));
        if (!*cases[i].bytes) {
            shutdown(fds[1], SHUT_WR);
        }
        assert_int_equal(stream_handshake(server), -EPROTO);
        if (!strstr(stream_error(server), cases[i].words)) {
            fail_msg("%s", stream_error(server));
        }
        char got[8];
        assert_int_equal(stream_read(server, got, sizeof got), -EPROTO);
        assert_int_equal(stream_handshake(server), -EPROTO);
        assert_int_equal(stream_write(server, "x", 1), -EPIPE);
        stream_close(server);
        close(fds[1]);
    }
}

/* A record that was tampered with ends the stream, after what came before it. */
static void test_garbage_after_the_handshake(void **state) {
    (void)state;
    struct link link = open_link(true, 0);
    char got[64];
    assert_int_equal(stream_write(link.client, "good", 4), 4);
    assert_int_equal(send(link.client_fd,
                          "\x17\x03\x03\x00\x20"
                          "0123456789abcdef0123456789abcdef",
                          37, 0),
                     37);
    assert_int_equal(stream_read(link.server, got, sizeof got), 4);
    assert_true(stream_pending(link.server) > 0);
    assert_int_equal(stream_read(link.server, got, sizeof got), -EPROTO);
    assert_int_equal(stream_pending(link.server), 0);
    assert_non_null(strstr(stream_error(link.server), "TLS failed: "));
    close_link(&link);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp_transfer),
        cmocka_unit_test(test_tls_transfer),
        cmocka_unit_test(test_tls_reads_tell_whether_more_is_there),
        cmocka_unit_test(test_tls_one_byte_at_a_time),
        cmocka_unit_test(test_tls_goodbye),
        cmocka_unit_test(test_tls_end_without_goodbye),
        cmocka_unit_test(test_tls_goodbye_behind_a_full_socket),
        cmocka_unit_test(test_write_to_a_closed_peer),
        cmocka_unit_test(test_wrong_name),
        cmocka_unit_test(test_names_that_fit),
        cmocka_unit_test(test_self_signed_and_expired),
        cmocka_unit_test(test_no_tls_at_all),
        cmocka_unit_test(test_garbage_after_the_handshake),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
