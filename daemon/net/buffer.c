#include "net/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef __has_feature
#define __has_feature(feature) 0 /* gcc */
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

/* Free blocks are kept for the sizes that come and go with every turn, as long as they do; the others go back to the
 * system. Blocks are pages of their own, not of the heap: among what lives as long as a connection, each would leave a
 * hole when it goes. */
enum {
    POOL_SIZES = 8,      /* BUFFER_BLOCK_MIN, and twice, four, ... 128 times that */
    POOL_KEEP = 8388608, /* bytes of free blocks */
};

struct free_block {
    struct free_block *next;
};

struct buffer_pool {
    struct memory_budget *budget;
    size_t returned; /* bytes given back that the budget still counts: see buffer_pool_settle */
    size_t above;    /* bytes past the budget's limit that may be taken: see buffer_reserve_above */
    struct free_block *free[POOL_SIZES];
    size_t kept_bytes;
    size_t lent_bytes; /* of blocks in buffers */
    size_t kept[POOL_SIZES];
    size_t unused[POOL_SIZES]; /* of those kept, how many nobody took since the last buffer_pool_trim */
};

static void *map_block(size_t capacity) {
    void *block = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block == MAP_FAILED ? NULL : block;
}

int buffer_pool_new(struct memory_budget *budget, struct buffer_pool **ret_pool) {
    struct buffer_pool *pool = calloc(1, sizeof *pool);
    if (!pool) {
        return -ENOMEM;
    }
    pool->budget = budget;
    *ret_pool = pool;
    return 0;
}

struct memory_budget *buffer_pool_budget(struct buffer_pool *pool) {
    return pool->budget;
}

/* The pool's place for blocks of `capacity`, POOL_SIZES when it keeps none. */
static size_t size_place(size_t capacity) {
    size_t place = 0;
    for (size_t size = BUFFER_BLOCK_MIN; size < capacity && place < POOL_SIZES; size *= 2) {
        place++;
    }
    return place;
}

bool buffer_pool_is_stretched(const struct buffer_pool *pool) {
    return pool->lent_bytes >= POOL_KEEP;
}

static struct free_block *take_kept(struct buffer_pool *pool, size_t place) {
    struct free_block *block = pool->free[place];
    if (block) {
        ASAN_UNPOISON_MEMORY_REGION(block, (size_t)BUFFER_BLOCK_MIN << place);
        pool->free[place] = block->next;
        pool->kept[place]--;
        pool->kept_bytes -= (size_t)BUFFER_BLOCK_MIN << place;
        if (pool->unused[place] > pool->kept[place]) {
            pool->unused[place] = pool->kept[place];
        }
    }
    return block;
}

static void unmap_kept(struct buffer_pool *pool, size_t place) {
    munmap(take_kept(pool, place), (size_t)BUFFER_BLOCK_MIN << place);
}

void buffer_pool_free(struct buffer_pool *pool) {
    if (!pool) {
        return;
    }
    buffer_pool_settle(pool);
    for (size_t place = 0; place < POOL_SIZES; place++) {
        while (pool->free[place]) {
            unmap_kept(pool, place);
        }
    }
    free(pool);
}

bool buffer_pool_keeps(const struct buffer_pool *pool) {
    return pool->kept_bytes > 0;
}

bool buffer_pool_trim(struct buffer_pool *pool) {
    for (size_t place = 0; place < POOL_SIZES; place++) {
        for (size_t unused = pool->unused[place]; unused > 0; unused--) {
            unmap_kept(pool, place);
        }
        pool->unused[place] = pool->kept[place];
    }
    return buffer_pool_keeps(pool);
}

void buffer_pool_settle(struct buffer_pool *pool) {
    if (pool->returned > 0) {
        atomic_fetch_sub_explicit(&pool->budget->used, pool->returned, memory_order_relaxed);
        pool->returned = 0;
    }
}

size_t buffer_pool_used(struct buffer_pool *pool) {
    buffer_pool_settle(pool);
    return atomic_load_explicit(&pool->budget->used, memory_order_relaxed);
}

/* Has the budget count `bytes` of this pool: what it still counts of those that came back, and more where these do not do. 0
 * or -ENOBUFS. */
static int charge(struct buffer_pool *pool, size_t bytes) {
    if (bytes <= pool->returned) {
        pool->returned -= bytes;
        return 0;
    }
    size_t more = bytes - pool->returned;
    size_t used = atomic_fetch_add_explicit(&pool->budget->used, more, memory_order_relaxed);
    if (used + more > pool->budget->limit + pool->above) {
        atomic_fetch_sub_explicit(&pool->budget->used, more, memory_order_relaxed);
        return -ENOBUFS;
    }
    pool->returned = 0;
    return 0;
}

