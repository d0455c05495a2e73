/* The members that are evicted by themselves: a page that changes its functions joins its Router anew under the same name.
 * Sessions of all reactors ask here whether an eviction that they hear of is such a one; then nothing is lost, and what was
 * on its way arrives. Bounded: the oldest of very many is forgotten, and taken for a true eviction. Any thread. */
#ifndef REJOINS_H
#define REJOINS_H

#include <stdbool.h>

#include "daffi/span.h"

enum { REJOINS_MAX = 256, REJOIN_MS = 5000 /* for the news to have come to all */ };

struct rejoins;

int rejoins_new(struct rejoins **ret_rejoins); /* 0 or -errno */
void rejoins_free(struct rejoins *rejoins);    /* NULL-safe */

/* The member `name` of `upstream` is about to. With NULL for `rejoins` nothing is kept. */
void rejoins_put(struct rejoins *rejoins, const char *upstream, struct daffi_span name, uint64_t now);

bool rejoins_has(struct rejoins *rejoins, const char *upstream, struct daffi_span name, uint64_t now);

#endif
