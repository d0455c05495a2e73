#include "net/tls_memory.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { KIND_PAGE, KIND_RECORD, KINDS };
enum {
    HOT_SLOTS = 8
}; /* of each kind, kept by a thread with their pages: a turn rarely has more buffers at once */

static const size_t slot_sizes[KINDS] = {
    [KIND_PAGE] = TLS_MEMORY_PAGE, [KIND_RECORD] = TLS_MEMORY_RECORD_MAX};

/* Slots that nobody holds: a stack, whose elements are told by number so that their pages need not be there. */
struct region {
    pthread_mutex_t lock;
    uint8_t *slots; /* NULL before tls_memory_install */
    size_t free_count;
    uint16_t free[TLS_MEMORY_SLOTS];
};

static struct region regions[KINDS] = {{.lock = PTHREAD_MUTEX_INITIALIZER},
                                       {.lock = PTHREAD_MUTEX_INITIALIZER}};

struct hot_slots {
    size_t count;
    uint8_t *slots[HOT_SLOTS];
};
static _Thread_local struct hot_slots hot[KINDS];
static _Thread_local bool hot_returns; /* hot_key is set: this thread's end gives its slots back */
static pthread_key_t hot_key;

/* Of a block of that size; KINDS: malloc's. */
static size_t kind_of_size(size_t size) {
    if (size == TLS_MEMORY_PAGE) {
        return KIND_PAGE;
    }
    return size >= TLS_MEMORY_RECORD_MIN && size <= TLS_MEMORY_RECORD_MAX ? KIND_RECORD : KINDS;
}

static size_t region_size(size_t kind) {
    return TLS_MEMORY_SLOTS * slot_sizes[kind];
}

/* Of a block that is there; KINDS: malloc's. */
static size_t kind_of_block(const void *block) {
    const uint8_t *bytes = block;
    for (size_t kind = 0; kind < KINDS; kind++) {
        const uint8_t *slots = regions[kind].slots;
        if (slots != NULL && bytes >= slots && bytes < slots + region_size(kind)) {
            return kind;
        }
    }
    return KINDS;
}

/* --- the regions ------------------------------------------------------------------------------------------ */

static uint8_t *region_take(size_t kind) {
    struct region *region = &regions[kind];
    uint8_t *slot = NULL;
    pthread_mutex_lock(&region->lock);
    if (region->free_count > 0) {
        slot = region->slots + (size_t)region->free[--region->free_count] * slot_sizes[kind];
    }
    pthread_mutex_unlock(&region->lock);
    return slot;
}

static void region_return(size_t kind, uint8_t *slot) {
    struct region *region = &regions[kind];
    (void)madvise(slot, slot_sizes[kind], MADV_DONTNEED); /* a failure costs memory, nothing else */
    pthread_mutex_lock(&region->lock);
    region->free[region->free_count++] = (uint16_t)((size_t)(slot - region->slots) / slot_sizes[kind]);
    pthread_mutex_unlock(&region->lock);
}

size_t tls_memory_slots_taken(void) {
    size_t taken = 0;
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct region *region = &regions[kind];
        pthread_mutex_lock(&region->lock);
        taken += region->slots == NULL ? 0 : TLS_MEMORY_SLOTS - region->free_count;
        pthread_mutex_unlock(&region->lock);
    }
    return taken;
}

/* 0 or -ENOMEM. */
static int region_make(size_t kind) {
    struct region *region = &regions[kind];
    void *slots = mmap(NULL, region_size(kind), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slots == MAP_FAILED) {
        return -ENOMEM;
    }
    (void)madvise(slots, region_size(kind), MADV_NOHUGEPAGE);
    for (size_t i = 0; i < TLS_MEMORY_SLOTS; i++) {
        region->free[i] = (uint16_t)(TLS_MEMORY_SLOTS - 1 - i); /* the first is taken first */
    }
    region->free_count = TLS_MEMORY_SLOTS;
    region->slots = slots;
    return 0;
}

static void region_unmake(size_t kind) {
    if (regions[kind].slots != NULL) {
        munmap(regions[kind].slots, region_size(kind));
        regions[kind].slots = NULL;
    }
}

/* --- a thread's own --------------------------------------------------------------------------------------- */

static void return_hot_slots(void *pointer) {
    struct hot_slots *kinds = pointer;
    hot_returns =
        false; /* OpenSSL's own destructors may come later, and free: then this one is called again */
    for (size_t kind = 0; kind < KINDS; kind++) {
        while (kinds[kind].count > 0) {
            region_return(kind, kinds[kind].slots[--kinds[kind].count]);
        }
    }
}

static uint8_t *slot_take(size_t kind) {
    struct hot_slots *own = &hot[kind];
    return own->count > 0 ? own->slots[--own->count] : region_take(kind);
}

static void slot_return(size_t kind, uint8_t *slot) {
    struct hot_slots *own = &hot[kind];
    if (!hot_returns) {
        hot_returns = pthread_setspecific(hot_key, hot) == 0;
    }
    if (hot_returns && own->count < HOT_SLOTS) {
        own->slots[own->count++] = slot;
    } else {
        region_return(kind, slot);
    }
}

/* --- what OpenSSL calls ----------------------------------------------------------------------------------- */

void *tls_memory_allocate(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    size_t kind = kind_of_size(size);
    uint8_t *slot = kind < KINDS ? slot_take(kind) : NULL;
    return slot != NULL ? slot : malloc(size);
}

void tls_memory_free(void *block, const char *file, int line) {
    (void)file;
    (void)line;
    if (block == NULL) {
        return; /* every second time */
    }
    size_t kind = kind_of_block(block);
    if (kind < KINDS) {
        slot_return(kind, block);
    } else {
        free(block);
    }
}

void *tls_memory_resize(void *block, size_t size, const char *file, int line) {
    if (block == NULL) {
        return tls_memory_allocate(size, file, line);
    }
    size_t kind = kind_of_block(block);
    if (kind == KINDS) {
        return realloc(block, size);
    }
    if (size > 0 && size <= slot_sizes[kind]) {
        return block;
    }
    void *larger = size > 0 ? tls_memory_allocate(size, file, line) : NULL;
    if (larger != NULL) {
        memcpy(larger, block, slot_sizes[kind]);
    }
    if (larger != NULL || size == 0) {
        tls_memory_free(block, file, line);
    }
    return larger;
}

int tls_memory_install(void) {
    if (regions[KIND_PAGE].slots != NULL) {
        return -EALREADY;
    }
    int status = pthread_key_create(&hot_key, return_hot_slots) == 0 ? 0 : -ENOMEM;
    if (status < 0) {
        return status;
    }
    for (size_t kind = 0; kind < KINDS && status == 0; kind++) {
        status = region_make(kind);
    }
    if (status == 0 &&
        CRYPTO_set_mem_functions(tls_memory_allocate, tls_memory_resize, tls_memory_free) != 1) {
        status = -EALREADY;
    }
    if (status < 0) {
        for (size_t kind = 0; kind < KINDS; kind++) {
            region_unmake(kind);
        }
        pthread_key_delete(hot_key);
    }
    return status;
}
