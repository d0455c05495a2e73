#include "ops/counters.h"

#include <string.h>

const struct counter_row counter_rows[] = {
#define COUNTER_FAMILY(name, type, help) {name, type, help, NULL, -1, -1},
#define COUNTER(id, labels)              {NULL, NULL, NULL, labels, COUNTER_##id, -1},
#define COUNTER_OF_UPSTREAM(id, labels)  {NULL, NULL, NULL, labels, -1, COUNTER_UPSTREAM_##id},
#include "ops/counters.def"
#undef COUNTER_FAMILY
#undef COUNTER
#undef COUNTER_OF_UPSTREAM
};
const size_t counter_rows_count = sizeof counter_rows / sizeof counter_rows[0];

struct upstream_counters *counters_of_upstream(struct counters *counters, const char *name) {
    size_t count = atomic_load_explicit(&counters->upstreams_count, memory_order_relaxed);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(counters->upstreams[i].name, name) == 0) {
            return &counters->upstreams[i];
        }
    }
    size_t length = strlen(name);
    if (count == COUNTERS_UPSTREAMS_MAX || length > COUNTERS_NAME_MAX) {
        return NULL;
    }
    memcpy(counters->upstreams[count].name, name, length + 1);
    atomic_store_explicit(&counters->upstreams_count, count + 1, memory_order_release);
    return &counters->upstreams[count];
}
