#include "daffi/calls.h"

#include <errno.h>
#include <string.h>

enum { WORD_BITS = 64, WORDS = 1024 };

void daffi_calls_init(struct daffi_calls *calls) {
    memset(calls, 0, sizeof *calls);
    calls->in_flight[0] = 1; /* id 0 is never given out */
}

int daffi_calls_open(struct daffi_calls *calls) {
    if (calls->count == DAFFI_CALLS_MAX)
        return -EBUSY;
    /* The ids behind the last one, and round to it: the first free bit, a word at a time. */
    const uint32_t start = ((uint32_t)calls->last + 1) % (WORDS * WORD_BITS);
    uint32_t word = start / WORD_BITS;
    uint64_t free_bits = ~calls->in_flight[word] & UINT64_MAX << start % WORD_BITS;
    while (free_bits == 0) {
        word = (word + 1) % WORDS;
        free_bits = ~calls->in_flight[word];
    }
    const unsigned bit = (unsigned)__builtin_ctzll(free_bits);
    calls->in_flight[word] |= UINT64_C(1) << bit;
    calls->count++;
    calls->last = (uint16_t)(word * WORD_BITS + bit);
    return calls->last;
}

bool daffi_calls_is_open(const struct daffi_calls *calls, uint16_t id) {
    return id != 0 && (calls->in_flight[id / WORD_BITS] >> id % WORD_BITS & 1) != 0;
}

bool daffi_calls_close(struct daffi_calls *calls, uint16_t id) {
    if (!daffi_calls_is_open(calls, id))
        return false;
    calls->in_flight[id / WORD_BITS] &= ~(UINT64_C(1) << id % WORD_BITS);
    calls->count--;
    return true;
}
