/* connection.h: what is so large that copying it does not pay goes to the stream at once, in its place, and is lost or doubled
 * never. */
#include "connection_fixture.h"

enum { LARGE = 200000 };

static uint8_t bytes[LARGE];

static void fill(void) {
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    }
}

static void test_goes_within_the_turn(void **state) {
    (void)state;
    static uint8_t got[LARGE];
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make(&probe);
    fill();
    assert_int_equal(connection_write(probe.connection, bytes, 60000), 0);
    assert_int_equal(connection_queued(probe.connection), 0);
    assert_int_equal(atomic_load(&budget.used), 0); /* nothing was copied */
    assert_int_equal(drain(fd, got, sizeof got), 60000);
    assert_memory_equal(got, bytes, 60000);
    assert_int_equal(connection_bytes_written(probe.connection), 60000);
    turns(2);
    assert_int_equal(drain(fd, got, sizeof got), 0);
    assert_int_equal(probe.drained, 0);
    close(fd);
}

static void test_goes_behind_what_is_queued(void **state) {
    (void)state;
    static uint8_t got[LARGE];
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make(&probe);
    fill();
    const struct stream_piece pieces[] = {{bytes + 100, 20}, {bytes + 120, 30}, {bytes + 150, 50000}};
    assert_int_equal(connection_write(probe.connection, bytes, 100), 0);
    assert_int_equal(connection_write_pieces(probe.connection, pieces, 3), 0);
    assert_int_equal(connection_write(probe.connection, bytes + 50150, 10), 0);
    assert_int_equal(drain(fd, got, sizeof got), 50150);
    turns(1);
    assert_int_equal(drain(fd, got + 50150, sizeof got), 10);
    assert_memory_equal(got, bytes, 50160);
    close(fd);
}

/* Whatever the socket takes at a time, all of it comes once and in order, large and small. */
static void test_what_is_not_taken_is_queued(void **state) {
    (void)state;
    static uint8_t got[4 * LARGE];
    static struct probe probe;
    for (int sndbuf = 2048; sndbuf <= 32768; sndbuf *= 4) {
        probe = (struct probe){0};
        int fd = make_with(&probe, &handler, &limits, sndbuf);
        turns(1);
        fill();
        assert_int_equal(connection_write(probe.connection, bytes, LARGE), 0);
        size_t left = connection_queued(probe.connection);
        assert_true(left > 0 && left < LARGE);
        assert_true(connection_is_congested(probe.connection));
        assert_int_equal(connection_write(probe.connection, bytes, 77), 0);
        assert_int_equal(connection_write(probe.connection, bytes, LARGE),
                         0); /* behind the rest, though it is large */
        assert_int_equal(connection_queued(probe.connection), left + 77 + LARGE);
        size_t have = 0;
        for (int i = 0; have < 2 * LARGE + 77 && i < 10000; i++) {
            have += drain(fd, got + have, 30000);
            turns(1);
        }
        assert_int_equal(have, 2 * LARGE + 77);
        assert_memory_equal(got, bytes, LARGE);
        assert_memory_equal(got + LARGE, bytes, 77);
        assert_memory_equal(got + LARGE + 77, bytes, LARGE);
        assert_int_equal(probe.drained, 1);
        assert_int_equal(atomic_load(&budget.used), 0);
        connection_abort(probe.connection, 0, NULL);
        turns(1);
        close(fd);
    }
}

/* What was congested hears of it also when it was a large write that emptied the queue. */
static void test_drained_is_told(void **state) {
    (void)state;
    static uint8_t got[LARGE];
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make(&probe);
    fill();
    assert_int_equal(queue_up(probe.connection, bytes, 30000), 0);
    assert_true(connection_is_congested(probe.connection));
    assert_int_equal(connection_write(probe.connection, bytes + 30000, 30000), 0);
    assert_int_equal(connection_queued(probe.connection), 0);
    assert_int_equal(probe.drained, 0); /* not from within a write */
    turns(1);
    assert_int_equal(probe.drained, 1);
    assert_int_equal(drain(fd, got, sizeof got), 60000);
    assert_memory_equal(got, bytes, 60000);
    close(fd);
}

static void test_before_it_is_open(void **state) {
    (void)state;
    static uint8_t got[LARGE];
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make_with(&probe, &handler, &limits, 0);
    fill();
    assert_int_equal(connection_write(probe.connection, bytes, 40000), 0);
    assert_int_equal(connection_queued(probe.connection), 40000);
    turns(1);
    assert_int_equal(drain(fd, got, sizeof got), 40000);
    close(fd);
}

static void write_large(struct probe *probe, size_t length) {
    (void)length;
    assert_int_equal(connection_write(probe->connection, bytes, 40000), -EPIPE);
    assert_int_equal(connection_write(probe->connection, bytes, 40000), -EPIPE);
}

/* A failure is told once, at the turn's end; the handler may go on as if nothing had happened. */
static void test_to_one_that_is_gone(void **state) {
    (void)state;
    static struct probe probe;
    probe = (struct probe){.in_input = write_large};
    int fd = make(&probe);
    put(fd, "a question");
    close(fd);
    turns(1);
    assert_int_equal(probe.inputs, 1);
    assert_int_equal(probe.closed, 1);
    assert_int_equal(probe.reason, -ECONNRESET);
}

static void test_bounds_hold(void **state) {
    (void)state;
    struct connection_limits tight = limits;
    tight.queue_bytes = 50000;
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make_with(&probe, &handler, &tight, 0);
    turns(1);
    assert_int_equal(connection_write(probe.connection, bytes, 50000), 0);
    assert_int_equal(connection_write(probe.connection, bytes, 50001),
                     -ENOBUFS); /* not one that happens to fit */
    turns(1);
    assert_int_equal(probe.reason, -ENOBUFS);
    close(fd);
    probe = (struct probe){0};
    fd = make_with(&probe, &handler, &limits, 2048);
    turns(1);
    budget.limit = 2 * (size_t)BUFFER_BLOCK_MIN;
    assert_int_equal(connection_write(probe.connection, bytes, LARGE), -ENOBUFS); /* its rest has no room */
    turns(1);
    assert_int_equal(probe.reason, -ENOBUFS);
    assert_non_null(strstr(probe.detail, "memory_bytes"));
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_goes_within_the_turn),
        CASE(test_goes_behind_what_is_queued),
        CASE(test_what_is_not_taken_is_queued),
        CASE(test_drained_is_told),
        CASE(test_before_it_is_open),
        CASE(test_to_one_that_is_gone),
        CASE(test_bounds_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
