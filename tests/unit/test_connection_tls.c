/* connection.h with TLS at both ends. */
#include "tls_fixture.h"

#include "connection_fixture.h"
#include "net/tls_context.h"

static struct tls_context *server_context, *client_context;

static int group_setup(void **state) {
    char error[512] = "";
    fixture_make(state);
    if (tls_context_new_server(fixture_path("chain.pem"), fixture_path("key.pem"), &server_context, error,
                               sizeof error) < 0 ||
        tls_context_new_client(fixture_path("ca.pem"), &client_context, error, sizeof error) < 0) {
        fail_msg("%s", error);
    }
    return 0;
}

static int group_teardown(void **state) {
    tls_context_free(server_context);
    tls_context_free(client_context);
    return fixture_remove(state);
}

struct tls_pair {
    struct probe server, client;
    int server_fd, client_fd;
};

static void make_tls(struct tls_pair *pair, int sndbuf) {
    int fds[2];
    struct stream *stream = NULL;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    for (int i = 0; i < 2 && sndbuf; i++) {
        assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof sndbuf), 0);
    }
    pair->server_fd = fds[0];
    pair->client_fd = fds[1];
    assert_int_equal(stream_tls_accept(server_context, fds[0], &stream), 0);
    assert_int_equal(
        connection_new(reactor, stream, &limits, &handler, &pair->server, &pair->server.connection), 0);
    assert_int_equal(stream_tls_connect(client_context, fds[1], "localhost", &stream), 0);
    assert_int_equal(
        connection_new(reactor, stream, &limits, &handler, &pair->client, &pair->client.connection), 0);
}

static void test_tls_echo(void **state) {
    (void)state;
    static uint8_t bytes[600000];
    static struct tls_pair pair;
    pair = (struct tls_pair){0};
    make_tls(&pair, 8192);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 1000);
    }
    assert_int_equal(connection_write(pair.client.connection, bytes, sizeof bytes),
                     0); /* before it is open */
    for (int i = 0; i < 5000 && pair.server.length < sizeof bytes; i++) {
        turns(1);
    }
    assert_int_equal(pair.server.opened, 1);
    assert_int_equal(pair.client.opened, 1);
    assert_int_equal(pair.server.length, sizeof bytes);
    assert_memory_equal(pair.server.got, bytes, sizeof bytes);
    assert_int_equal(pair.client.drained, 1);
    assert_true(waits());
    assert_int_equal(atomic_load(&budget.used), 0);
    connection_close(pair.client.connection, 1000);
    turns(3);
    assert_int_equal(pair.server.ended, 1);
    assert_int_equal(connection_write(pair.server.connection, "late", 4), 0);
    connection_close(pair.server.connection, 1000);
    turns(3);
    assert_int_equal(pair.server.closed, 1);
    assert_int_equal(pair.client.closed, 1);
    assert_int_equal(pair.server.reason, 0);
    assert_int_equal(pair.client.reason, 0);
    free(pair.server.got);
}

/* A paused reader of TLS: what OpenSSL has taken out of the socket is not forgotten, whatever epoll says. */
static void test_tls_pause_with_bytes_inside(void **state) {
    (void)state;
    static uint8_t bytes[150000];
    static struct tls_pair pair;
    pair = (struct tls_pair){.server = {.in_input = pause_input}};
    make_tls(&pair, 0);
    turns(6);
    assert_int_equal(connection_write(pair.client.connection, bytes, sizeof bytes), 0);
    turns(4);
    assert_int_equal(pair.server.inputs, 1);
    size_t before = pair.server.length;
    assert_true(before < sizeof bytes);
    connection_resume(pair.server.connection);
    for (int i = 0; i < 20; i++) {
        turns(1);
    }
    assert_int_equal(pair.server.length, sizeof bytes);
    free(pair.server.got);
}

static void test_tls_flood_goes_on_in_the_next_turn(void **state) {
    (void)state;
    static uint8_t bytes[2000000];
    static struct tls_pair pair;
    pair = (struct tls_pair){0};
    make_tls(&pair, 1000000);
    turns(6);
    assert_int_equal(connection_write(pair.client.connection, bytes, sizeof bytes), 0);
    for (int i = 0; i < 400 && pair.server.length < sizeof bytes; i++) {
        turns(1);
    }
    assert_int_equal(pair.server.length, sizeof bytes);
    free(pair.server.got);
}

static void test_tls_truncated_end_is_told(void **state) {
    (void)state;
    static struct tls_pair pair;
    pair = (struct tls_pair){0};
    make_tls(&pair, 0);
    turns(6);
    assert_int_equal(shutdown(pair.client_fd, SHUT_WR), 0);
    turns(2);
    assert_int_equal(pair.server.ended, 1);
    connection_close(pair.server.connection, 1000);
    turns(2);
    assert_int_equal(pair.server.reason, 0);
    assert_non_null(strstr(pair.server.detail, "goodbye"));
}

static void test_tls_slow_consumer_counts_sealed_bytes(void **state) {
    (void)state;
    static uint8_t bytes[30000];
    static struct tls_pair pair;
    pair = (struct tls_pair){0};
    make_tls(&pair, 4096);
    turns(30);
    assert_int_equal(pair.client.opened, 1);
    connection_pause(pair.server.connection);
    turns(1);
    assert_int_equal(connection_write(pair.client.connection, bytes, sizeof bytes), 0);
    turns(4);
    assert_true(connection_queued(pair.client.connection) > 0);
    clock_ms += 30000;
    turns(2);
    assert_int_equal(pair.client.closed, 1);
    assert_int_equal(pair.client.reason, -ETIMEDOUT);
    free(pair.server.got);
}

static void test_handshake_deadline(void **state) {
    (void)state;
    int fds[2];
    struct stream *stream = NULL;
    static struct probe probe;
    probe = (struct probe){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(stream_tls_accept(server_context, fds[0], &stream), 0);
    assert_int_equal(connection_new(reactor, stream, &limits, &handler, &probe, &probe.connection), 0);
    assert_true(waits());
    clock_ms += 9999;
    turns(1);
    assert_int_equal(probe.closed, 0);
    clock_ms += 1;
    turns(1);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, -ETIMEDOUT);
    assert_non_null(strstr(probe.detail, "10000 ms"));
    close(fds[1]);
}

static void test_handshake_fails(void **state) {
    (void)state;
    int fds[2];
    struct stream *stream = NULL;
    static struct probe probe;
    probe = (struct probe){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(stream_tls_accept(server_context, fds[0], &stream), 0);
    assert_int_equal(connection_new(reactor, stream, &limits, &handler, &probe, &probe.connection), 0);
    put(fds[1], "GET / HTTP/1.1\r\n\r\n");
    turns(2);
    assert_int_equal(probe.opened, 0);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, -EPROTO);
    assert_non_null(strstr(probe.detail, "plain HTTP"));
    char answer[512] = "";
    assert_true(recv(fds[1], answer, sizeof answer - 1, 0) > 0);
    assert_memory_equal(answer, "HTTP/1.1 400 ", 13);
    assert_non_null(strstr(answer, "\r\n\r\nThis port speaks https"));
    assert_int_equal(recv(fds[1], answer, sizeof answer, 0), 0); /* and that is all */
    close(fds[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_tls_echo),
        CASE(test_tls_pause_with_bytes_inside),
        CASE(test_tls_flood_goes_on_in_the_next_turn),
        CASE(test_tls_truncated_end_is_told),
        CASE(test_tls_slow_consumer_counts_sealed_bytes),
        CASE(test_handshake_deadline),
        CASE(test_handshake_fails),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
