#include "net/tls_memory.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HOT_SLOTS = 8 }; /* kept by a thread with their pages: a turn rarely has more buffers at once */

/* Slots that nobody holds: a stack, whose elements are told by number so that their pages need not be there. */
static struct {
    pthread_mutex_t lock;
    uint8_t *slots; /* NULL before tls_memory_install */
    size_t free_count;
    uint16_t free[TLS_MEMORY_SLOTS];
} region = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct hot_slots {
    size_t count;
    uint8_t *slots[HOT_SLOTS];
};
static _Thread_local struct hot_slots hot;
static _Thread_local bool hot_returns; /* hot_key is set: this thread's end gives its slots back */
static pthread_key_t hot_key;

static bool is_slot(const void *block) {
    const uint8_t *bytes = block;
    return region.slots != NULL && bytes >= region.slots &&
           bytes < region.slots + (size_t)TLS_MEMORY_SLOTS * TLS_MEMORY_BLOCK_MAX;
}

/* --- the region ------------------------------------------------------------------------------------------- */

static uint8_t *region_take(void) {
    uint8_t *slot = NULL;
    pthread_mutex_lock(&region.lock);
    if (region.free_count > 0) {
        slot = region.slots + (size_t)region.free[--region.free_count] * TLS_MEMORY_BLOCK_MAX;
    }
    pthread_mutex_unlock(&region.lock);
    return slot;
}

static void region_return(uint8_t *slot) {
    (void)madvise(slot, TLS_MEMORY_BLOCK_MAX, MADV_DONTNEED); /* a failure costs memory, nothing else */
    pthread_mutex_lock(&region.lock);
    region.free[region.free_count++] = (uint16_t)((size_t)(slot - region.slots) / TLS_MEMORY_BLOCK_MAX);
    pthread_mutex_unlock(&region.lock);
}

size_t tls_memory_slots_taken(void) {
    pthread_mutex_lock(&region.lock);
    size_t taken = region.slots == NULL ? 0 : TLS_MEMORY_SLOTS - region.free_count;
    pthread_mutex_unlock(&region.lock);
    return taken;
}

/* --- a thread's own --------------------------------------------------------------------------------------- */

static void return_hot_slots(void *pointer) {
    struct hot_slots *slots = pointer;
    while (slots->count > 0) {
        region_return(slots->slots[--slots->count]);
    }
}

static uint8_t *slot_take(void) {
    return hot.count > 0 ? hot.slots[--hot.count] : region_take();
}

static void slot_return(uint8_t *slot) {
    if (!hot_returns) {
        hot_returns = pthread_setspecific(hot_key, &hot) == 0;
    }
    if (hot_returns && hot.count < HOT_SLOTS) {
        hot.slots[hot.count++] = slot;
    } else {
        region_return(slot);
    }
}

/* --- what OpenSSL calls ----------------------------------------------------------------------------------- */

void *tls_memory_allocate(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    uint8_t *slot = NULL;
    if (size >= TLS_MEMORY_BLOCK_MIN && size <= TLS_MEMORY_BLOCK_MAX) {
        slot = slot_take();
    }
    return slot != NULL ? slot : malloc(size);
}

void tls_memory_free(void *block, const char *file, int line) {
    (void)file;
    (void)line;
    if (is_slot(block)) {
        slot_return(block);
    } else {
        free(block);
    }
}

void *tls_memory_resize(void *block, size_t size, const char *file, int line) {
    if (block == NULL) {
        return tls_memory_allocate(size, file, line);
    }
    if (!is_slot(block)) {
        return realloc(block, size);
    }
    if (size > 0 && size <= TLS_MEMORY_BLOCK_MAX) {
        return block;
    }
    void *larger = size > 0 ? malloc(size) : NULL;
    if (larger != NULL) {
        memcpy(larger, block, TLS_MEMORY_BLOCK_MAX);
    }
    if (larger != NULL || size == 0) {
        tls_memory_free(block, file, line);
    }
    return larger;
}

int tls_memory_install(void) {
    if (region.slots != NULL) {
        return -EALREADY;
    }
    void *slots = mmap(NULL, (size_t)TLS_MEMORY_SLOTS * TLS_MEMORY_BLOCK_MAX, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slots == MAP_FAILED) {
        return -ENOMEM;
    }
    (void)madvise(slots, (size_t)TLS_MEMORY_SLOTS * TLS_MEMORY_BLOCK_MAX, MADV_NOHUGEPAGE);
    int status = pthread_key_create(&hot_key, return_hot_slots) == 0 ? 0 : -ENOMEM;
    if (status == 0 &&
        CRYPTO_set_mem_functions(tls_memory_allocate, tls_memory_resize, tls_memory_free) != 1) {
        pthread_key_delete(hot_key);
        status = -EALREADY;
    }
    if (status < 0) {
        munmap(slots, (size_t)TLS_MEMORY_SLOTS * TLS_MEMORY_BLOCK_MAX);
        return status;
    }
    for (size_t i = 0; i < TLS_MEMORY_SLOTS; i++) {
        region.free[i] = (uint16_t)(TLS_MEMORY_SLOTS - 1 - i); /* the first is taken first */
    }
    region.free_count = TLS_MEMORY_SLOTS;
    region.slots = slots;
    return 0;
}
