/* How long something took: counts by time, for quantiles that are right to within a bucket. One thread adds, any reads.
 *                                                                                   (Prometheus, "Histograms") */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_BOUNDS = 18 };

struct histogram { /* all zero: nothing was added */
    _Atomic uint64_t
        buckets[HISTOGRAM_BOUNDS + 1]; /* not cumulative; the last is of what took longer than any bound */
    _Atomic uint64_t sum_us;
};

/* Microseconds, rising: what a bucket has at most. */
extern const uint64_t histogram_bounds[HISTOGRAM_BOUNDS];
/* The same in seconds, as they are written: "0.0025". */
extern const char *const histogram_bound_texts[HISTOGRAM_BOUNDS];

/* The bucket of a time. */
size_t histogram_place(uint64_t took_us);

void histogram_add(struct histogram *histogram, uint64_t took_us);

#endif
