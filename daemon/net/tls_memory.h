/* Where OpenSSL's buffers live: in slots of their own, not between the small and lasting things of the heap.
 *
 * A handshake takes buffers for a moment, of 16 to 68 KB for records and two pages for what it answers, and leaves small objects
 * behind that stay as long as the connection. In one heap these pin the pages of those: 500 browsers that come at once then cost
 * 36 KB each where they hold 15, and 20 KB with slots for the records alone. A slot that is free gives its pages back, save a
 * few for each thread, which are hot: nearly every read takes one and returns it within the same turn. */
#ifndef TLS_MEMORY_H
#define TLS_MEMORY_H

#include <stddef.h>

/* In bytes, but for the last. Blocks of other sizes come from malloc; so does all when every slot of its kind is taken. A page is what the buffering BIO of a
 * handshake is made of, twice. Slots for 8,000 handshakes at a time: with a fourth of them, 9,000 browsers that came
 * within seconds cost 32 KB each, and 21 KB with these. A slot that nobody takes is an address, and no memory. */
enum {
    TLS_MEMORY_PAGE = 4096,
    TLS_MEMORY_RECORD_MIN = 8192,
    TLS_MEMORY_RECORD_MAX = 73728,
    TLS_MEMORY_SLOTS = 16384, /* of each kind */
};

/* Makes OpenSSL allocate by the three below. To be called once, before anything else of OpenSSL. 0; -ENOMEM where
 * the system gives no address space, -EALREADY where OpenSSL has allocated before: all stays with malloc then. */
int tls_memory_install(void);

/* As malloc, realloc and free, on any thread; a block may be freed by another thread than took it. `file` and `line`
 * are OpenSSL's, and not used. */
void *tls_memory_allocate(size_t size, const char *file, int line);
void *tls_memory_resize(void *block, size_t size, const char *file, int line);
void tls_memory_free(void *block, const char *file, int line);

size_t tls_memory_slots_taken(void); /* slots of both kinds that hold a block or are kept hot by a thread */

#endif