/* 0, -ENOBUFS, -ENOMEM. */
static int take_block(struct buffer_pool *pool, size_t capacity, uint8_t **ret_block) {
    int r = charge(pool, capacity);
    if (r < 0) {
        return r;
    }
    size_t place = size_place(capacity);
    void *block = place < POOL_SIZES ? take_kept(pool, place) : NULL;
    if (!block) {
        block = map_block(capacity);
    }
    if (!block) {
        pool->returned += capacity;
        return -ENOMEM;
    }
    pool->lent_bytes += capacity;
    *ret_block = block;
    return 0;
}

static void give_block(struct buffer_pool *pool, uint8_t *memory, size_t capacity) {
    pool->returned += capacity;
    pool->lent_bytes -= capacity;
    size_t place = size_place(capacity);
    if (place < POOL_SIZES && pool->kept_bytes + capacity <= POOL_KEEP) {
        struct free_block *block = (struct free_block *)(void *)memory;
        block->next = pool->free[place];
        pool->free[place] = block;
        pool->kept[place]++;
        pool->kept_bytes += capacity;
        ASAN_POISON_MEMORY_REGION(memory, capacity);
        return;
    }
    munmap(memory, capacity);
}

static int move_to_block(struct buffer_pool *pool, struct buffer *buffer, size_t capacity) {
    uint8_t *block = NULL;
    int r = take_block(pool, capacity, &block);
    if (r < 0) {
        return r;
    }
    size_t length = buffer_length(buffer);
    if (length > 0) {
        memcpy(block, buffer_bytes(buffer), length);
    }
    if (buffer->block) {
        give_block(pool, buffer->block, buffer->capacity);
    }
    *buffer = (struct buffer){.block = block, .capacity = capacity, .end = length};
    return 0;
}

int buffer_reserve(struct buffer_pool *pool, struct buffer *buffer, size_t more) {
    size_t length = buffer_length(buffer);
    if (buffer_has_room(buffer, more)) {
        return 0;
    }
    if (more > SIZE_MAX / 4 - length) {
        return -ENOMEM;
    }
    /* Moving to the front pays only when it wins room in proportion to the block: a queue that is appended to and
     * taken from in small steps would else be copied whole at each step. */
    size_t quarter = buffer->capacity / 4;
    if (buffer->block && length + more <= buffer->capacity && (buffer->begin >= quarter || more >= quarter)) {
        memmove(buffer->block, buffer_bytes(buffer), length);
        buffer->begin = 0;
        buffer->end = length;
        return 0;
    }
    size_t capacity = BUFFER_BLOCK_MIN;
    while (capacity < length + more) {
        capacity *= 2;
    }
    if (capacity == buffer->capacity) {
        capacity *= 2;
    }
    return move_to_block(pool, buffer, capacity);
}

int buffer_reserve_above(struct buffer_pool *pool, struct buffer *buffer, size_t more) {
    pool->above = pool->budget->limit / 8;
    int r = buffer_reserve(pool, buffer, more);
    pool->above = 0;
    return r;
}

int buffer_append(struct buffer_pool *pool, struct buffer *buffer, const void *bytes, size_t length) {
    if (length == 0) {
        return 0;
    }
    int r = buffer_reserve(pool, buffer, length);
    if (r < 0) {
        return r;
    }
    buffer_put(buffer, bytes, length);
    return 0;
}

void buffer_shrink(struct buffer_pool *pool, struct buffer *buffer) {
    if (buffer->block && buffer_length(buffer) == 0) {
        buffer_clear(pool, buffer);
    } else if (buffer->capacity > BUFFER_BLOCK_MIN && buffer_length(buffer) <= BUFFER_BLOCK_MIN) {
        /* Without memory for the small block it stays in the large one. */
        (void)move_to_block(pool, buffer, BUFFER_BLOCK_MIN);
    }
}

void buffer_consume(struct buffer_pool *pool, struct buffer *buffer, size_t length) {
    buffer->begin += length;
    if (buffer->begin >= buffer->end) {
        buffer_clear(pool, buffer);
    }
}

void buffer_clear(struct buffer_pool *pool, struct buffer *buffer) {
    if (buffer->block) {
        give_block(pool, buffer->block, buffer->capacity);
    }
    *buffer = (struct buffer){0};
}
