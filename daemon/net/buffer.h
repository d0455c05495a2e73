/* A byte queue whose storage comes from a reactor's pool and goes back when it is empty: an idle
 * connection holds none. Contiguous, so that a message in it is one span.   (ARCHITECTURE.md, "Rules of the house")
 *
 * Blocks are powers of two times BUFFER_BLOCK_MIN; the pool keeps some free ones of the small sizes. All
 * blocks in use, by all reactors, are counted in one memory budget ("memory_bytes"). */
#ifndef BUFFER_H
#define BUFFER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Whole pages, and more than a power of two: people like payloads of 64 KiB, and such a one has its place in a block together
 * with its heads. Else each would be copied to a larger block for the sake of its last bytes. */
enum { BUFFER_BLOCK_MIN = 20480 }; /* bytes */

enum { BUDGET_SHARERS_MAX = 64 };

struct reactor;

/* Past the limit the connection that holds most is closed. Until its blocks are back, and for what is small, there is
 * an eighth of the limit above it. */
struct memory_budget {
    atomic_size_t used;  /* bytes in blocks that hold data, or did in this turn */
    atomic_size_t limit; /* bytes; past it buffer_reserve refuses with -ENOBUFS */
    _Atomic(struct reactor *) sharers[BUDGET_SHARERS_MAX]; /* reactor.c's */
};

struct buffer_pool;
int buffer_pool_new(struct memory_budget *budget, struct buffer_pool **ret_pool); /* 0 or -ENOMEM */
struct memory_budget *buffer_pool_budget(struct buffer_pool *pool);
void buffer_pool_free(struct buffer_pool *pool); /* NULL-safe; all buffers must have been cleared */

/* Tells the budget of the blocks that came back, at the end of each turn of the reactor: it is one number that all threads
 * change, and each change of it waits for the other processors. Until then what came back is there for this pool alone. */
void buffer_pool_settle(struct buffer_pool *pool);

/* What the budget counts, without what has come back to this pool: for whoever judges by it within a turn. */
size_t buffer_pool_used(struct buffer_pool *pool);

/* Gives back to the system the free blocks that were not wanted since the last call. False when none is kept now. */
bool buffer_pool_trim(struct buffer_pool *pool);
bool buffer_pool_keeps(const struct buffer_pool *pool); /* at least one free block */
/* Whether so much is in buffers that the pool would not keep one block more: it would be mapped, and unmapped again. */
bool buffer_pool_is_stretched(const struct buffer_pool *pool);

struct buffer {
    uint8_t *block;  /* NULL when empty */
    size_t capacity; /* of block */
    size_t begin, end;
};

static inline size_t buffer_length(const struct buffer *buffer) {
    return buffer->end - buffer->begin;
}
static inline uint8_t *buffer_bytes(const struct buffer *buffer) {
    return buffer->block + buffer->begin;
}

static inline uint8_t *buffer_space(const struct buffer *buffer) {
    return buffer->block + buffer->end;
}
static inline size_t buffer_free_space(const struct buffer *buffer) {
    return buffer->capacity - buffer->end;
}

/* Makes room for `more` bytes behind the end, moving or growing what is there. Returns 0; -ENOBUFS when the
 * budget is used up; -ENOMEM. On failure nothing changed. */
int buffer_reserve(struct buffer_pool *pool, struct buffer *buffer, size_t more);
/* The same, out of what is above the limit. */
int buffer_reserve_above(struct buffer_pool *pool, struct buffer *buffer, size_t more);
/* There is room already. */
static inline bool buffer_has_room(const struct buffer *buffer, size_t more) {
    return buffer->block != NULL && more <= buffer_free_space(buffer);
}

/* Copies bytes to the end, where room was made for them. */
static inline void buffer_put(struct buffer *buffer, const void *bytes, size_t length) {
    if (length > 0) {
        memcpy(buffer_space(buffer), bytes, length);
        buffer->end += length;
    }
}

/* Copies bytes to the end; as buffer_reserve. */
int buffer_append(struct buffer_pool *pool, struct buffer *buffer, const void *bytes, size_t length);

/* Takes `length` bytes off the front; gives the block back when none is left. */
void buffer_consume(struct buffer_pool *pool, struct buffer *buffer, size_t length);
void buffer_clear(struct buffer_pool *pool, struct buffer *buffer);

/* Little is left and will be for a while: gives back the block of an empty buffer, and a larger one than needed for
 * the smallest. */
void buffer_shrink(struct buffer_pool *pool, struct buffer *buffer);

#endif
