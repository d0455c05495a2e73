/* A connection: a stream, a queue each way, and whoever handles it now. All sockets of the bridge, those
 * accepted and those opened, are of this one kind.
 *
 * Life: CONNECTING (stream handshake) -> OPEN -> FLUSHING (what is queued goes out, input is thrown away)
 * -> CLOSED. The handler's on_closed is its last call, always comes, once, and never from within a call
 * the handler made: it comes at the end of the turn. The connection frees itself after that.
 *
 * Writing queues: one write goes out at the end of the turn. What is so large that copying it costs more than a system call
 * goes to the stream at once, behind all that is queued; only what the stream does not take is queued. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "net/reactor.h"
#include "net/stream.h"

struct connection;

struct connection_handler {
    /* The stream's handshake is done. May be NULL. */
    void (*on_open)(void *owner);
    /* All unread bytes, which the handler may change in place (unmasking). It says how many it is done with;
     * the rest comes again, with more behind it, when more has come. A negative errno aborts the connection
     * with that reason. When it replaces the handler and leaves bytes, the new one is called at once. The bytes
     * stay valid until it returns, whatever it calls. */
    ssize_t (*on_input)(void *owner, uint8_t *bytes, size_t length);
    /* The peer ended its side; one may still write. May be NULL: then what is queued is flushed and the
     * connection closed. */
    void (*on_end)(void *owner);
    /* What was queued fell below the low mark (half of queue_high) after having passed queue_high. May be NULL. */
    void (*on_drained)(void *owner);
    /* It is gone: `reason` 0 in good order (either side), else -errno: -ETIMEDOUT (a deadline),
     * -ENOBUFS (queue_bytes or memory), -EPROTO (TLS: `detail` says what), -ECONNRESET, ... The connection
     * may not be used after this call.
     * `detail` is a sentence, never NULL. */
    void (*on_closed)(void *owner, int reason, const char *detail);
};

struct connection_limits {
    size_t queue_high;         /* bytes queued to it past which connection_is_congested */
    size_t queue_bytes;        /* bytes queued to it past which it is aborted with -ENOBUFS */
    uint64_t slow_consumer_ms; /* without a byte of progress on a non-empty queue: -ETIMEDOUT */
    uint64_t open_ms;          /* for the stream's handshake: -ETIMEDOUT */
    uint64_t goodbye_ms;       /* for the peer's end once all is acknowledged; 0: to the close's deadline */
};

/* Takes `stream` over, in every case. `limits` is copied. 0 or -errno (then on_closed never comes). */
int connection_new(struct reactor *reactor, struct stream *stream, const struct connection_limits *limits,
                   const struct connection_handler *handler, void *owner, struct connection **ret_connection);

/* By other limits from now on (open_ms has passed): whoever comes in goes by those of then, however long it has been connected. */
void connection_set_limits(struct connection *connection, const struct connection_limits *limits);

/* Hands the connection to another handler: the upgrade of HTTP to WebSocket, the door to a session. */
void connection_set_handler(struct connection *connection, const struct connection_handler *handler,
                            void *owner);

/* Queues a copy, or sends. 0; -EPIPE when it is flushing or closed already, or fails now; -ENOBUFS or -ENOMEM when a bound was
 * passed: in the last three cases the connection is being aborted for it. When memory_bytes is used up, the connection of this
 * reactor with the most queued is aborted first. */
int connection_write(struct connection *connection, const void *bytes, size_t length);
/* The same of several pieces, one behind the other: all of them, or the connection is being aborted. */
int connection_write_pieces(struct connection *connection, const struct stream_piece *pieces, size_t count);

/* So many of the bytes that were queued last are others' doing, as calls for a worker are: they do not make it the one that
 * holds most. Who says so has to bound them. */
void connection_lend(struct connection *connection, size_t bytes);

size_t connection_queued(const struct connection *connection);     /* bytes */
bool connection_is_congested(const struct connection *connection); /* queued > queue_high */

/* Stops and takes up reading. Counted: as many resumes as pauses. Bytes already read are held back too, and come
 * at the end of the turn that resumed. While paused, a reset is noticed, an orderly end is not. */
void connection_pause(struct connection *connection);
void connection_resume(struct connection *connection);

/* Says how many bytes (from the front of what on_input last left) the handler needs before it can go on:
 * on_input is not called in vain, and room grows ahead of what comes (not at once: what a peer announces must not cost
 * memory before it sends it). Reset by each on_input and by connection_set_handler. */
void connection_expect(struct connection *connection, size_t bytes);

/* Sends what is queued, says goodbye, waits for the peer's end, closes: all in at most `deadline_ms`. on_closed gets 0
 * when everything was sent, else -ETIMEDOUT. Before it is open: as connection_abort with 0. */
void connection_close(struct connection *connection, uint64_t deadline_ms);

/* Closes now; on_closed gets `reason` and `detail` (copied). */
void connection_abort(struct connection *connection, int reason, const char *detail);

/* Aborts all connections of a reactor: the program ends. */
void connection_abort_all(struct reactor *reactor, int reason, const char *detail);

/* As stream_tls_peer_name. */
bool connection_peer_name(const struct connection *connection, char *out, size_t size);

/* When the last byte came, by the reactor's clock, also of what on_input has not been given yet; 0: none has. */
uint64_t connection_read_at(const struct connection *connection);

/* Bytes queued, and bytes that the system has sent and the peer's not acknowledged (TLS's included); asks the system. */
size_t connection_unacknowledged(const struct connection *connection);

/* Bytes that are read and written from now on are added there too, by the reactor's thread alone; NULL: nowhere. */
void connection_set_meters(struct connection *connection, _Atomic uint64_t *read, _Atomic uint64_t *written);

/* Bytes in and out since it opened, TLS's own not counted. */
uint64_t connection_bytes_read(const struct connection *connection);
uint64_t connection_bytes_written(const struct connection *connection);

#endif
