#include "net/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    READ_SIZE = 65536, /* room made for a read: the block goes back at once when the handler leaves nothing */
    READ_TURN_MAX = 262144, /* bytes a connection may read in one turn, so that the others get theirs */
    DISCARD_SIZE = 16384,
    DETAIL_MAX = 256,
};

enum connection_state {
    CONNECTION_CONNECTING, /* the stream's handshake */
    CONNECTION_OPEN,
    CONNECTION_HALF,     /* the peer ended its side; the handler knows, and may still write */
    CONNECTION_FLUSHING, /* closing: what is queued goes out, input is thrown away */
    CONNECTION_GOODBYE,  /* all is sent, and our end; waiting for the peer's */
    CONNECTION_CLOSED,   /* nothing happens any more but on_closed at the turn's end */
};

struct connection {
    struct reactor_source source;
    struct reactor_task task; /* deliver, flush, finish: at the turn's end */
    struct reactor_retired retired;
    struct timer
        deadline; /* CONNECTING: open_ms; FLUSHING, GOODBYE: of the close; else slow_consumer, while blocked */
    struct timer again; /* reading goes on in the next turn */
    struct reactor *reactor;
    struct connection *next, **link; /* in the reactor's list */
    struct stream *stream;
    const struct connection_handler *handler;
    void *owner;
    struct connection_limits limits;
    enum connection_state state;
    unsigned pauses;
    uint32_t read_wants;  /* what reading waits for; 0 once the peer has ended */
    uint32_t write_wants; /* what writing waits for; 0 when it need not wait */
    bool hung_up;   /* epoll's HUP was seen while nobody wanted to read: it would be told again and again */
    bool redeliver; /* held bytes are to be given to the handler without new ones */
    bool was_congested; /* on_drained is due once the queue is low */
    struct buffer in, out;
    size_t expected; /* on_input is not called below this many bytes */
    uint64_t bytes_read, bytes_written;
    int reason;
    char *detail; /* NULL: the reason's own words */
};

static const char *reason_words(const struct connection *connection) {
    if (connection->detail) {
        return connection->detail;
    }
    return connection->reason ? strerror(-connection->reason) : "closed in good order";
}

static bool is_closing(const struct connection *connection) {
    return connection->state >= CONNECTION_FLUSHING;
}

