/* connection.h: every way a connection may live and end. */
#include "connection_fixture.h"

#include <netinet/in.h>

static void test_input_and_output(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make(&probe);
    uint8_t got[64];
    put(fd, "hello");
    turns(1);
    assert_memory_equal(probe.got, "hello", 5);
    assert_int_equal(atomic_load(&budget.used), 0); /* idle: no buffer */
    assert_int_equal(connection_write(probe.connection, "a", 1), 0);
    assert_int_equal(connection_write(probe.connection, "bc", 2), 0);
    assert_int_equal(connection_write(probe.connection, "", 0), 0);
    assert_int_equal(connection_queued(probe.connection), 3);
    assert_int_equal(drain(fd, got, sizeof got), 0); /* only queued */
    turns(1);
    assert_int_equal(drain(fd, got, sizeof got), 3);
    assert_memory_equal(got, "abc", 3);
    assert_int_equal(connection_queued(probe.connection), 0);
    assert_int_equal(atomic_load(&budget.used), 0);
    assert_int_equal(connection_bytes_read(probe.connection), 5);
    assert_int_equal(connection_bytes_written(probe.connection), 3);
    connection_abort(probe.connection, -ECANCELED, "enough");
    assert_int_equal(probe.closed, 0);
    turns(1);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, -ECANCELED);
    assert_string_equal(probe.detail, "enough");
    assert_true(peer_sees_end(fd));
    close(fd);
    free(probe.got);
}

/* By which those that accept share what comes. */
static void test_connections_are_counted(void **state) {
    (void)state;
    static struct probe one, two;
    struct reactor *other = NULL;
    assert_int_equal(reactor_new(&budget, &other), 0);
    int fd = make(&one), second = make(&two);
    assert_int_equal(reactor_surplus(reactor), 2);
    assert_int_equal(reactor_surplus(other), 0);
    connection_abort(one.connection, 0, NULL);
    turns(1);
    assert_int_equal(reactor_surplus(reactor), 1);
    reactor_free(other);
    assert_int_equal(reactor_surplus(reactor), 0); /* nobody is left to have fewer */
    close(fd);
    close(second);
}

static void test_written_before_open(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){0};
    uint8_t got[8];
    int fd = make_with(&probe, &handler, &limits, 0);
    assert_int_equal(connection_write(probe.connection, "early", 5), 0);
    turns(2);
    assert_int_equal(drain(fd, got, sizeof got), 5);
    close(fd);
}

static void test_left_bytes_come_again_with_more(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){.keep = 2};
    int fd = make(&probe);
    put(fd, "abcd");
    turns(2);
    assert_int_equal(probe.inputs, 1);
    assert_int_equal(probe.length, 2);
    assert_int_equal(atomic_load(&budget.used), BUFFER_BLOCK_MIN);
    put(fd, "ef");
    turns(1);
    assert_int_equal(probe.inputs, 2);
    assert_memory_equal(probe.got, "abcd", 4);
    close(fd);
    turns(1);
    assert_int_equal(probe.ended, 1);
    free(probe.got);
}

static void expect_seven(struct probe *probe, size_t length) {
    probe->keep = length < 7 ? length : 0;
    if (length < 7) {
        connection_expect(probe->connection, 7);
    }
}

static void test_expect_is_not_called_in_vain(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){.in_input = expect_seven};
    int fd = make(&probe);
    for (int i = 0; i < 6; i++) {
        put(fd, "x");
        turns(1);
        assert_int_equal(probe.inputs, 1);
    }
    put(fd, "x");
    turns(1);
    assert_int_equal(probe.inputs, 2);
    assert_int_equal(probe.length, 7);
    close(fd);
    free(probe.got);
}

static void expect_much(struct probe *probe, size_t length) {
    probe->keep = length < 1000000 ? length : 0;
    connection_expect(probe->connection, probe->keep ? 1000000 : 0);
}

/* What a peer announces costs no memory before it has sent it. */
static void test_expected_room_is_earned(void **state) {
    (void)state;
    static uint8_t bytes[1000000];
    static struct probe probe;
    probe = (struct probe){.in_input = expect_much};
    int fd = make(&probe);
    put(fd, "x");
    turns(3);
    assert_true(atomic_load(&budget.used) <= 131072);
    size_t sent = 1;
    while (sent < sizeof bytes) {
        ssize_t n = send(fd, bytes, sizeof bytes - sent, 0);
        sent += n > 0 ? (size_t)n : 0;
        turns(1);
        assert_true(atomic_load(&budget.used) <= 4 * sent + 262144);
    }
    turns(8);
    assert_int_equal(probe.length, 1000000);
    assert_int_equal(probe.inputs, 2);
    close(fd);
    free(probe.got);
}

