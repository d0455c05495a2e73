#include "daffi/calls.h"

#include <errno.h>
#include <string.h>

enum { WORD_BITS = 64, WORDS = 1024, HALF_ROUND = 32768 };

void daffi_calls_init(struct daffi_calls *calls, uint16_t first) {
    memset(calls, 0, sizeof *calls);
    calls->in_flight[0] = 1; /* id 0 is never given out */
    calls->last = (uint16_t)(first - 1);
}

/* Takes the first of the word's free ids among `wanted`. Those that rest and are passed over have rested: the next time
 * round they are free. Returns 0 to 63, or -1. */
static int take_of_word(struct daffi_calls *calls, uint32_t word, uint64_t wanted) {
    const uint64_t free_bits = ~calls->in_flight[word] & ~calls->resting[word] & wanted;
    const int bit = free_bits == 0 ? -1 : __builtin_ctzll(free_bits);
    const uint64_t passed = free_bits == 0 ? wanted : wanted & ((free_bits & -free_bits) - 1);
    calls->resting[word] &= ~passed;
    if (bit >= 0)
        calls->in_flight[word] |= UINT64_C(1) << bit;
    return bit;
}

int daffi_calls_open(struct daffi_calls *calls) {
    if (calls->count == DAFFI_CALLS_MAX)
        return -EBUSY;
    /* The ids behind the last one, and round to it, a word at a time; a second round where all that was free rested. */
    const uint32_t start = ((uint32_t)calls->last + 1) % (WORDS * WORD_BITS);
    uint32_t word = start / WORD_BITS;
    int bit = take_of_word(calls, word, UINT64_MAX << start % WORD_BITS);
    while (bit < 0) {
        word = (word + 1) % WORDS;
        bit = take_of_word(calls, word, UINT64_MAX);
    }
    calls->count++;
    calls->last = (uint16_t)(word * WORD_BITS + (uint32_t)bit);
    return calls->last;
}

bool daffi_calls_is_open(const struct daffi_calls *calls, uint16_t id) {
    return id != 0 && (calls->in_flight[id / WORD_BITS] >> id % WORD_BITS & 1) != 0;
}

bool daffi_calls_close(struct daffi_calls *calls, uint16_t id) {
    if (!daffi_calls_is_open(calls, id))
        return false;
    calls->in_flight[id / WORD_BITS] &= ~(UINT64_C(1) << id % WORD_BITS);
    /* One that was out for so long that its turn is near lets it pass. */
    if ((uint16_t)(calls->last - id) >= HALF_ROUND)
        calls->resting[id / WORD_BITS] |= UINT64_C(1) << id % WORD_BITS;
    calls->count--;
    return true;
}
