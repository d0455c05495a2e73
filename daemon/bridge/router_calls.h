/* The calls of one branch's members that wait for an answer, by caller and call id. A branch's thread alone. An answer
 * takes its call out, so that there is one answer at most; what is left when a member leaves is answered for it. */
#ifndef ROUTER_CALLS_H
#define ROUTER_CALLS_H

#include "bridge/router_member.h"

struct router_call {
    struct router_call *next; /* of the same bucket, or of the free ones */
    struct attachment *caller;
    struct router_seat *worker;
    struct router_call *of_worker_next, *of_worker_previous; /* of worker->calls */
    struct router_call *of_caller_next, *of_caller_previous; /* of caller->calls, the oldest first */
    uint64_t since;                                          /* ms */
    uint16_t uuid;
};

struct router_calls {
    struct router_call **buckets;
    size_t capacity; /* 0, or a power of two */
    size_t count;
    struct router_call *free; /* kept for the next ones */
    size_t free_count;
};

void router_calls_clear(
    struct router_calls *calls); /* fine when all zero; all calls must have been dropped */

/* Takes note of a call. One that has the same caller and id is over, as the caller has given its id to this one. 0; -EBUSY
 * when the caller has `limit` of them in flight; -ENOMEM. */
int router_calls_open(struct router_calls *calls, struct attachment *caller, uint16_t uuid,
                      struct router_seat *worker, size_t limit, uint64_t now);

/* Whether `worker` may answer that call; it is over with this. */
bool router_calls_take(struct router_calls *calls, struct attachment *caller, uint16_t uuid,
                       const struct attachment *worker);

void router_calls_drop(struct router_calls *calls, struct router_call *call);

/* All of a caller that has left. */
void router_calls_drop_caller(struct router_calls *calls, struct attachment *caller);

#endif