static struct probe second;

static void hand_over(struct probe *probe, size_t length) {
    (void)length;
    second.connection = probe->connection;
    connection_set_handler(probe->connection, &handler, &second);
}

static void test_handler_swap_with_leftover(void **state) {
    (void)state;
    second = (struct probe){0};
    static struct probe probe;
    probe = (struct probe){.in_input = hand_over, .keep = 3};
    int fd = make(&probe);
    put(fd, "GETxyz");
    turns(1);
    assert_int_equal(probe.inputs, 1);
    assert_int_equal(second.inputs, 1);
    assert_memory_equal(second.got, "xyz", 3);
    close(fd);
    turns(2);
    assert_int_equal(probe.ended, 0);
    assert_int_equal(second.ended, 1);
    free(probe.got);
    free(second.got);
}

static void test_handler_swap_where_the_new_one_waits(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){.in_input = hand_over, .keep = 3};
    second = (struct probe){.keep = 3};
    int fd = make(&probe);
    put(fd, "GETxyz");
    turns(3);
    assert_int_equal(second.inputs, 1); /* with what was left, and not again without more */
    put(fd, "!");
    turns(1);
    assert_int_equal(second.inputs, 2);
    assert_memory_equal(second.got, "x", 1);
    close(fd);
    free(probe.got);
    free(second.got);
}

static void test_handler_swap_from_outside(void **state) {
    (void)state;
    second = (struct probe){0};
    static struct probe probe;
    probe = (struct probe){.keep = 6};
    int fd = make(&probe);
    put(fd, "GETxyz");
    turns(1);
    hand_over(&probe, 0);
    assert_int_equal(second.inputs, 0);
    turns(1);
    assert_int_equal(second.inputs, 1);
    assert_memory_equal(second.got, "GETxyz", 6);
    close(fd);
    free(probe.got);
    free(second.got);
}

static void test_pause_is_counted_and_holds_bytes(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){.in_input = pause_input, .keep = 4};
    int fd = make(&probe);
    put(fd, "abcd");
    turns(1);
    assert_int_equal(probe.inputs, 1);
    put(fd, "efgh");
    turns(3);
    assert_int_equal(probe.inputs, 1);
    probe.keep = 0;
    connection_pause(probe.connection);
    connection_resume(probe.connection);
    turns(3);
    assert_int_equal(probe.inputs, 1);
    connection_resume(probe.connection);
    connection_resume(probe.connection); /* one too many is no harm */
    turns(1);
    assert_memory_equal(probe.got, "abcd", 4); /* what was held, without new bytes */
    turns(1);
    assert_memory_equal(probe.got, "abcdefgh", 8);
    close(fd);
    free(probe.got);
}

static void test_end_while_paused_waits_and_does_not_spin(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make(&probe);
    connection_pause(probe.connection);
    turns(1);
    put(fd, "last words");
    close(fd);
    assert_true(waits());
    assert_int_equal(probe.ended, 0);
    assert_int_equal(probe.closed, 0);
    connection_resume(probe.connection);
    turns(3);
    assert_int_equal(probe.length, 10);
    assert_int_equal(probe.ended, 1);
    free(probe.got);
}

static void test_write_to_one_that_left_while_paused(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make(&probe);
    connection_pause(probe.connection);
    turns(1);
    close(fd);
    turns(2);
    assert_int_equal(connection_write(probe.connection, "x", 1), 0);
    turns(1);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, -ECONNRESET);
}

static void test_reset_while_paused_is_noticed(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make(&probe);
    connection_pause(probe.connection);
    assert_int_equal(connection_write(probe.connection, "unread", 6), 0);
    turns(1);
    close(fd); /* with bytes it has not read: a reset */
    turns(2);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, -ECONNRESET);
}

static void test_half_closed_can_be_written_to(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){0};
    uint8_t got[8];
    int fd = make(&probe);
    put(fd, "ask");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    turns(2);
    assert_int_equal(probe.length, 3);
    assert_int_equal(probe.ended, 1);
    assert_int_equal(probe.closed, 0);
    assert_true(waits());
    assert_int_equal(connection_write(probe.connection, "answer", 6), 0);
    connection_close(probe.connection, 1000);
    turns(2);
    assert_int_equal(drain(fd, got, sizeof got), 6);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, 0);
    close(fd);
    free(probe.got);
}

static void test_gone_for_good_when_half_closed(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make(&probe);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    turns(2);
    assert_int_equal(probe.ended, 1);
    close(fd);
    turns(2);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, 0);
}

