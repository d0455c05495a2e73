#include "ops/histogram.h"

const uint64_t histogram_bounds[HISTOGRAM_BOUNDS] = {
    100,    250,    500,    1000,    2500,    5000,    10000,    25000,    50000,
    100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000,
};
const char *const histogram_bound_texts[HISTOGRAM_BOUNDS] = {
    "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05",
    "0.1",    "0.25",    "0.5",    "1",     "2.5",    "5",     "10",   "30",    "60",
};

size_t histogram_place(uint64_t took_us) {
    size_t low = 0;
    size_t high = HISTOGRAM_BOUNDS;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (took_us <= histogram_bounds[middle]) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static void add(_Atomic uint64_t *cell, uint64_t much) {
    atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + much,
                          memory_order_relaxed);
}

void histogram_add(struct histogram *histogram, uint64_t took_us) {
    add(&histogram->buckets[histogram_place(took_us)], 1);
    add(&histogram->sum_us, took_us);
}
