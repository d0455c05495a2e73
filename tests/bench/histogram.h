/* Latencies in buckets that are at most 1/64 wide, from 1 ns to 2^40 ns: fixed size, no allocation. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 6, HISTOGRAM_BUCKETS = (40 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS };

struct histogram {
    uint64_t count;
    uint64_t largest; /* ns, exact */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t nanoseconds);

/* The value that `part` (0 to 1) of all do not pass, rounded up to its bucket's end; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double part);

#endif
