#include "bridge/router_calls.h"

#include <errno.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 64, FREE_MAX = 1024 };

static size_t bucket_of(const struct router_calls *calls, const struct attachment *caller, uint16_t uuid) {
    uint64_t hash = (uint64_t)(uintptr_t)caller * 0x9E3779B97F4A7C15U;
    hash = (hash ^ (hash >> 29) ^ uuid) * 0xBF58476D1CE4E5B9U;
    return (size_t)(hash >> 32) & (calls->capacity - 1);
}

/* Without memory the buckets just get fuller. */
static int grow(struct router_calls *calls) {
    size_t capacity = calls->capacity == 0 ? CAPACITY_MIN : calls->capacity * 2;
    struct router_call **old = calls->buckets;
    size_t old_capacity = calls->capacity;
    struct router_call **buckets = calloc(capacity, sizeof(struct router_call *));
    if (buckets == NULL) {
        return old == NULL ? -ENOMEM : 0;
    }
    calls->buckets = buckets;
    calls->capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        while (old[i] != NULL) {
            struct router_call *call = old[i];
            old[i] = call->next;
            size_t bucket = bucket_of(calls, call->caller, call->uuid);
            call->next = buckets[bucket];
            buckets[bucket] = call;
        }
    }
    free(old);
    return 0;
}

static struct router_call **find(const struct router_calls *calls, const struct attachment *caller,
                                 uint16_t uuid) {
    if (calls->capacity == 0) {
        return NULL;
    }
    struct router_call **at = &calls->buckets[bucket_of(calls, caller, uuid)];
    while (*at != NULL && ((*at)->caller != caller || (*at)->uuid != uuid)) {
        at = &(*at)->next;
    }
    return *at == NULL ? NULL : at;
}

/* -- the lists of both ends -- */

static void link_ends(struct router_call *call) {
    call->of_worker_next = call->worker->calls;
    if (call->of_worker_next != NULL) {
        call->of_worker_next->of_worker_previous = call;
    }
    call->worker->calls = call;
    struct attachment *caller = call->caller;
    call->of_caller_previous = caller->newest_call;
    if (caller->newest_call != NULL) {
        caller->newest_call->of_caller_next = call;
    } else {
        caller->calls = call;
    }
    caller->newest_call = call;
    caller->calls_count++;
}

static void unlink_ends(struct router_call *call) {
    if (call->of_worker_next != NULL) {
        call->of_worker_next->of_worker_previous = call->of_worker_previous;
    }
    if (call->of_worker_previous != NULL) {
        call->of_worker_previous->of_worker_next = call->of_worker_next;
    } else {
        call->worker->calls = call->of_worker_next;
    }
    struct attachment *caller = call->caller;
    if (call->of_caller_next != NULL) {
        call->of_caller_next->of_caller_previous = call->of_caller_previous;
    } else {
        caller->newest_call = call->of_caller_previous;
    }
    if (call->of_caller_previous != NULL) {
        call->of_caller_previous->of_caller_next = call->of_caller_next;
    } else {
        caller->calls = call->of_caller_next;
    }
    caller->calls_count--;
}

static void drop_at(struct router_calls *calls, struct router_call **at) {
    struct router_call *call = *at;
    *at = call->next;
    calls->count--;
    unlink_ends(call);
    if (calls->free_count < FREE_MAX) {
        call->next = calls->free;
        calls->free = call;
        calls->free_count++;
    } else {
        free(call);
    }
}

static struct router_call *new_call(struct router_calls *calls) {
    struct router_call *call = calls->free;
    if (call == NULL) {
        return malloc(sizeof *call);
    }
    calls->free = call->next;
    calls->free_count--;
    return call;
}

/* -- what the router calls -- */

int router_calls_open(struct router_calls *calls, struct attachment *caller, uint16_t uuid,
                      struct router_seat *worker, size_t limit, uint64_t now) {
    struct router_call **same = find(calls, caller, uuid);
    if (same != NULL) {
        drop_at(calls, same);
    }
    if (caller->calls_count >= limit) {
        return -EBUSY;
    }
    if (calls->count >= calls->capacity && grow(calls) < 0) {
        return -ENOMEM;
    }
    struct router_call *call = new_call(calls);
    if (call == NULL) {
        return -ENOMEM;
    }
    struct router_call **bucket = &calls->buckets[bucket_of(calls, caller, uuid)];
    *call =
        (struct router_call){.next = *bucket, .caller = caller, .worker = worker, .since = now, .uuid = uuid};
    *bucket = call;
    calls->count++;
    link_ends(call);
    return 0;
}

bool router_calls_take(struct router_calls *calls, struct attachment *caller, uint16_t uuid,
                       const struct attachment *worker) {
    struct router_call **at = find(calls, caller, uuid);
    if (at == NULL || (*at)->worker->member != worker) {
        return false;
    }
    drop_at(calls, at);
    return true;
}

void router_calls_drop(struct router_calls *calls, struct router_call *call) {
    drop_at(calls, find(calls, call->caller, call->uuid));
}

void router_calls_drop_caller(struct router_calls *calls, struct attachment *caller) {
    while (caller->calls != NULL) {
        router_calls_drop(calls, caller->calls);
    }
}

void router_calls_clear(struct router_calls *calls) {
    while (calls->free != NULL) {
        struct router_call *call = calls->free;
        calls->free = call->next;
        free(call);
    }
    free(calls->buckets);
    *calls = (struct router_calls){0};
}
