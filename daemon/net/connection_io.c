/* Reading and writing of connections: what is given to the handler, and what is queued. */
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "net/connection_internal.h"

enum {
    STRAIGHT_MIN = 24576,   /* bytes: about where a copy costs as much as a system call */
    READ_TURN_MAX = 262144, /* bytes a connection may read in one turn, so that the others get theirs */
    DISCARD_SIZE = 16384,
    DETAIL_MAX = 256,
};

bool connection_is_closing(const struct connection *connection) {
    return connection->state >= CONNECTION_FLUSHING;
}

bool connection_may_read(const struct connection *connection) {
    if (connection->read_wants == 0) {
        return false;
    }
    switch (connection->state) {
    case CONNECTION_OPEN:
        return connection->pauses == 0;
    case CONNECTION_FLUSHING:
    case CONNECTION_GOODBYE:
        return true;
    case CONNECTION_CONNECTING:
    case CONNECTION_HALF:
    case CONNECTION_CLOSED:
        break;
    }
    return false;
}

void connection_fail(struct connection *connection, int reason) {
    connection_abort(connection, reason, reason == -EPROTO ? stream_error(connection->stream) : NULL);
}

size_t connection_queued(const struct connection *connection) {
    size_t length = buffer_length(&connection->out);
    return connection->stream ? length + connection->stream->unsent : length;
}

size_t connection_unacknowledged(const struct connection *connection) {
    int sent = 0;
    if (!connection->stream || ioctl(connection->source.fd, SIOCOUTQ, &sent) < 0 || sent < 0) {
        sent = 0;
    }
    return connection_queued(connection) + (size_t)sent;
}

/* No other thread writes there: a load and a store. */
static void add_to_meter(_Atomic uint64_t *meter, size_t bytes) {
    if (meter) {
        atomic_store_explicit(meter, atomic_load_explicit(meter, memory_order_relaxed) + bytes,
                              memory_order_relaxed);
    }
}

/* --- reading --------------------------------------------------------------------------------------------------- */

void connection_deliver(struct connection *connection) {
    while ((connection->state == CONNECTION_OPEN || connection->state == CONNECTION_HALF) &&
           connection->pauses == 0) {
        size_t length = buffer_length(&connection->in);
        if (length == 0 || length < connection->expected) {
            return;
        }
        const struct connection_handler *handler = connection->handler;
        void *owner = connection->owner;
        connection->expected = 0;
        connection->redeliver = false;
        ssize_t used = handler->on_input(owner, buffer_bytes(&connection->in), length);
        if (used < 0) {
            connection_abort(connection, (int)used, NULL);
            return;
        }
        if ((size_t)used > length) {
            connection_abort(connection, -EINVAL, "a handler took more bytes than there were");
            return;
        }
        buffer_consume(reactor_pool(connection->reactor), &connection->in, (size_t)used);
        if (handler == connection->handler && owner == connection->owner) {
            return;
        }
    }
}

/* The end of the peer's side. */
static void meet_end(struct connection *connection) {
    connection->read_wants = 0;
    switch (connection->state) {
    case CONNECTION_OPEN:
        if (connection->stream->truncated && !connection->detail) {
            connection->detail = strdup("the peer ended the connection without TLS's goodbye");
        }
        connection->state = CONNECTION_HALF;
        if (connection->handler->on_end) {
            connection->handler->on_end(connection->owner);
        } else {
            connection_close(connection, connection->limits.slow_consumer_ms);
        }
        break;
    case CONNECTION_GOODBYE:
        connection_abort(connection, 0, NULL);
        break;
    case CONNECTION_CONNECTING:
    case CONNECTION_HALF:
    case CONNECTION_FLUSHING:
    case CONNECTION_CLOSED:
        break;
    }
}

/* Room for one read: ahead of an expected message, but in proportion to what of it has come. */
static int make_read_room(struct connection *connection) {
    struct buffer *in = &connection->in;
    size_t length = buffer_length(in);
    size_t room = length <= CONNECTION_READ_SIZE / 2 ? CONNECTION_READ_SIZE - length : CONNECTION_READ_SIZE;
    if (connection->expected > length) {
        size_t missing = connection->expected - length;
        size_t earned = length > room ? length : room;
        room = missing < earned ? missing : earned;
    }
    return connection_reserve(connection, in, room);
}

/* One read to `room`. Bytes; 0 at the end; -EAGAIN; -errno. *ret_full: there may be more. */
static ssize_t read_to(struct connection *connection, uint8_t *room, size_t capacity, bool *ret_full) {
    ssize_t n = stream_read(connection->stream, room, capacity);
    if (n > 0) {
        connection->bytes_read += (size_t)n;
        add_to_meter(connection->read_meter, (size_t)n);
        connection->read_at = reactor_now(connection->reactor);
    }
    *ret_full = n > 0 && ((size_t)n == capacity || stream_pending(connection->stream) > 0);
    return n;
}

