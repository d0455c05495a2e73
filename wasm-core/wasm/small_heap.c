/* Boundary tags and lists by size.                                                             (small_heap.h) */
#include "small_heap.h"

#include <stdbool.h>
#include <stdint.h>

struct block {
    uint32_t size;                 /* in all, a multiple of 8; the lowest bit is set while it is free */
    uint32_t before;               /* size of the block before it, 0 where there is none */
    struct block *next, *previous; /* in its list, while it is free */
};

enum {
    HEADER = 8,
    LEAST = sizeof(struct block),
    FREE = 1,
    LISTS = 31, /* list n has free blocks of 2^n bytes up to the next power */
    TRIES = 16,
    SIZE_LIMIT = 1 << 30,
};

static struct block *lists[LISTS];
static struct block
    *end; /* a block in use without any room: what would follow the last one; NULL: no run yet */

static struct block *at(struct block *block, size_t offset) {
    return (struct block *)(void *)((char *)block + offset);
}

static struct block **list_of(uint32_t size) {
    return &lists[31 - __builtin_clz(size)];
}

static void take(struct block *block) {
    struct block **const list = list_of(block->size);
    block->size &= ~(uint32_t)FREE;
    if (block->previous != NULL)
        block->previous->next = block->next;
    else
        *list = block->next;
    if (block->next != NULL)
        block->next->previous = block->previous;
}

/* Makes a block of `size` bytes at `block`, free or in use, and tells the one behind it. */
static void make(struct block *block, uint32_t size, bool is_free) {
    block->size = size;
    at(block, size)->before = size;
    if (!is_free)
        return;
    struct block **const list = list_of(size);
    block->size |= FREE;
    block->previous = NULL;
    block->next = *list;
    if (*list != NULL)
        (*list)->previous = block;
    *list = block;
}

/* Gives back a block that is in no list: with its free neighbours it becomes one. */
static void put(struct block *block) {
    uint32_t size = block->size;
    struct block *const behind = at(block, size);
    if (behind->size & FREE) {
        take(behind);
        size += behind->size;
    }
    if (block->before != 0) {
        struct block *const before = (struct block *)(void *)((char *)block - block->before);
        if (before->size & FREE) {
            take(before);
            size += before->size;
            block = before;
        }
    }
    make(block, size, true);
}

static struct block *find(uint32_t size) {
    struct block **list = list_of(size);
    struct block *block = *list;
    for (unsigned tries = 0; block != NULL && tries < TRIES; tries++, block = block->next)
        if (block->size >= size)
            return block;
    while (++list < lists + LISTS)
        if (*list != NULL)
            return *list;
    return NULL;
}

/* The run grows, its new part is one free block behind the others. */
static bool grow(uint32_t size) {
    size_t bytes;
    struct block *const begin = small_heap_extend(size + HEADER, &bytes);
    if (begin == NULL)
        return false;
    struct block *block = end;
    if (block == NULL) { /* the first part: of it the end's header is lost */
        block = begin;
        block->before = 0;
        bytes -= HEADER;
    }
    end = at(block, bytes);
    end->size = HEADER;
    end->before = 0;
    block->size = (uint32_t)bytes;
    put(block);
    return true;
}

void *small_heap_allocate(size_t size) {
    if (size > SIZE_LIMIT)
        return NULL;
    uint32_t need = ((uint32_t)size + HEADER + 7) & ~7U;
    if (need < LEAST)
        need = LEAST;
    struct block *block = find(need);
    if (block == NULL) {
        if (!grow(need))
            return NULL;
        block = find(need);
    }
    take(block);
    const uint32_t rest = block->size - need;
    if (rest >= LEAST) {
        make(at(block, need), rest, true);
        make(block, need, false);
    }
    return (char *)block + HEADER;
}

static struct block *block_of(const void *memory) {
    return (struct block *)(void *)((uintptr_t)memory - HEADER);
}

void small_heap_free(void *memory) {
    if (memory != NULL)
        put(block_of(memory));
}

size_t small_heap_room(const void *memory) {
    return block_of(memory)->size - HEADER;
}
