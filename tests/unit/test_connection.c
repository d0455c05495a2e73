/* connection.h: every way a connection may live and end, over socket pairs, in turns of a real reactor whose clock the
 * test moves. */
#include "tls_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/connection.h"
#include "net/tls_context.h"

static uint64_t clock_ms;
static struct memory_budget budget;
static struct reactor *reactor;
static struct tls_context *server_context, *client_context;

static uint64_t read_clock(void *argument) {
    (void)argument;
    return clock_ms;
}

/* A handler that notes what comes, and does as it is told. Static in each test: the last calls come in teardown. */
struct probe {
    struct connection *connection;
    uint8_t *got;
    size_t length, capacity;
    unsigned opened, ended, drained, closed, inputs;
    int reason;
    char detail[256];
    size_t keep;    /* bytes on_input leaves */
    ssize_t refuse; /* what on_input returns instead, when negative */
    void (*in_input)(struct probe *probe, uint8_t *bytes, size_t length);
    void (*in_end)(struct probe *probe);
    void (*in_drained)(struct probe *probe);
    void (*in_open)(struct probe *probe);
};

static bool in_call; /* on_closed never comes from within a call the handler made */

static void on_open(void *owner) {
    struct probe *probe = owner;
    probe->opened++;
    if (probe->in_open) {
        probe->in_open(probe);
    }
}

static ssize_t on_input(void *owner, uint8_t *bytes, size_t length) {
    struct probe *probe = owner;
    probe->inputs++;
    if (probe->in_input) {
        in_call = true;
        probe->in_input(probe, bytes, length);
        in_call = false;
    }
    if (probe->refuse < 0) {
        return probe->refuse;
    }
    size_t take = length > probe->keep ? length - probe->keep : 0;
    if (probe->length + take > probe->capacity) {
        probe->capacity = (probe->length + take) * 2;
        probe->got = realloc(probe->got, probe->capacity);
    }
    if (take > 0) {
        memcpy(probe->got + probe->length, bytes, take);
    }
    probe->length += take;
    return (ssize_t)take;
}

static void on_end(void *owner) {
    struct probe *probe = owner;
    probe->ended++;
    if (probe->in_end) {
        probe->in_end(probe);
    }
}

static void on_drained(void *owner) {
    struct probe *probe = owner;
    probe->drained++;
    if (probe->in_drained) {
        probe->in_drained(probe);
    }
}

static void on_closed(void *owner, int reason, const char *detail) {
    struct probe *probe = owner;
    assert_false(in_call);
    assert_int_equal(probe->closed, 0);
    assert_non_null(detail);
    probe->closed++;
    probe->reason = reason;
    snprintf(probe->detail, sizeof probe->detail, "%s", detail);
    /* The last moment it may be touched: nothing of this may do harm. */
    assert_int_equal(connection_write(probe->connection, "x", 1), -EPIPE);
    connection_close(probe->connection, 10);
    connection_abort(probe->connection, -EIO, "again");
    connection_pause(probe->connection);
    connection_resume(probe->connection);
    assert_int_equal(connection_queued(probe->connection), 0);
    probe->connection = NULL;
}

static const struct connection_handler handler = {.on_open = on_open,
                                                  .on_input = on_input,
                                                  .on_end = on_end,
                                                  .on_drained = on_drained,
                                                  .on_closed = on_closed};
static const struct connection_handler handler_without_end = {.on_input = on_input, .on_closed = on_closed};

static const struct connection_limits limits = {
    .queue_high = 20000, .queue_bytes = 4000000, .slow_consumer_ms = 30000, .open_ms = 10000};

static int setup(void **state) {
    (void)state;
    clock_ms = 1000;
    atomic_store(&budget.used, 0);
    budget.limit = 64 * 1024 * 1024;
    int r = reactor_new(&budget, &reactor);
    reactor_set_clock(reactor, read_clock, NULL);
    return r;
}

static int teardown(void **state) {
    (void)state;
    connection_abort_all(reactor, -ECANCELED, "the test is over");
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_null(*reactor_connections(reactor));
    assert_int_equal(atomic_load(&budget.used), 0);
    reactor_free(reactor);
    return 0;
}

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

static void turns(int count) {
    for (int i = 0; i < count; i++) {
        assert_int_equal(reactor_turn(reactor, 0), 0);
    }
}

/* A connection, and the bare socket at its other end. */
static int make_with(struct probe *probe, const struct connection_handler *with,
                     const struct connection_limits *bounds, int sndbuf) {
    int fds[2];
    struct stream *stream = NULL;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    if (sndbuf) {
        assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof sndbuf), 0);
    }
    assert_int_equal(stream_tcp_new(fds[0], &stream), 0);
    assert_int_equal(connection_new(reactor, stream, bounds, with, probe, &probe->connection), 0);
    return fds[1];
}