static void test_end_without_on_end_flushes_and_closes(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){0};
    uint8_t got[8];
    int fd = make_with(&probe, &handler_without_end, &limits, 0);
    assert_int_equal(connection_write(probe.connection, "answer", 6), 0);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    turns(3);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, 0);
    assert_int_equal(drain(fd, got, sizeof got), 6);
    close(fd);
}

static void test_close_waits_for_the_peers_end(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){0};
    uint8_t got[8];
    int fd = make(&probe);
    assert_int_equal(connection_write(probe.connection, "bye", 3), 0);
    connection_close(probe.connection, 1000);
    connection_close(probe.connection, 1);
    assert_int_equal(connection_write(probe.connection, "x", 1), -EPIPE);
    turns(1);
    assert_int_equal(drain(fd, got, sizeof got), 3);
    assert_true(peer_sees_end(fd));
    put(fd, "nobody reads this");
    turns(2);
    assert_int_equal(probe.inputs, 0);
    assert_int_equal(probe.closed, 0);
    assert_true(waits());
    close(fd);
    turns(2);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, 0);
}

static void test_close_does_not_wait_for_ever(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make(&probe);
    connection_close(probe.connection, 1000);
    turns(1);
    clock_ms += 999;
    turns(2);
    assert_int_equal(probe.closed, 0);
    clock_ms += 1;
    turns(1);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, 0); /* all was sent */
    close(fd);
}

static const struct connection_limits with_goodbye = {.queue_high = 20000,
                                                      .queue_bytes = 4000000,
                                                      .slow_consumer_ms = 30000,
                                                      .open_ms = 10000,
                                                      .goodbye_ms = 1000};

static void test_close_waits_less_where_a_goodbye_is_bounded(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make_with(&probe, &handler, &with_goodbye, 0);
    turns(1);
    connection_close(probe.connection, 10000);
    turns(1);
    clock_ms += 999;
    turns(2);
    assert_int_equal(probe.closed, 0);
    clock_ms += 1;
    turns(1);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, 0);
    close(fd);
}

enum { SLOW_BYTES = 100000 };

/* TCP, over which a peer that sends to a closed socket is answered with a reset. It closes behind more than the peer has room for,
 * all of which the system has taken. The peer's socket. */
static int close_before_slow_peer(struct probe *probe) {
    static uint8_t bytes[SLOW_BYTES];
    const int little = 2304, much = 4 * SLOW_BYTES;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct stream *stream = NULL;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    *probe = (struct probe){0};
    int accepted = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_int_equal(setsockopt(accepted, SOL_SOCKET, SO_SNDBUF, &much, sizeof much), 0);
    close(listening);
    assert_int_equal(stream_tcp_new(accepted, &stream), 0);
    assert_int_equal(connection_new(reactor, stream, &with_goodbye, &handler, probe, &probe->connection), 0);
    turns(1);
    assert_int_equal(connection_write(probe->connection, bytes, sizeof bytes), 0);
    connection_close(probe->connection, 10000);
    turns(1);
    assert_int_equal(connection_queued(probe->connection), 0);
    return fd;
}

static void test_goodbye_begins_when_all_is_acknowledged(void **state) {
    (void)state;
    static struct probe probe;
    int fd = close_before_slow_peer(&probe);
    for (int i = 0; i < 3; i++) {
        clock_ms += 1000;
        turns(2);
        assert_int_equal(probe.closed, 0);
    }
    put(fd, "one more");
    uint8_t got[4096];
    size_t have = 0;
    ssize_t n;
    while ((n = recv(fd, got, sizeof got, 0)) > 0) {
        have += (size_t)n;
        turns(1);
    }
    assert_int_equal(n, 0);
    assert_int_equal(have, SLOW_BYTES);
    while (connection_unacknowledged(probe.connection) > 0) {
        turns(1);
    }
    assert_int_equal(probe.closed, 0);
    clock_ms += 1000;
    turns(1);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, 0);
    close(fd);
}

static void test_what_is_never_acknowledged_is_waited_for_until_the_deadline(void **state) {
    (void)state;
    static struct probe probe;
    int fd = close_before_slow_peer(&probe);
    for (int i = 0; i < 19; i++) {
        clock_ms += 500;
        turns(1);
        assert_int_equal(probe.closed, 0);
    }
    clock_ms += 500;
    turns(1);
    assert_int_equal(probe.closed, 1);
    close(fd);
}

