/* A rate that may be kept to by one: a bucket that fills with time, and out of which what is done is taken. Time is passed
 * in, in ms. */
#ifndef RATE_H
#define RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rate {
    int64_t per_second; /* 0: no limit */
    int64_t burst;
    int64_t level; /* thousandths of what is left; below 0: a debt */
    uint64_t since;
};

/* Full. Both at most 2^40; a burst of 0 is that of one second. */
void rate_init(struct rate *rate, size_t per_second, size_t burst, uint64_t now);

/* Takes `amount` (at most 2^40), if that much is there; of what is more than the burst, when the bucket is full: it is then
 * in debt until time has made up for it. Whether it was taken. */
bool rate_take(struct rate *rate, size_t amount, uint64_t now);

/* Takes it in any case. */
void rate_charge(struct rate *rate, size_t amount, uint64_t now);

/* ms until `amount` (at most the burst) could be taken, if nobody took any before: 0, now. What is in debt is worked off in
 * order, so that whoever charges it right away may go ahead when that time has passed. */
uint64_t rate_wait(struct rate *rate, size_t amount, uint64_t now);

#endif
