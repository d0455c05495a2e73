/* connection.h: what is queued and what is read, and the bounds of both: congestion, slow consumers, memory, floods. */
#include "connection_fixture.h"

static void test_congestion_and_draining(void **state) {
    (void)state;
    static uint8_t bytes[300000], got[300000];
    static struct probe probe;
    probe = (struct probe){0};
    int fd = make_with(&probe, &handler, &limits, 4096);
    turns(1);
    assert_false(connection_is_congested(probe.connection));
    assert_int_equal(queue_up(probe.connection, bytes, sizeof bytes), 0);
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
        assert_int_equal(queue_up(probe->connection, bytes, sizeof bytes), 0);
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
    assert_int_equal(queue_up(probe.connection, bytes, sizeof bytes), 0);
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
    assert_int_equal(queue_up(probe.connection, bytes, sizeof bytes), 0);
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
    static uint8_t bytes[400000], got[400000];
    static struct probe full;
    static struct probe modest;
    full = (struct probe){0};
    modest = (struct probe){0};
    budget.limit = 64 * (size_t)BUFFER_BLOCK_MIN;
    int fd1 = make(&full), fd2 = make(&modest);
    assert_int_equal(queue_up(full.connection, bytes, 400000), 0);   /* a block of 32 * BUFFER_BLOCK_MIN */
    assert_int_equal(queue_up(modest.connection, bytes, 240000), 0); /* 16 of it */
    assert_int_equal(queue_up(modest.connection, bytes, 120000), 0); /* grows to 32 */
    turns(1);
    assert_int_equal(full.closed, 1);
    assert_int_equal(full.reason, -ENOBUFS);
    assert_non_null(strstr(full.detail, "memory_bytes"));
    assert_int_equal(modest.closed, 0);
    for (size_t have = 0; have < 360000; turns(1)) {
        have += drain(fd2, got, sizeof got);
    }
    /* The one that asks is the fullest itself. */
    assert_int_equal(queue_up(modest.connection, bytes, 400000), 0);
    assert_int_equal(queue_up(modest.connection, bytes, 400000), -ENOBUFS);
    turns(1);
    assert_int_equal(modest.closed, 1);
    assert_int_equal(modest.reason, -ENOBUFS);
    close(fd1);
    close(fd2);
}

/* What others have put into a queue does not make it the fullest, as long as it is there. */
static void test_what_others_queue_is_not_its_own(void **state) {
    (void)state;
    static uint8_t bytes[400000], got[400000];
    static struct probe worker, hog, asks;
    worker = (struct probe){0};
    hog = (struct probe){0};
    asks = (struct probe){0};
    budget.limit = 64 * (size_t)BUFFER_BLOCK_MIN;
    int fd1 = make(&worker), fd2 = make(&hog), fd3 = make(&asks);
    assert_int_equal(queue_up(worker.connection, bytes, 400000), 0); /* a block of 32 * BUFFER_BLOCK_MIN */
    connection_lend(worker.connection, 400000);
    assert_int_equal(queue_up(hog.connection, bytes, 200000), 0);  /* 16 of it */
    assert_int_equal(queue_up(asks.connection, bytes, 100000), 0); /* 8 of it */
    assert_int_equal(queue_up(asks.connection, bytes, 150000), 0); /* grows to 16 */
    turns(1);
    assert_int_equal(worker.closed, 0);
    assert_int_equal(hog.closed, 1);
    for (size_t have = 0; have < 400000; turns(1)) {
        have += drain(fd1, got, sizeof got);
    }
    assert_int_equal(queue_up(worker.connection, bytes, 400000), 0); /* its own now */
    assert_int_equal(queue_up(asks.connection, bytes, 50000), 0);
    assert_int_equal(queue_up(asks.connection, bytes, 290000), 0);
    turns(1);
    assert_int_equal(worker.closed, 1);
    assert_int_equal(asks.closed, 0);
    close(fd1);
    close(fd2);
    close(fd3);
}

/* When others have taken it all, what holds little goes on, also when somebody asks for less than it holds. */
static void test_who_holds_little_stays(void **state) {
    (void)state;
    static uint8_t bytes[60000];
    static struct probe calls;
    static struct probe asks;
    calls = (struct probe){0};
    asks = (struct probe){0};
    int fd1 = make(&calls), fd2 = make(&asks);
    budget.limit = (size_t)1 << 20;
    atomic_fetch_add(&budget.used, budget.limit); /* another reactor's */
    assert_int_equal(queue_up(calls.connection, bytes, 60000), 0);
    assert_int_equal(queue_up(asks.connection, bytes, 10000), 0);
    turns(1);
    assert_int_equal(calls.closed, 0);
    assert_int_equal(asks.closed, 0);
    atomic_fetch_sub(&budget.used, budget.limit);
    close(fd1);
    close(fd2);
}

static void take_all(struct probe *probe, size_t length) {
    (void)length;
    probe->keep = 4000000;
    connection_expect(probe->connection, 4000000);
}

/* What one of them held comes back at the end of the turn: until then no second one has to go. */
static void test_one_is_enough_for_a_turn(void **state) {
    (void)state;
    static uint8_t bytes[60000];
    static struct probe hogs[2];
    static struct probe asks[3];
    int hog_fds[2], fds[3];
    for (size_t i = 0; i < 2; i++) {
        hogs[i] = (struct probe){.in_input = take_all};
        hog_fds[i] = make(&hogs[i]);
        for (size_t sent = 0; sent < 600000 + 400000 * i; turns(1)) {
            ssize_t n = send(hog_fds[i], bytes, sizeof bytes, 0);
            sent += n > 0 ? (size_t)n : 0;
        }
        turns(8);
    }
    budget.limit = atomic_load(&budget.used);
    for (size_t i = 0; i < 3; i++) {
        asks[i] = (struct probe){0};
        fds[i] = make(&asks[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(queue_up(asks[i].connection, bytes, sizeof bytes), 0);
    }
    turns(1);
    assert_int_equal(hogs[0].closed + hogs[1].closed, 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(asks[i].closed, 0);
        close(fds[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        close(hog_fds[i]);
        free(hogs[i].got);
    }
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

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_congestion_and_draining),
        CASE(test_writing_from_within_drained),
        CASE(test_slow_consumer),
        CASE(test_no_deadline_when_idle),
        CASE(test_queue_bytes),
        CASE(test_fullest_goes_first),
        CASE(test_what_others_queue_is_not_its_own),
        CASE(test_who_holds_little_stays),
        CASE(test_one_is_enough_for_a_turn),
        CASE(test_input_without_memory),
        CASE(test_flood_is_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
