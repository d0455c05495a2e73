#include "histogram.h"

#include <stddef.h>

enum { SUB_COUNT = 1 << HISTOGRAM_SUB_BITS };

/* Values below 2^6 have a bucket each; above, each power of two is cut into 64. */
static size_t bucket_of(uint64_t value) {
    if (value < SUB_COUNT) {
        return (size_t)value;
    }
    unsigned exponent = 63U - (unsigned)__builtin_clzll(value);
    unsigned shift = exponent - HISTOGRAM_SUB_BITS;
    size_t bucket = ((size_t)(shift + 1) << HISTOGRAM_SUB_BITS) + (size_t)((value >> shift) - SUB_COUNT);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t bucket_end(size_t bucket) {
    if (bucket < SUB_COUNT) {
        return bucket;
    }
    unsigned shift = (unsigned)(bucket >> HISTOGRAM_SUB_BITS) - 1;
    return (((uint64_t)(bucket & (SUB_COUNT - 1)) + SUB_COUNT + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t nanoseconds) {
    histogram->count++;
    histogram->buckets[bucket_of(nanoseconds)]++;
    if (nanoseconds > histogram->largest) {
        histogram->largest = nanoseconds;
    }
}

uint64_t histogram_quantile(const struct histogram *histogram, double part) {
    uint64_t wanted = (uint64_t)(part * (double)histogram->count);
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > wanted || (seen == histogram->count && seen > 0)) {
            uint64_t end = bucket_end(i);
            return end < histogram->largest ? end : histogram->largest;
        }
    }
    return 0;
}