/* As read_to. */
static ssize_t discard_some(struct connection *connection, bool *ret_full) {
    uint8_t waste[DISCARD_SIZE];
    return read_to(connection, waste, sizeof waste, ret_full);
}

/* As read_to, for the handler. */
static ssize_t read_some(struct connection *connection, bool *ret_full) {
    int r = make_read_room(connection);
    if (r < 0) {
        return r;
    }
    struct buffer *in = &connection->in;
    ssize_t n = read_to(connection, buffer_space(in), buffer_free_space(in), ret_full);
    if (n > 0) {
        in->end += (size_t)n;
    }
    return n;
}

void connection_read(struct connection *connection) {
    size_t turn = 0;
    while (connection_may_read(connection)) {
        bool full = false;
        ssize_t n = connection->state == CONNECTION_OPEN ? read_some(connection, &full)
                                                         : discard_some(connection, &full);
        if (n > 0) {
            turn += (size_t)n;
            connection_deliver(connection);
            if (!full) {
                break;
            }
            if (turn >= READ_TURN_MAX) {
                /* epoll tells of what is in the socket, not of what TLS has already taken out of it. */
                if (connection_may_read(connection) && stream_pending(connection->stream) > 0 &&
                    timer_set(reactor_timers(connection->reactor), &connection->again,
                              reactor_now(connection->reactor)) < 0) {
                    connection_abort(connection, -ENOMEM, NULL);
                }
                break;
            }
        } else if (n == 0) {
            meet_end(connection);
        } else if (n == -EAGAIN) {
            connection->read_wants = connection->stream->wants;
            break;
        } else if (n == -ENOBUFS && connection->state == CONNECTION_OPEN) {
            connection_abort(connection, -ENOBUFS, "no memory is left for what it sends (memory_bytes)");
        } else {
            connection_fail(connection, (int)n);
        }
    }
    if (connection->state == CONNECTION_OPEN && connection->expected <= BUFFER_BLOCK_MIN) {
        buffer_shrink(reactor_pool(connection->reactor), &connection->in);
    }
}

/* --- writing --------------------------------------------------------------------------------------------------- */

/* The slow consumer's time begins when it blocks, and anew with each byte it takes. */
static void watch_progress(struct connection *connection, bool progress) {
    if (connection_is_closing(connection)) {
        return; /* the deadline of the close is set already */
    }
    struct timers *timers = reactor_timers(connection->reactor);
    if (connection->write_wants == 0) {
        timer_clear(timers, &connection->deadline);
    } else if (progress || connection->deadline.place == 0) {
        uint64_t due = reactor_now(connection->reactor) + connection->limits.slow_consumer_ms;
        if (timer_set(timers, &connection->deadline, due) < 0) {
            connection_abort(connection, -ENOMEM, NULL);
        }
    }
}

static size_t length_of(const struct stream_piece *pieces, size_t count) {
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        length += pieces[i].length;
    }
    return length;
}

/* Sends what is queued and, behind it, `behind` (NULL: nothing). How much of `behind` was taken, or -EPIPE: it is being aborted. */
static ssize_t send_queued(struct connection *connection, const struct stream_piece *behind) {
    size_t queued = buffer_length(&connection->out);
    size_t unsent = connection->stream->unsent;
    size_t length = queued + (behind ? behind->length : 0);
    if (length == 0 && unsent == 0) {
        return 0;
    }
    struct stream_piece pieces[STREAM_PIECES_MAX];
    size_t count = 0;
    if (queued > 0) {
        pieces[count++] = (struct stream_piece){buffer_bytes(&connection->out), queued};
    }
    if (behind) {
        pieces[count++] = *behind;
    }
    ssize_t n = stream_write_pieces(connection->stream, pieces, count);
    if (n < 0 && n != -EAGAIN) {
        connection_fail(connection, n == -EPIPE ? -ECONNRESET : (int)n);
        return -EPIPE;
    }
    size_t taken = n > 0 ? (size_t)n : 0;
    connection->bytes_written += taken;
    add_to_meter(connection->written_meter, taken);
    size_t of_queued = taken < queued ? taken : queued;
    if (of_queued > 0) {
        buffer_consume(reactor_pool(connection->reactor), &connection->out, of_queued);
        connection->lent -= of_queued < connection->lent ? of_queued : connection->lent;
    }
    bool blocked = taken < length || connection->stream->unsent > 0;
    connection->write_wants = blocked ? connection->stream->wants : 0;
    watch_progress(connection, taken > 0 || connection->stream->unsent < unsent);
    return (ssize_t)(taken - of_queued);
}

/* Room in the queue. 0; -ENOBUFS or -ENOMEM: it is being aborted. */
static int make_queue_room(struct connection *connection, size_t length) {
    int r = connection_reserve(connection, &connection->out, length);
    if (r < 0) {
        connection_abort(connection, r,
                         r == -ENOBUFS ? "no memory is left for its queue (memory_bytes)" : NULL);
    }
    return r;
}

