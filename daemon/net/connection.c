#include "net/connection.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/connection_internal.h"

enum { DETAIL_MAX = 256 };

static const char *reason_words(const struct connection *connection) {
    if (connection->detail) {
        return connection->detail;
    }
    return connection->reason ? strerror(-connection->reason) : "closed in good order";
}

static void update_interest(struct connection *connection) {
    uint32_t interest = connection->write_wants;
    if (connection_may_read(connection) || connection->state == CONNECTION_CONNECTING) {
        interest |= connection->read_wants;
    }
    if (interest == 0 && !connection->hung_up) {
        interest = EPOLLERR;
    }
    if (connection->state == CONNECTION_CLOSED) {
        interest = 0;
    }
    int r = reactor_watch(connection->reactor, &connection->source, interest);
    if (r < 0) {
        connection_abort(connection, r, "the connection cannot be watched");
    }
}

/* --- opening --------------------------------------------------------------------------------------------------- */

static void continue_handshake(struct connection *connection) {
    int r = stream_handshake(connection->stream);
    if (r == -EAGAIN) {
        connection->read_wants = connection->stream->wants;
        return;
    }
    if (r < 0) {
        connection_fail(connection, r);
        return;
    }
    timer_clear(reactor_timers(connection->reactor), &connection->deadline);
    connection->state = CONNECTION_OPEN;
    connection->read_wants = EPOLLIN;
    if (connection->handler->on_open) {
        connection->handler->on_open(connection->owner);
    }
    if (connection->state == CONNECTION_CLOSED) {
        return;
    }
    /* What was queued meanwhile, and what came along with the handshake's last bytes. */
    reactor_at_turn_end(connection->reactor, &connection->task);
    if (stream_pending(connection->stream) > 0) {
        connection_read(connection);
    }
}

/* --- the turn -------------------------------------------------------------------------------------------------- */

static void finish(struct connection *connection) {
    struct timers *timers = reactor_timers(connection->reactor);
    timer_clear(timers, &connection->deadline);
    timer_clear(timers, &connection->again);
    struct buffer_pool *pool = reactor_pool(connection->reactor);
    buffer_clear(pool, &connection->in);
    buffer_clear(pool, &connection->out);
    (void)reactor_watch(connection->reactor, &connection->source, 0);
    struct stream *stream = connection->stream;
    connection->stream = NULL;
    *connection->link = connection->next;
    if (connection->next) {
        connection->next->link = connection->link;
    }
    reactor_count_connection(connection->reactor, -1);
    connection->handler->on_closed(connection->owner, connection->reason, reason_words(connection));
    stream_close(
        stream); /* last: once the peer sees the end, it may come again, and must not be counted twice */
    reactor_retire(connection->reactor, &connection->retired);
}

static void release(struct reactor_retired *retired) {
    struct connection *connection =
        (struct connection *)(void *)((char *)retired - offsetof(struct connection, retired));
    free(connection->detail);
    free(connection);
}

static void run_task(struct reactor_task *task) {
    struct connection *connection =
        (struct connection *)(void *)((char *)task - offsetof(struct connection, task));
    if (!connection->stream) {
        return;
    }
    if (connection->state == CONNECTION_CONNECTING) {
        if (connection->source.interest == 0) { /* the first time: it may be the peer's turn, or ours */
            continue_handshake(connection);
        }
    } else if (connection->redeliver) {
        connection_deliver(connection);
        if (stream_pending(connection->stream) > 0) {
            connection_read(connection);
        }
    }
    if (connection->state != CONNECTION_CLOSED && connection->state != CONNECTION_CONNECTING) {
        if (connection->write_wants == 0) {
            connection_flush(connection);
        }
        if (connection_is_closing(connection)) {
            buffer_clear(reactor_pool(connection->reactor), &connection->in);
        }
        /* Somebody may have written anew and closed as the queue drained: that goes out in the next turn. */
        if (connection->state == CONNECTION_FLUSHING && connection->write_wants == 0 &&
            connection_queued(connection) == 0) {
            connection_say_goodbye(connection);
        }
    }
    update_interest(connection);
    if (connection->state == CONNECTION_CLOSED) {
        finish(connection);
    }
}