static int make(struct probe *probe) {
    int fd = make_with(probe, &handler, &limits, 0);
    assert_int_equal(probe->opened, 0); /* not from within connection_new */
    turns(1);
    assert_int_equal(probe->opened, 1);
    return fd;
}

static size_t drain(int fd, uint8_t *out, size_t capacity) {
    size_t have = 0;
    while (have < capacity) {
        ssize_t n = recv(fd, out + have, capacity - have, 0);
        if (n <= 0) {
            break;
        }
        have += (size_t)n;
    }
    return have;
}

static void put(int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static bool peer_sees_end(int fd) {
    char byte;
    return recv(fd, &byte, 1, 0) == 0;
}

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
    assert_ptr_equal(connection_reactor(probe.connection), reactor);
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

static void expect_seven(struct probe *probe, uint8_t *bytes, size_t length) {
    (void)bytes;
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

static void expect_much(struct probe *probe, uint8_t *bytes, size_t length) {
    (void)bytes;
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

static void hand_over(struct probe *probe, uint8_t *bytes, size_t length) {
    (void)bytes;
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

static void test_handler_swap_from_outside(void **state) {
    (void)state;
    second = (struct probe){0};
    static struct probe probe;
    probe = (struct probe){.keep = 6};
    int fd = make(&probe);
    put(fd, "GETxyz");
    turns(1);
    hand_over(&probe, NULL, 0);
    assert_int_equal(second.inputs, 0);
    turns(1);
    assert_int_equal(second.inputs, 1);
    assert_memory_equal(second.got, "GETxyz", 6);
    close(fd);
    free(probe.got);
    free(second.got);
}

static void pause_input(struct probe *probe, uint8_t *bytes, size_t length) {
    (void)bytes;
    (void)length;
    connection_pause(probe->connection);
    probe->in_input = NULL;
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

/* A turn with nothing to do: 1 when epoll waits, 0 when it would spin. */
static bool waits(void) {
    struct timespec begin, end;
    turns(2);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    assert_int_equal(reactor_turn(reactor, 30), 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000 >= 20;
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

static void abort_and_touch(struct probe *probe, uint8_t *bytes, size_t length) {
    connection_write(probe->connection, "gone", 4);
    connection_abort(probe->connection, -EBADMSG, "said so");
    memset(bytes, 0, length); /* they are the handler's until it returns */
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

static void close_in_input(struct probe *probe, uint8_t *bytes, size_t length) {
    (void)bytes;
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

static void test_congestion_and_draining(void **state) {
    (void)state;
    static uint8_t bytes[300000], got[300000];
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make_with(&probe, &handler, &limits, 4096);
    turns(1);
    assert_false(connection_is_congested(probe.connection));
    assert_int_equal(connection_write(probe.connection, bytes, sizeof bytes), 0);
    assert_true(connection_is_congested(probe.connection));
    turns(2);
    assert_true(waits()); /* EPOLLOUT is not told while it is full */
    assert_int_equal(probe.drained, 0);
    size_t have = 0;
    while (have < sizeof bytes) {
        have += drain(fd, got, sizeof got);
        turns(1);
        assert_int_equal(probe.drained, connection_queued(probe.connection) <= 10000);
    }
    assert_int_equal(probe.drained, 1);
    assert_int_equal(atomic_load(&budget.used), 0);
    close(fd);
}

static void write_more(struct probe *probe) {
    static uint8_t bytes[30000];
    if (probe->drained < 4) {
        assert_int_equal(connection_write(probe->connection, bytes, sizeof bytes), 0);
    }
}

static void test_writing_from_within_drained(void **state) {
    (void)state;
    static uint8_t got[300000];
    static struct probe probe;
    probe = (struct probe){.in_drained = write_more};
    int fd = make(&probe);
    write_more(&probe);
    size_t have = 0;
    for (int i = 0; i < 100; i++) {
        turns(1);
        have += drain(fd, got, sizeof got);
    }
    assert_int_equal(have, 4 * 30000);
    assert_int_equal(probe.drained, 4);
    close(fd);
}

static void test_slow_consumer(void **state) {
    (void)state;
    static uint8_t bytes[300000], got[20000];
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make_with(&probe, &handler, &limits, 4096);
    turns(1);
    assert_int_equal(connection_write(probe.connection, bytes, sizeof bytes), 0);
    turns(1);
    for (int i = 0; i < 5; i++) { /* as long as it takes something, it may take its time */
        clock_ms += 29999;
        turns(1);
        assert_int_equal(probe.closed, 0);
        drain(fd, got, sizeof got);
        turns(2);
    }
    assert_int_equal(connection_write(probe.connection, bytes, 10), 0); /* no progress of the peer's */
    clock_ms += 30000;
    turns(2);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, -ETIMEDOUT);
    assert_non_null(strstr(probe.detail, "slow_consumer"));
    close(fd);
}

static void test_no_deadline_when_idle(void **state) {
    (void)state;
    static uint8_t bytes[30000], got[30000];
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make_with(&probe, &handler, &limits, 4096);
    turns(1);
    assert_int_equal(connection_write(probe.connection, bytes, sizeof bytes), 0);
    for (size_t have = 0; have < sizeof bytes; turns(1)) {
        have += drain(fd, got, sizeof got);
    }
    turns(1);
    clock_ms += 10000000;
    turns(2);
    assert_int_equal(probe.closed, 0);
    close(fd);
}

static void test_queue_bytes(void **state) {
    (void)state;
    struct connection_limits tight = limits;
    tight.queue_bytes = 1000;
    char bytes[1000] = "";
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make_with(&probe, &handler, &tight, 0);
    turns(1);
    assert_int_equal(connection_write(probe.connection, bytes, 1000), 0);
    assert_int_equal(connection_write(probe.connection, bytes, 1), -ENOBUFS);
    assert_int_equal(connection_write(probe.connection, bytes, 1), -EPIPE);
    assert_int_equal(probe.closed, 0);
    turns(1);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, -ENOBUFS);
    assert_non_null(strstr(probe.detail, "queue_bytes"));
    close(fd);
}

static void test_fullest_goes_first(void **state) {
    (void)state;
    static uint8_t bytes[100000];
    static struct probe full;
    static struct probe modest;
    full = (struct probe){0};
    modest = (struct probe){0};
    budget.limit = 262144;
    int fd1 = make(&full), fd2 = make(&modest);
    assert_int_equal(connection_write(full.connection, bytes, 100000), 0);  /* a block of 131072 */
    assert_int_equal(connection_write(modest.connection, bytes, 60000), 0); /* 65536 */
    assert_int_equal(connection_write(modest.connection, bytes, 30000), 0); /* grows to 131072 */
    turns(1);
    assert_int_equal(full.closed, 1);
    assert_int_equal(full.reason, -ENOBUFS);
    assert_non_null(strstr(full.detail, "memory_bytes"));
    assert_int_equal(modest.closed, 0);
    static uint8_t got[200000];
    assert_int_equal(drain(fd2, got, sizeof got), 90000);
    /* The one that asks is the fullest itself. */
    assert_int_equal(connection_write(modest.connection, bytes, 100000), 0);
    assert_int_equal(connection_write(modest.connection, bytes, 100000), -ENOBUFS);
    turns(1);
    assert_int_equal(modest.closed, 1);
    assert_int_equal(modest.reason, -ENOBUFS);
    close(fd1);
    close(fd2);
}

static void test_input_without_memory(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make(&probe);
    budget.limit = 0;
    put(fd, "abc");
    turns(1);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, -ENOBUFS);
    close(fd);
}

/* A flood of one is a fair share of a turn, and another is served in it. */
static void test_flood_is_shared(void **state) {
    (void)state;
    static uint8_t bytes[400000];
    static struct probe flood;
    static struct probe other;
    flood = (struct probe){0};
    other = (struct probe){0};
    int fd1 = make(&flood), fd2 = make(&other);
    int size = 2000000;
    setsockopt(fd1, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    size_t sent = 0;
    for (ssize_t n = 1; n > 0 && sent < 4 * sizeof bytes;) {
        n = send(fd1, bytes, sizeof bytes, 0);
        sent += n > 0 ? (size_t)n : 0;
    }
    put(fd2, "me too");
    turns(1);
    assert_int_equal(other.length, 6);
    assert_true(flood.length <= 400000);
    turns(20);
    assert_int_equal(flood.length, sent);
    close(fd1);
    close(fd2);
    free(flood.got);
    free(other.got);
}

/* --- with TLS at both ends ------------------------------------------------------------------------------------- */

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
    close(fds[1]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_input_and_output),
        CASE(test_written_before_open),
        CASE(test_left_bytes_come_again_with_more),
        CASE(test_expect_is_not_called_in_vain),
        CASE(test_expected_room_is_earned),
        CASE(test_handler_swap_with_leftover),
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
        CASE(test_close_while_queued),
        CASE(test_close_with_unread_queue_says_so),
        CASE(test_close_before_open),
        CASE(test_abort_from_within_input),
        CASE(test_input_refused),
        CASE(test_close_from_within_callbacks),
        CASE(test_congestion_and_draining),
        CASE(test_writing_from_within_drained),
        CASE(test_slow_consumer),
        CASE(test_no_deadline_when_idle),
        CASE(test_queue_bytes),
        CASE(test_fullest_goes_first),
        CASE(test_input_without_memory),
        CASE(test_flood_is_shared),
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
