/* What counting costs a call: all that is counted of one that is passed on and answered, many times over. Prints ns. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ops/counters.h"

enum { CALLS = 20000000 };

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void count_call(struct counters *counters, struct upstream_counters *upstream, uint64_t took_us) {
    counter_up(counters, COUNTER_PAGE_MESSAGES_RECEIVED);
    counter_up_of_upstream(upstream, COUNTER_UPSTREAM_CALLS);
    counter_up(counters, COUNTER_WAITING_CALLS);
    counter_up_of_upstream(upstream, COUNTER_UPSTREAM_RESPONSES);
    histogram_add(&upstream->latency, took_us);
    counter_down(counters, COUNTER_WAITING_CALLS);
    counter_up(counters, COUNTER_PAGE_MESSAGES_SENT);
}

int main(void) {
    struct counters *counters = calloc(1, sizeof *counters);
    struct upstream_counters *upstream = counters == NULL ? NULL : counters_of_upstream(counters, "default");
    if (upstream == NULL) {
        return 1;
    }
    const double began = now_ns();
    for (uint64_t i = 0; i < CALLS; i++) {
        count_call(counters, upstream, i * 37 % 3000);
    }
    const double took = now_ns() - began;
    printf("counting costs %.1f ns a call\n", took / CALLS);
    free(counters);
    return 0;
}