static int socket_error(int fd) {
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) {
        return -errno;
    }
    return -error;
}

/* Hung up or in error, while reading is not what tells of it. */
static void meet_hangup(struct connection *connection, uint32_t events) {
    int error = events & EPOLLERR ? socket_error(connection->source.fd) : 0;
    if (error < 0) {
        connection_fail(connection, error);
    } else if (connection->read_wants == 0) { /* both sides are done */
        connection_abort(connection, connection_queued(connection) > 0 ? -ECONNRESET : 0, NULL);
    } else if (connection->write_wants != 0) {
        connection->write_wants = 0; /* the write says what is the matter */
    } else {
        connection->hung_up = true; /* what it had sent before is read after the pause */
    }
}

static void on_ready(struct reactor_source *source, uint32_t events) {
    struct connection *connection =
        (struct connection *)(void *)((char *)source - offsetof(struct connection, source));
    uint32_t trouble = events & (EPOLLERR | EPOLLHUP);
    if (connection->state == CONNECTION_CLOSED) {
        return;
    }
    if (connection->state == CONNECTION_CONNECTING) {
        continue_handshake(connection);
    } else {
        bool writable = (events & connection->write_wants) != 0;
        if (connection_may_read(connection)) {
            if (trouble || (events & connection->read_wants)) {
                connection_read(connection);
            }
        } else if (trouble) {
            meet_hangup(connection, events);
        }
        if (writable) {
            connection->write_wants = 0;
        }
    }
    /* One write, at the end of the turn; then what to wait for is known. */
    reactor_at_turn_end(connection->reactor, &connection->task);
}

static void on_again(struct timer *timer, uint64_t now) {
    struct connection *connection =
        (struct connection *)(void *)((char *)timer - offsetof(struct connection, again));
    (void)now;
    connection_read(connection);
    reactor_at_turn_end(connection->reactor, &connection->task);
}

static void on_deadline(struct timer *timer, uint64_t now) {
    struct connection *connection =
        (struct connection *)(void *)((char *)timer - offsetof(struct connection, deadline));
    char detail[DETAIL_MAX];
    switch (connection->state) {
    case CONNECTION_CONNECTING:
        snprintf(detail, sizeof detail, "its TLS handshake was not done within %llu ms",
                 (unsigned long long)connection->limits.open_ms);
        connection_abort(connection, -ETIMEDOUT, detail);
        break;
    case CONNECTION_OPEN:
    case CONNECTION_HALF:
        snprintf(detail, sizeof detail,
                 "it took none of the %zu bytes that wait for it in %llu ms (slow_consumer)",
                 connection_queued(connection), (unsigned long long)connection->limits.slow_consumer_ms);
        connection_abort(connection, -ETIMEDOUT, detail);
        break;
    case CONNECTION_FLUSHING:
        snprintf(detail, sizeof detail, "%zu bytes could not be sent before it was to be closed",
                 connection_queued(connection));
        connection_abort(connection, -ETIMEDOUT, detail);
        break;
    case CONNECTION_GOODBYE:
        /* Should the peer send once more, a closed socket answers with a reset: that costs it what it has not acknowledged. */
        if (now < connection->close_due && connection_unacknowledged(connection) > 0 &&
            connection_await_end(connection) == 0) {
            break;
        }
        connection_abort(connection, 0, NULL);
        break;
    case CONNECTION_CLOSED:
        break;
    }
}

/* --- what others call ------------------------------------------------------------------------------------------ */

