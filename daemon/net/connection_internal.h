/* What connection.c (life, states), connection_io.c (reading, writing, the queues) and connection_memory.c (their bounds) share. */
#ifndef CONNECTION_INTERNAL_H
#define CONNECTION_INTERNAL_H

#include "net/connection.h"

/* Room made for a read: it goes back at once when the handler leaves nothing. */
enum { CONNECTION_READ_SIZE = 4 * BUFFER_BLOCK_MIN };

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
    /* CONNECTING: open_ms; FLUSHING, GOODBYE: of the close; else slow_consumer, while blocked */
    struct timer deadline;
    uint64_t close_due; /* FLUSHING, GOODBYE: when it is closed, whatever is left */
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
    int reason;         /* that it was aborted with */
    struct buffer in, out;
    size_t lent;     /* of the bytes in `out`: what others have put there */
    size_t expected; /* on_input is not called below this many bytes */
    uint64_t bytes_read, bytes_written;
    _Atomic uint64_t *read_meter, *written_meter; /* NULL: nobody counts */
    uint64_t read_at;                             /* when the last byte came */
    char *detail;                                 /* NULL: the reason's own words */
};

bool connection_is_closing(const struct connection *connection);

/* A paused connection is not read; one that closes reads on, to throw away and to see the end. */
bool connection_may_read(const struct connection *connection);

/* Aborts it for what a stream returned. */
void connection_fail(struct connection *connection, int reason);

/* Reads and delivers until there is no more, or this turn's share is used up. */
void connection_read(struct connection *connection);

/* Gives the handler what is there, again when it was replaced and left some. */
void connection_deliver(struct connection *connection);

/* One write of what is queued, and of what an earlier one, or a read, left unsent. */
void connection_flush(struct connection *connection);

/* FLUSHING, and nothing is left to send. */
void connection_say_goodbye(struct connection *connection);

/* GOODBYE: gives the peer goodbye_ms from now on, as far as the close's deadline leaves it that. 0 or -ENOMEM. */
int connection_await_end(struct connection *connection);

/* buffer_reserve for `buffer` of the connection; when memory_bytes is used up, those that hold most go first. */
int connection_reserve(struct connection *connection, struct buffer *buffer, size_t more);

#endif
