/* The functions that a member exposes, sorted, so that one of thousands is found at once. They lie in memory of whoever keeps
 * them: the spans, then the letters of all names. */
#ifndef METHODS_H
#define METHODS_H

#include "daffi/handshake.h"

struct methods { /* all zero: none */
    struct daffi_span *names;
    size_t count;
};

size_t methods_size(const struct daffi_member *member); /* bytes; 0: it exposes none */

/* Writes them into `memory`, of methods_size bytes and aligned as malloc's. */
struct methods methods_write(const struct daffi_member *member, void *memory);

/* The same, in memory of their own: free(names) gives it back. 0 or -ENOMEM. */
int methods_copy(const struct daffi_member *member, struct methods *ret_methods);

bool methods_have(const struct methods *methods, struct daffi_span function);

#endif
