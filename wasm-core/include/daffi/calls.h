/* Call ids: 16 bits, never 0, never one that is in flight. They are given out in turn from any first one, round and round, past
 * 65535 from 1. A page starts anywhere: where it is loaded anew, answers to the page before it go by the same name.
 * An id that was given back rests: it is taken again only when at least half of all ids have been passed, or no other is free,
 * so that a late answer to a finished call does not meet a new one. 16 KiB, no allocation. */
#ifndef DAFFI_CALLS_H
#define DAFFI_CALLS_H

#include <stdbool.h>
#include <stdint.h>

enum { DAFFI_CALLS_MAX = 65535 };

struct daffi_calls {
    uint64_t in_flight[1024]; /* bit set */
    uint64_t resting[1024];   /* free, but to be passed over once */
    uint32_t count;
    uint16_t last;
};

/* `first` is what is taken first: 1 to 65535. */
void daffi_calls_init(struct daffi_calls *calls, uint16_t first);

/* Takes an id. Returns 1 to 65535, or -EBUSY when all are in flight. */
int daffi_calls_open(struct daffi_calls *calls);

/* Gives an id back; false when it was not in flight. */
bool daffi_calls_close(struct daffi_calls *calls, uint16_t id);

bool daffi_calls_is_open(const struct daffi_calls *calls, uint16_t id);

#endif
