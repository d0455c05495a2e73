/* What Emscripten's C library has in longer forms: its heap, and the search for a byte. Only in app.wasm, where every
 * page pays for each byte. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "small_heap.h"

enum { PAGE = 65536 };

extern uint8_t __heap_base; /* the linker's: where stack and data end */

void *small_heap_extend(size_t bytes, size_t *ret_bytes) {
    static uintptr_t heap_end;
    uintptr_t begin = heap_end;
    uintptr_t end = __builtin_wasm_memory_size(0) * PAGE;
    if (begin == 0)
        begin = ((uintptr_t)&__heap_base + 7) & ~(uintptr_t)7;
    if (end - begin < bytes) {
        const size_t pages = (bytes - (end - begin) + PAGE - 1) / PAGE;
        if (__builtin_wasm_memory_grow(0, pages) == SIZE_MAX)
            return NULL;
        end += pages * PAGE;
    }
    heap_end = end;
    *ret_bytes = end - begin;
    return (void *)begin; /* NOLINT(performance-no-int-to-ptr): memory begins at address 0 */
}

void *malloc(size_t size) {
    return small_heap_allocate(size);
}

void free(void *memory) {
    small_heap_free(memory);
}

void *calloc(size_t count, size_t size) {
    size_t bytes;
    void *memory = __builtin_mul_overflow(count, size, &bytes) ? NULL : malloc(bytes);
    return memory != NULL ? memset(memory, 0, bytes) : NULL;
}

void *realloc(void *memory, size_t size) {
    void *moved = malloc(size);
    if (moved == NULL || memory == NULL)
        return moved;
    const size_t had = small_heap_room(memory);
    memcpy(moved, memory, had < size ? had : size);
    free(memory);
    return moved;
}

void *memchr(const void *bytes, int wanted, size_t length) {
    const uint8_t *const byte = bytes;
    for (size_t i = 0; i < length; i++)
        if (byte[i] == (uint8_t)wanted)
            return (void *)(uintptr_t)(byte + i);
    return NULL;
}

char *strchr(const char *text, int wanted) {
    for (;; text++) {
        if (*text == (char)wanted)
            return (char *)(uintptr_t)text;
        if (*text == '\0')
            return NULL;
    }
}

size_t strlen(const char *text) {
    const char *end = text;
    while (*end != '\0')
        end++;
    return (size_t)(end - text);
}
