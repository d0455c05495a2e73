/* A reactor whose clock the test moves, connections over socket pairs, and a handler that notes what comes. */
#ifndef CONNECTION_FIXTURE_H
#define CONNECTION_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/connection.h"

static uint64_t clock_ms;
static struct memory_budget budget;
static struct reactor *reactor;

static inline uint64_t read_clock(void *argument) {
    (void)argument;
    return clock_ms;
}

/* A handler that notes what comes, and does as it is told. Static in each test: the last calls come in teardown. */
struct probe {
    struct connection *connection;
    uint8_t *bytes; /* what on_input was given, while it runs */
    uint8_t *got;
    size_t length, capacity;
    unsigned opened, ended, drained, closed, inputs;
    int reason;
    char detail[256];
    size_t keep;    /* bytes on_input leaves */
    ssize_t refuse; /* what on_input returns instead, when negative */
    void (*in_input)(struct probe *probe, size_t length);
    void (*in_end)(struct probe *probe);
    void (*in_drained)(struct probe *probe);
    void (*in_open)(struct probe *probe);
};

static bool in_call; /* on_closed never comes from within a call the handler made */

static inline void on_open(void *owner) {
    struct probe *probe = owner;
    probe->opened++;
    if (probe->in_open) {
        probe->in_open(probe);
    }
}

static inline ssize_t on_input(void *owner, uint8_t *bytes, size_t length) {
    struct probe *probe = owner;
    probe->inputs++;
    if (probe->in_input) {
        in_call = true;
        probe->bytes = bytes;
        probe->in_input(probe, length);
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

static inline void on_end(void *owner) {
    struct probe *probe = owner;
    probe->ended++;
    if (probe->in_end) {
        probe->in_end(probe);
    }
}

static inline void on_drained(void *owner) {
    struct probe *probe = owner;
    probe->drained++;
    if (probe->in_drained) {
        probe->in_drained(probe);
    }
}

static inline void on_closed(void *owner, int reason, const char *detail) {
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

static inline int setup(void **state) {
    (void)state;
    clock_ms = 1000;
    atomic_store(&budget.used, 0);
    budget.limit = (size_t)64 << 20;
    int r = reactor_new(&budget, &reactor);
    reactor_set_clock(reactor, read_clock, NULL);
    return r;
}

static inline int teardown(void **state) {
    (void)state;
    connection_abort_all(reactor, -ECANCELED, "the test is over");
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_null(*reactor_connections(reactor));
    assert_int_equal(atomic_load(&budget.used), 0);
    reactor_free(reactor);
    return 0;
}

static inline void turns(int count) {
    for (int i = 0; i < count; i++) {
        assert_int_equal(reactor_turn(reactor, 0), 0);
    }
}

/* A connection, and the bare socket at its other end. */
static inline int make_with(struct probe *probe, const struct connection_handler *with,
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

static inline int make(struct probe *probe) {
    int fd = make_with(probe, &handler, &limits, 0);
    assert_int_equal(probe->opened, 0); /* not from within connection_new */
    turns(1);
    assert_int_equal(probe->opened, 1);
    return fd;
}

static inline size_t drain(int fd, uint8_t *out, size_t capacity) {
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

/* Queued bytes: by writes so small that none goes to the stream before the turn's end. */
static inline int queue_up(struct connection *connection, const uint8_t *bytes, size_t length) {
    int r = 0;
    for (size_t done = 0; done < length && r == 0; done += 10000) {
        r = connection_write(connection, bytes + done, length - done < 10000 ? length - done : 10000);
    }
    return r;
}

static inline void put(int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static inline bool peer_sees_end(int fd) {
    char byte;
    return recv(fd, &byte, 1, 0) == 0;
}

/* A turn with nothing to do: 1 when epoll waits, 0 when it would spin. */
static inline bool waits(void) {
    struct timespec begin, end;
    turns(2);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    assert_int_equal(reactor_turn(reactor, 30), 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000 >= 20;
}

static inline void pause_input(struct probe *probe, size_t length) {
    (void)length;
    connection_pause(probe->connection);
    probe->in_input = NULL;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
