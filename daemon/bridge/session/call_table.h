/* The calls of one reactor that wait for an answer, by caller and call id: of the members of a branch of the router, of the
 * sessions of upstreams. One thread. An answer takes its call out, so that there is one answer at most; what is left when
 * the worker leaves is answered for it. */
#ifndef CALL_TABLE_H
#define CALL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ops/counters.h"

/* What a caller and a worker keep; part of something of theirs. All zero: none. */
struct call_caller {
    struct call *oldest, *newest;
    size_t count;
};
struct call_worker {
    struct call *calls;
};

struct call {
    struct call *next;  /* of the same bucket, or of the free ones */
    struct call **link; /* what points to it in its bucket */
    struct call_caller *caller;
    struct call_worker *worker; /* NULL: nobody knows it yet */
    struct call *of_worker_next, *of_worker_previous;
    struct call *of_caller_next, *of_caller_previous;
    uint64_t since_us;
    uint16_t uuid;
};

struct call_table { /* all zero: empty */
    struct call **buckets;
    size_t capacity; /* 0, or a power of two */
    size_t count;
    struct call *free; /* kept for the next ones */
    size_t free_count;
    counter_cell *waiting; /* a gauge of its calls; NULL: nobody counts */
};

void call_table_clear(struct call_table *table); /* all calls must have been dropped */

/* Takes note of a call. One that has the same caller and id is over, as the caller has given its id to this one. 0; -EBUSY
 * when the caller has `limit` of them in flight; -ENOMEM. */
int call_table_open(struct call_table *table, struct call_caller *caller, uint16_t uuid,
                    struct call_worker *worker, size_t limit, uint64_t now_us);

/* NULL: no such call waits. */
struct call *call_table_find(const struct call_table *table, const struct call_caller *caller, uint16_t uuid);

/* The call that makes way when its caller has `limit` in flight: the oldest, if it has waited for so long (a minute) that an
 * answer is not to be expected; calls that are never answered must not lock their caller out for good. NULL: none does. */
struct call *call_table_stale(const struct call_caller *caller, size_t limit, uint64_t now_us);

void call_table_drop(struct call_table *table, struct call *call);

/* All of a caller that has left. */
void call_table_drop_caller(struct call_table *table, struct call_caller *caller);

/* It is for `worker` (NULL: nobody knows). */
void call_assign(struct call *call, struct call_worker *worker);

#endif
