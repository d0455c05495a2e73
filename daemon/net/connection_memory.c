/* The memory that connections hold, and who goes when it is used up. */
#include <errno.h>

#include "net/connection_internal.h"

/* Who holds no more than this goes on when memory_bytes is used up: others hold it. */
enum { SMALL = 2 * CONNECTION_READ_SIZE };

/* What it keeps of the memory budget. */
static size_t held(const struct connection *connection) {
    size_t unsent = connection->stream ? connection->stream->unsent : 0;
    return connection->in.capacity + connection->out.capacity + unsent;
}

/* What it keeps by its own doing. What others have put there goes out first, as far as is known. */
static size_t answers_for(const struct connection *connection) {
    size_t length = buffer_length(&connection->out);
    size_t own = length > connection->lent ? length - connection->lent : 0;
    bool is_lent = connection->lent > 0 && 2 * own < connection->out.capacity;
    return held(connection) - (is_lent ? connection->out.capacity - 2 * own : 0);
}

/* What comes back at the end of this turn: input of connections that are closed, for a handler may be looking at it. */
static size_t returning(struct reactor *reactor) {
    size_t sum = 0;
    for (const struct connection *c = *reactor_connections(reactor); c; c = c->next) {
        sum += c->state == CONNECTION_CLOSED ? held(c) : 0;
    }
    return sum;
}

/* Closes the connection that holds most, if that is more than `least` and not little; returns how much. */
static size_t shed_fullest(struct reactor *reactor, size_t least) {
    struct connection *fullest = NULL;
    size_t most = least > SMALL ? least : SMALL;
    for (struct connection *c = *reactor_connections(reactor); c; c = c->next) {
        if (c->state != CONNECTION_CLOSED && answers_for(c) > most) {
            fullest = c;
            most = answers_for(c);
        }
    }
    if (!fullest) {
        return 0;
    }
    most = held(fullest);
    connection_abort(fullest, -ENOBUFS, "it held the most when memory_bytes was used up");
    return most;
}

/* On a reactor's own thread: another one has none left, and nobody to take it from. */
static void shed_for_sharer(void *argument) {
    struct reactor *reactor = argument;
    const struct memory_budget *budget = buffer_pool_budget(reactor_pool(reactor));
    size_t used = buffer_pool_used(reactor_pool(reactor));
    if (used - returning(reactor) > budget->limit - budget->limit / 8) {
        (void)shed_fullest(reactor, SMALL);
    }
}

int connection_reserve(struct connection *connection, struct buffer *buffer, size_t more) {
    struct buffer_pool *pool = reactor_pool(connection->reactor);
    int r = buffer_reserve(pool, buffer, more);
    if (r != -ENOBUFS) {
        return r;
    }
    size_t own = held(connection) - buffer->capacity + buffer_length(buffer) + more;
    size_t coming = returning(connection->reactor);
    size_t shed = 0;
    while (coming < 2 * own && (shed = shed_fullest(connection->reactor, own)) > 0) {
        coming += shed;
        if ((r = buffer_reserve(pool, buffer, more)) != -ENOBUFS) {
            return r;
        }
    }
    if (coming == 0) {
        reactor_post_to_sharers(connection->reactor, shed_for_sharer);
    }
    bool may = (coming > 0 || own <= SMALL) && connection->state != CONNECTION_CLOSED;
    return may ? buffer_reserve_above(pool, buffer, more) : -ENOBUFS;
}