/* Copies to the queue what has that length in all. 0; -ENOBUFS or -ENOMEM: it is being aborted. */
static int queue_pieces(struct connection *connection, const struct stream_piece *pieces, size_t count,
                        size_t length) {
    if (length > 0 && !buffer_has_room(&connection->out, length)) {
        int r = make_queue_room(connection, length);
        if (r < 0) {
            return r;
        }
    }
    for (size_t i = 0; i < count; i++) {
        buffer_put(&connection->out, pieces[i].bytes, pieces[i].length);
    }
    return 0;
}

/* Of what is small only what would need memory of the system, as when thousands are told something in one turn. */
static bool goes_straight(const struct connection *connection, const struct stream_piece *piece) {
    bool is_open = connection->state == CONNECTION_OPEN || connection->state == CONNECTION_HALF;
    return is_open && connection->write_wants == 0 &&
           (piece->length >= STRAIGHT_MIN ||
            (connection->out.block == NULL && buffer_pool_is_stretched(reactor_pool(connection->reactor))));
}

/* Behind all that is queued; queues what the stream does not take. As queue_pieces, or -EPIPE. */
static int send_straight(struct connection *connection, const struct stream_piece *piece) {
    ssize_t taken = send_queued(connection, piece);
    if (taken < 0) {
        return (int)taken;
    }
    const struct stream_piece rest = {(const uint8_t *)piece->bytes + taken, piece->length - (size_t)taken};
    return queue_pieces(connection, &rest, 1, rest.length);
}

/* `total` bytes would be too many. */
static int refuse_queue(struct connection *connection, size_t total) {
    char detail[DETAIL_MAX];
    snprintf(detail, sizeof detail, "%zu bytes would wait for it, %zu may (queue_bytes)", total,
             connection->limits.queue_bytes);
    connection_abort(connection, -ENOBUFS, detail);
    return -ENOBUFS;
}

int connection_write_pieces(struct connection *connection, const struct stream_piece *pieces, size_t count) {
    if (connection_is_closing(connection)) {
        return -EPIPE;
    }
    size_t length = length_of(pieces, count);
    if (length == 0) {
        return 0;
    }
    size_t total = connection_queued(connection) + length;
    if (total > connection->limits.queue_bytes) {
        return refuse_queue(connection, total);
    }
    while (pieces[count - 1].length == 0) {
        count--;
    }
    const struct stream_piece *last = &pieces[count - 1];
    bool straight = goes_straight(connection, last);
    if (straight) {
        count--;
        length -= last->length;
    }
    int r = queue_pieces(connection, pieces, count, length);
    if (r == 0 && straight) {
        r = send_straight(connection, last);
    }
    if (r == 0 && connection_is_congested(connection)) {
        connection->was_congested = true;
    }
    reactor_at_turn_end(connection->reactor, &connection->task);
    return r;
}

int connection_write(struct connection *connection, const void *bytes, size_t length) {
    return connection_write_pieces(connection, &(const struct stream_piece){bytes, length}, 1);
}

void connection_lend(struct connection *connection, size_t bytes) {
    size_t length = buffer_length(&connection->out);
    size_t lent = connection->lent + bytes;
    connection->lent = lent < length ? lent : length;
}

bool connection_is_congested(const struct connection *connection) {
    return connection_queued(connection) > connection->limits.queue_high;
}

void connection_flush(struct connection *connection) {
    if (send_queued(connection, NULL) < 0) {
        return;
    }
    if (connection->was_congested && connection_queued(connection) <= connection->limits.queue_high / 2) {
        connection->was_congested = false;
        if (connection->handler->on_drained && !connection_is_closing(connection)) {
            connection->handler->on_drained(connection->owner);
        }
    }
}

void connection_say_goodbye(struct connection *connection) {
    int r = stream_shutdown(connection->stream);
    if (r == -EAGAIN) {
        connection->write_wants = connection->stream->wants;
    } else if (r < 0) {
        connection_fail(connection, r == -EPIPE ? -ECONNRESET : r);
    } else if (connection->read_wants == 0) {
        connection_abort(connection, 0, NULL);
    } else {
        connection->state = CONNECTION_GOODBYE;
        (void)connection_await_end(connection); /* it has its place in the heap already: this does not fail */
    }
}

int connection_await_end(struct connection *connection) {
    const uint64_t goodbye_ms = connection->limits.goodbye_ms;
    const uint64_t due = reactor_now(connection->reactor) + goodbye_ms;
    const bool is_short = goodbye_ms > 0 && due < connection->close_due;
    return timer_set(reactor_timers(connection->reactor), &connection->deadline,
                     is_short ? due : connection->close_due);
}