static void test_close_while_queued(void **state) {
    (void)state;
    static uint8_t bytes[300000], got[300001];
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make_with(&probe, &handler, &limits, 4096);
    turns(1);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i % 251);
    }
    assert_int_equal(connection_write(probe.connection, bytes, sizeof bytes), 0);
    connection_close(probe.connection, 1000);
    size_t have = 0;
    for (int i = 0; i < 2000 && have < sizeof bytes; i++) {
        turns(1);
        have += drain(fd, got + have, sizeof got - have);
    }
    assert_int_equal(have, sizeof bytes);
    assert_memory_equal(got, bytes, sizeof bytes);
    turns(1);
    assert_true(peer_sees_end(fd));
    close(fd);
    turns(2);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, 0);
}

static void test_close_with_unread_queue_says_so(void **state) {
    (void)state;
    static uint8_t bytes[300000];
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make_with(&probe, &handler, &limits, 4096);
    turns(1);
    assert_int_equal(connection_write(probe.connection, bytes, sizeof bytes), 0);
    connection_close(probe.connection, 50);
    turns(2);
    clock_ms += 50;
    turns(2);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, -ETIMEDOUT);
    assert_non_null(strstr(probe.detail, "could not be sent"));
    close(fd);
}

static void test_close_before_open(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make_with(&probe, &handler, &limits, 0);
    connection_close(probe.connection, 1000);
    turns(1);
    assert_int_equal(probe.opened, 0);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, 0);
    close(fd);
}

static void abort_and_touch(struct probe *probe, size_t length) {
    connection_write(probe->connection, "gone", 4);
    connection_abort(probe->connection, -EBADMSG, "said so");
    memset(probe->bytes, 0, length); /* they are the handler's until it returns */
    assert_int_equal(connection_write(probe->connection, "x", 1), -EPIPE);
}

static void test_abort_from_within_input(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){.in_input = abort_and_touch};
    int fd = make(&probe);
    put(fd, "abc");
    turns(1);
    assert_int_equal(probe.inputs, 1);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, -EBADMSG);
    assert_string_equal(probe.detail, "said so");
    close(fd);
    free(probe.got);
}

static void test_input_refused(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){.refuse = -EPROTO};
    int fd = make(&probe);
    put(fd, "abc");
    turns(1);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, -EPROTO);
    close(fd);
}

static void close_at_once(struct probe *probe) {
    connection_close(probe->connection, 100);
}

static void close_in_input(struct probe *probe, size_t length) {
    (void)length;
    connection_write(probe->connection, "ok", 2);
    close_at_once(probe);
}

static void test_close_from_within_callbacks(void **state) {
    (void)state;
    uint8_t got[8];
    static struct probe probe;
    probe = (struct probe){.in_input = close_in_input, .keep = 2};
    int fd = make(&probe);
    put(fd, "abcd");
    turns(1);
    assert_int_equal(drain(fd, got, sizeof got), 2);
    close(fd);
    turns(1);
    assert_int_equal(probe.closed, 1);
    free(probe.got);
    static struct probe at_end;
    at_end = (struct probe){.in_end = close_at_once};
    fd = make(&at_end);
    close(fd);
    turns(2);
    assert_int_equal(at_end.closed, 1);
    static struct probe at_open;
    at_open = (struct probe){.in_open = close_at_once};
    fd = make(&at_open);
    close(fd);
    turns(2);
    assert_int_equal(at_open.closed, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_input_and_output),
        CASE(test_connections_are_counted),
        CASE(test_written_before_open),
        CASE(test_left_bytes_come_again_with_more),
        CASE(test_expect_is_not_called_in_vain),
        CASE(test_expected_room_is_earned),
        CASE(test_handler_swap_with_leftover),
        CASE(test_handler_swap_where_the_new_one_waits),
        CASE(test_handler_swap_from_outside),
        CASE(test_pause_is_counted_and_holds_bytes),
        CASE(test_end_while_paused_waits_and_does_not_spin),
        CASE(test_write_to_one_that_left_while_paused),
        CASE(test_reset_while_paused_is_noticed),
        CASE(test_half_closed_can_be_written_to),
        CASE(test_gone_for_good_when_half_closed),
        CASE(test_end_without_on_end_flushes_and_closes),
        CASE(test_close_waits_for_the_peers_end),
        CASE(test_close_does_not_wait_for_ever),
        CASE(test_close_waits_less_where_a_goodbye_is_bounded),
        CASE(test_goodbye_begins_when_all_is_acknowledged),
        CASE(test_what_is_never_acknowledged_is_waited_for_until_the_deadline),
        CASE(test_close_while_queued),
        CASE(test_close_with_unread_queue_says_so),
        CASE(test_close_before_open),
        CASE(test_abort_from_within_input),
        CASE(test_input_refused),
        CASE(test_close_from_within_callbacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
