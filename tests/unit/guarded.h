/* Bytes that end where a page begins that nobody may touch: a parser that reads one byte too far crashes,
 * with or without a sanitizer. One copy at a time: the next one replaces it. */
#ifndef TESTS_GUARDED_H
#define TESTS_GUARDED_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daffi/span.h"

struct guarded {
    uint8_t *pages;
    size_t room; /* bytes before the guard page */
};

/* Room for `bytes` and less. Aborts when there is no memory, as a test has nothing else to do then. */
static inline struct guarded guarded_new(size_t bytes) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t room = (bytes + page) / page * page;
    void *pages = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect((uint8_t *)pages + room, page, PROT_NONE) != 0)
        abort();
    return (struct guarded){pages, room};
}

static inline void guarded_free(struct guarded *guarded) {
    if (guarded->pages)
        munmap(guarded->pages, guarded->room + (size_t)sysconf(_SC_PAGESIZE));
    *guarded = (struct guarded){NULL, 0};
}

/* A copy of `bytes` whose end is the guard page's beginning; it lives until the next copy. */
static inline struct daffi_span guarded_copy(const struct guarded *guarded, struct daffi_span bytes) {
    if (bytes.length > guarded->room)
        abort();
    uint8_t *copy = guarded->pages + guarded->room - bytes.length;
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    return daffi_span_of(copy, bytes.length);
}

/* A suite's own; and its group fixtures, with room for the largest case of most suites. */
static struct guarded guarded;

static inline int guarded_set_up(void **state) {
    (void)state;
    guarded = guarded_new(1 << 17);
    return 0;
}

static inline int guarded_tear_down(void **state) {
    (void)state;
    guarded_free(&guarded);
    return 0;
}

#endif