int connection_new(struct reactor *reactor, struct stream *stream, const struct connection_limits *limits,
                   const struct connection_handler *handler, void *owner,
                   struct connection **ret_connection) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        stream_close(stream);
        return -ENOMEM;
    }
    connection->reactor = reactor;
    connection->stream = stream;
    connection->limits = *limits;
    connection->handler = handler;
    connection->owner = owner;
    connection->state = CONNECTION_CONNECTING;
    connection->read_wants = EPOLLIN;
    connection->source = (struct reactor_source){.fd = stream->fd, .on_ready = on_ready};
    connection->task.run = run_task;
    connection->retired.release = release;
    connection->deadline.on_due = on_deadline;
    connection->again.on_due = on_again;
    int r = timer_set(reactor_timers(reactor), &connection->deadline, reactor_now(reactor) + limits->open_ms);
    if (r < 0) {
        stream_close(stream);
        free(connection);
        return r;
    }
    connection->link = reactor_connections(reactor);
    connection->next = *connection->link;
    if (connection->next) {
        connection->next->link = &connection->next;
    }
    *connection->link = connection;
    reactor_count_connection(reactor, 1);
    reactor_at_turn_end(reactor, &connection->task);
    *ret_connection = connection;
    return 0;
}

void connection_set_limits(struct connection *connection, const struct connection_limits *limits) {
    connection->limits = *limits;
}

void connection_set_handler(struct connection *connection, const struct connection_handler *handler,
                            void *owner) {
    connection->handler = handler;
    connection->owner = owner;
    connection->expected = 0;
    if (buffer_length(&connection->in) > 0) {
        connection->redeliver = true;
        reactor_at_turn_end(connection->reactor, &connection->task);
    }
}

void connection_pause(struct connection *connection) {
    connection->pauses++;
    if (connection->pauses == 1) {
        reactor_at_turn_end(connection->reactor, &connection->task);
    }
}

void connection_resume(struct connection *connection) {
    if (connection->pauses == 0 || --connection->pauses > 0) {
        return;
    }
    connection->hung_up = false;
    connection->redeliver = true;
    reactor_at_turn_end(connection->reactor, &connection->task);
}

void connection_expect(struct connection *connection, size_t bytes) {
    connection->expected = bytes;
}

void connection_close(struct connection *connection, uint64_t deadline_ms) {
    if (connection_is_closing(connection)) {
        return;
    }
    if (connection->state == CONNECTION_CONNECTING) {
        connection_abort(connection, 0, NULL);
        return;
    }
    connection->state = CONNECTION_FLUSHING;
    connection->hung_up = false;
    connection->close_due = reactor_now(connection->reactor) + deadline_ms;
    if (timer_set(reactor_timers(connection->reactor), &connection->deadline, connection->close_due) < 0) {
        connection_abort(connection, -ENOMEM, NULL);
        return;
    }
    reactor_at_turn_end(connection->reactor, &connection->task);
}

void connection_abort(struct connection *connection, int reason, const char *detail) {
    if (connection->state == CONNECTION_CLOSED) {
        return;
    }
    connection->state = CONNECTION_CLOSED;
    connection->reason = reason;
    if (detail || reason != 0) {
        free(connection->detail);
        connection->detail = detail ? strdup(detail) : NULL;
    }
    /* The queue goes at once, for it may be memory that another waits for; input may be in a handler's hands. */
    buffer_clear(reactor_pool(connection->reactor), &connection->out);
    connection->write_wants = 0;
    reactor_at_turn_end(connection->reactor, &connection->task);
}

void connection_abort_all(struct reactor *reactor, int reason, const char *detail) {
    for (struct connection *c = *reactor_connections(reactor); c; c = c->next) {
        connection_abort(c, reason, detail);
    }
}

void connection_set_meters(struct connection *connection, _Atomic uint64_t *read, _Atomic uint64_t *written) {
    connection->read_meter = read;
    connection->written_meter = written;
}

bool connection_peer_name(const struct connection *connection, char *out, size_t size) {
    out[0] = '\0';
    return connection->stream && stream_tls_peer_name(connection->stream, out, size);
}

uint64_t connection_bytes_read(const struct connection *connection) {
    return connection->bytes_read;
}

uint64_t connection_read_at(const struct connection *connection) {
    return connection->read_at;
}

uint64_t connection_bytes_written(const struct connection *connection) {
    return connection->bytes_written;
}
