/* What is counted while the daemon works: each reactor has counters of its own, which its thread alone changes and any
 * thread reads. No locks, no read-modify-write of the bus: an addition is a load, an add and a store. A reader sees each
 * number whole, and one a moment older than the next.
 *
 * All zero is a fresh one; it may be embedded in what is zeroed. */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "ops/histogram.h"

typedef _Atomic uint64_t counter_cell;

enum counter {
#define COUNTER_FAMILY(name, type, help)
#define COUNTER(id, labels) COUNTER_##id,
#define COUNTER_OF_UPSTREAM(id, labels)
#include "ops/counters.def"
#undef COUNTER
#undef COUNTER_OF_UPSTREAM
    COUNTERS_END
};

enum counter_of_upstream {
#define COUNTER(id, labels)
#define COUNTER_OF_UPSTREAM(id, labels) COUNTER_UPSTREAM_##id,
#include "ops/counters.def"
#undef COUNTER
#undef COUNTER_OF_UPSTREAM
#undef COUNTER_FAMILY
    COUNTERS_OF_UPSTREAM_END
};

enum { COUNTERS_NAME_MAX = 64, COUNTERS_UPSTREAMS_MAX = 80 };

/* Of one upstream on one reactor. */
struct upstream_counters {
    char line_before[64];
    char name[COUNTERS_NAME_MAX + 1];
    counter_cell cells[COUNTERS_OF_UPSTREAM_END];
    struct histogram latency; /* of calls, from passing them on to their answer */
    char line_behind[64];
};

struct counters {
    char line_before[64]; /* the cells are on lines of the cache that no other reactor writes to */
    counter_cell cells[COUNTERS_END];
    char line_behind[64];
    _Atomic size_t upstreams_count;
    struct upstream_counters upstreams[COUNTERS_UPSTREAMS_MAX];
};

/* Those of the upstream of that name, begun where there are none yet, on the reactor's thread or before it runs. They stay
 * for as long as the counters do, also when a later configuration has no such upstream. NULL: there are too many. */
struct upstream_counters *counters_of_upstream(struct counters *counters, const char *name);

static inline void counter_cell_add(counter_cell *cell, uint64_t much) {
    atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + much,
                          memory_order_relaxed);
}
static inline uint64_t counter_cell_read(const counter_cell *cell) {
    return atomic_load_explicit(cell, memory_order_relaxed);
}

static inline void counter_add(struct counters *counters, enum counter which, uint64_t much) {
    counter_cell_add(&counters->cells[which], much);
}
static inline void counter_up(struct counters *counters, enum counter which) {
    counter_add(counters, which, 1);
}
static inline void counter_down(struct counters *counters, enum counter which) {
    counter_add(counters, which, UINT64_MAX); /* modulo 2^64: the sum over all reactors is right */
}

/* NULL: nothing is counted. */
static inline void counter_up_of_upstream(struct upstream_counters *counters,
                                          enum counter_of_upstream which) {
    if (counters != NULL) {
        counter_cell_add(&counters->cells[which], 1);
    }
}

/* The rows of counters.def, in their order, for whoever writes them out. */
struct counter_row {
    const char *family, *type, *help; /* NULL: of the row before */
    const char *labels;
    int which;       /* enum counter, or -1 */
    int of_upstream; /* enum counter_of_upstream, or -1; both -1: the row begins a family */
};
extern const struct counter_row counter_rows[];
extern const size_t counter_rows_count;

#endif