/* A paused connection is not read; one that closes reads on, to throw away and to see the end. */
static bool may_read(const struct connection *connection) {
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

static void update_interest(struct connection *connection) {
    uint32_t interest = connection->write_wants;
    if (may_read(connection) || connection->state == CONNECTION_CONNECTING) {
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

static void abort_for(struct connection *connection, int reason) {
    connection_abort(connection, reason, reason == -EPROTO ? stream_error(connection->stream) : NULL);
}

static size_t queued(const struct connection *connection) {
    size_t length = buffer_length(&connection->out);
    return connection->stream ? length + stream_unsent(connection->stream) : length;
}

/* Frees memory by closing the connection with the most queued; false when that is the one that asks. */
static bool shed_fullest(struct connection *asking, size_t asking_queued) {
    struct connection *fullest = NULL;
    size_t most = asking_queued;
    for (struct connection *c = *reactor_connections(asking->reactor); c; c = c->next) {
        if (c != asking && c->out.block && queued(c) > most) {
            fullest = c;
            most = queued(c);
        }
    }
    if (!fullest) {
        return false;
    }
    connection_abort(fullest, -ENOBUFS, "the most was waiting for it when memory_bytes was used up");
    return true;
}

/* --- reading --------------------------------------------------------------------------------------------------- */

/* Gives the handler what is there, again when it was replaced and left some. */
static void deliver(struct connection *connection) {
    connection->redeliver = false;
    while ((connection->state == CONNECTION_OPEN || connection->state == CONNECTION_HALF) &&
           connection->pauses == 0) {
        size_t length = buffer_length(&connection->in);
        if (length == 0 || length < connection->expected) {
            return;
        }
        const struct connection_handler *handler = connection->handler;
        void *owner = connection->owner;
        connection->expected = 0;
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
    size_t room = length <= READ_SIZE / 2 ? READ_SIZE - length : READ_SIZE;
    if (connection->expected > length) {
        size_t missing = connection->expected - length;
        size_t earned = length > room ? length : room;
        room = missing < earned ? missing : earned;
    }
    int r;
    do {
        r = buffer_reserve(reactor_pool(connection->reactor), in, room);
    } while (r == -ENOBUFS && shed_fullest(connection, length + room));
    return r;
}

/* One read. Bytes; 0 at the end; -EAGAIN; -errno. *ret_full: there may be more. */
static ssize_t read_some(struct connection *connection, bool *ret_full) {
    uint8_t waste[DISCARD_SIZE];
    bool discard = connection->state != CONNECTION_OPEN;
    uint8_t *room = waste;
    size_t capacity = sizeof waste;
    if (!discard) {
        int r = make_read_room(connection);
        if (r < 0) {
            return r;
        }
        room = buffer_space(&connection->in);
        capacity = buffer_free_space(&connection->in);
    }
    ssize_t n = stream_read(connection->stream, room, capacity);
    if (n > 0) {
        connection->bytes_read += (size_t)n;
        if (!discard) {
            connection->in.end += (size_t)n;
        }
    }
    *ret_full = n > 0 && ((size_t)n == capacity || stream_pending(connection->stream) > 0);
    return n;
}

static void read_input(struct connection *connection) {
    size_t turn = 0;
    while (may_read(connection)) {
        bool full = false;
        ssize_t n = read_some(connection, &full);
        if (n > 0) {
            turn += (size_t)n;
            deliver(connection);
            if (!full) {
                break;
            }
            if (turn >= READ_TURN_MAX) {
                /* epoll tells of what is in the socket, not of what TLS has already taken out of it. */
                if (may_read(connection) && stream_pending(connection->stream) > 0 &&
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
            abort_for(connection, (int)n);
        }
    }
    if (connection->state == CONNECTION_OPEN && connection->expected <= BUFFER_BLOCK_MIN) {
        buffer_shrink(reactor_pool(connection->reactor), &connection->in);
    }
}

/* --- writing --------------------------------------------------------------------------------------------------- */

/* The slow consumer's time begins when it blocks, and anew with each byte it takes. */
static void watch_progress(struct connection *connection, bool progress) {
    if (is_closing(connection)) {
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

/* One write of what is queued, and of what an earlier one, or a read, left unsent. */
static void flush(struct connection *connection) {
    size_t length = buffer_length(&connection->out);
    size_t unsent = stream_unsent(connection->stream);
    if (length == 0 && unsent == 0) {
        return;
    }
    const uint8_t *bytes = length > 0 ? buffer_bytes(&connection->out) : (const uint8_t *)"";
    ssize_t n = stream_write(connection->stream, bytes, length);
    if (n < 0 && n != -EAGAIN) {
        abort_for(connection, n == -EPIPE ? -ECONNRESET : (int)n);
        return;
    }
    size_t taken = n > 0 ? (size_t)n : 0;
    connection->bytes_written += taken;
    if (length > 0) {
        buffer_consume(reactor_pool(connection->reactor), &connection->out, taken);
    }
    bool blocked = taken < length || stream_unsent(connection->stream) > 0;
    connection->write_wants = blocked ? connection->stream->wants : 0;
    watch_progress(connection, taken > 0 || stream_unsent(connection->stream) < unsent);
    if (connection->was_congested && queued(connection) <= connection->limits.queue_high / 2) {
        connection->was_congested = false;
        if (connection->handler->on_drained && !is_closing(connection)) {
            connection->handler->on_drained(connection->owner);
        }
    }
}

/* FLUSHING, and nothing is left to send. */
static void say_goodbye(struct connection *connection) {
    int r = stream_shutdown(connection->stream);
    if (r == -EAGAIN) {
        connection->write_wants = connection->stream->wants;
    } else if (r < 0) {
        abort_for(connection, r == -EPIPE ? -ECONNRESET : r);
    } else if (connection->read_wants == 0) {
        connection_abort(connection, 0, NULL);
    } else {
        connection->state = CONNECTION_GOODBYE;
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
        abort_for(connection, r);
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
        read_input(connection);
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
    stream_close(connection->stream);
    connection->stream = NULL;
    *connection->link = connection->next;
    if (connection->next) {
        connection->next->link = connection->link;
    }
    connection->handler->on_closed(connection->owner, connection->reason, reason_words(connection));
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
        deliver(connection);
        if (stream_pending(connection->stream) > 0) {
            read_input(connection);
        }
    }
    if (connection->state != CONNECTION_CLOSED && connection->state != CONNECTION_CONNECTING) {
        if (connection->write_wants == 0) {
            flush(connection);
        }
        if (is_closing(connection)) {
            buffer_clear(reactor_pool(connection->reactor), &connection->in);
        }
        if (connection->state == CONNECTION_FLUSHING && connection->write_wants == 0) {
            say_goodbye(connection);
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
        abort_for(connection, error);
    } else if (connection->read_wants == 0) { /* both sides are done */
        connection_abort(connection, queued(connection) > 0 ? -ECONNRESET : 0, NULL);
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
        if (may_read(connection)) {
            if (trouble || (events & connection->read_wants)) {
                read_input(connection);
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
    read_input(connection);
    reactor_at_turn_end(connection->reactor, &connection->task);
}

static void on_deadline(struct timer *timer, uint64_t now) {
    struct connection *connection =
        (struct connection *)(void *)((char *)timer - offsetof(struct connection, deadline));
    (void)now;
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
                 queued(connection), (unsigned long long)connection->limits.slow_consumer_ms);
        connection_abort(connection, -ETIMEDOUT, detail);
        break;
    case CONNECTION_FLUSHING:
        snprintf(detail, sizeof detail, "%zu bytes could not be sent before it was to be closed",
                 queued(connection));
        connection_abort(connection, -ETIMEDOUT, detail);
        break;
    case CONNECTION_GOODBYE:
    case CONNECTION_CLOSED:
        connection_abort(connection, 0, NULL);
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
    reactor_at_turn_end(reactor, &connection->task);
    *ret_connection = connection;
    return 0;
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

int connection_write(struct connection *connection, const void *bytes, size_t length) {
    if (is_closing(connection)) {
        return -EPIPE;
    }
    if (length == 0) {
        return 0;
    }
    char detail[DETAIL_MAX];
    size_t total = queued(connection) + length;
    if (total > connection->limits.queue_bytes) {
        snprintf(detail, sizeof detail, "%zu bytes would wait for it, %zu may (queue_bytes)", total,
                 connection->limits.queue_bytes);
        connection_abort(connection, -ENOBUFS, detail);
        return -ENOBUFS;
    }
    int r;
    do {
        r = buffer_append(reactor_pool(connection->reactor), &connection->out, bytes, length);
    } while (r == -ENOBUFS && shed_fullest(connection, total));
    if (r < 0) {
        connection_abort(connection, r,
                         r == -ENOBUFS ? "no memory is left for its queue (memory_bytes)" : NULL);
        return r;
    }
    if (total > connection->limits.queue_high) {
        connection->was_congested = true;
    }
    reactor_at_turn_end(connection->reactor, &connection->task);
    return 0;
}

size_t connection_queued(const struct connection *connection) {
    return queued(connection);
}

bool connection_is_congested(const struct connection *connection) {
    return queued(connection) > connection->limits.queue_high;
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
    if (is_closing(connection)) {
        return;
    }
    if (connection->state == CONNECTION_CONNECTING) {
        connection_abort(connection, 0, NULL);
        return;
    }
    connection->state = CONNECTION_FLUSHING;
    connection->hung_up = false;
    uint64_t due = reactor_now(connection->reactor) + deadline_ms;
    if (timer_set(reactor_timers(connection->reactor), &connection->deadline, due) < 0) {
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

struct reactor *connection_reactor(const struct connection *connection) {
    return connection->reactor;
}

uint64_t connection_bytes_read(const struct connection *connection) {
    return connection->bytes_read;
}

uint64_t connection_bytes_written(const struct connection *connection) {
    return connection->bytes_written;
}
