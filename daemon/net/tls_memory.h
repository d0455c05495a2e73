/* Where OpenSSL's record buffers live: in slots of their own, not between the small and lasting things of the heap.
 *
 * A handshake takes buffers of 16 to 68 KB for a moment and leaves small objects behind that stay as long as the
 * connection. In one heap these pin the pages of those: 500 browsers that come at once then cost 36 KB each where they
 * hold 15. A slot that is free gives its pages back, save a few for each thread, which are hot: nearly every read
 * takes one and returns it within the same turn. */
#ifndef TLS_MEMORY_H
#define TLS_MEMORY_H

#include <stddef.h>

/* A smaller block than the first or a larger one than the second comes from malloc; so does all when every slot is
 * taken. Slots for 8,000 handshakes at a time, a block to read and one to write each: with a fourth of them, 9,000 browsers that came
 * within seconds cost 32 KB each, and 21 KB with these. A slot that nobody takes is an address, and no memory. */
enum { TLS_MEMORY_BLOCK_MIN = 8192, TLS_MEMORY_BLOCK_MAX = 73728, TLS_MEMORY_SLOTS = 16384 };

/* Makes OpenSSL allocate by the three below. To be called once, before anything else of OpenSSL. 0; -ENOMEM where
 * the system gives no address space, -EALREADY where OpenSSL has allocated before: all stays with malloc then. */
int tls_memory_install(void);

/* As malloc, realloc and free, on any thread; a block may be freed by another thread than took it. `file` and `line`
 * are OpenSSL's, and not used. */
void *tls_memory_allocate(size_t size, const char *file, int line);
void *tls_memory_resize(void *block, size_t size, const char *file, int line);
void tls_memory_free(void *block, const char *file, int line);

size_t tls_memory_slots_taken(void); /* slots that hold a block or are kept hot by a thread */

#endif
