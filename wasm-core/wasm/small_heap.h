/* The heap of app.wasm: malloc and free over one run of memory that grows at its end and never shrinks.
 *
 * Every block begins with its size and that of the block before it, so that free ones merge with both neighbours in
 * constant time. Free blocks stand in lists by powers of two; of its own power a request looks at a few, then it takes
 * the first of the next: no request walks the heap, whatever the order in which a peer makes us allocate.
 * Blocks are aligned to 8 bytes. One heap, one thread. */
#ifndef DAFFI_WASM_SMALL_HEAP_H
#define DAFFI_WASM_SMALL_HEAP_H

#include <stddef.h>

/* NULL when the run can't grow enough, or `size` is past 1 GiB. 0 bytes are a block too. */
void *small_heap_allocate(size_t size);
void small_heap_free(void *memory); /* NULL-safe */

/* Bytes that the block has room for, at least those that were asked for. */
size_t small_heap_room(const void *memory);

/* The run, given by whoever has the heap: makes it longer by `bytes` or more, or begins it. Returns where the new part
 * begins, aligned to 8, with its length in *ret_bytes (a multiple of 8): behind the former one, without a gap.
 * NULL when that can't be. */
void *small_heap_extend(size_t bytes, size_t *ret_bytes);

#endif
