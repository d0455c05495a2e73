#include "bridge/session/call_table.h"

#include <errno.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 64, FREE_MAX = 1024, STALE_US = 60000000 };

static size_t bucket_of(const struct call_table *table, const struct call_caller *caller, uint16_t uuid) {
    uint64_t hash = (uint64_t)(uintptr_t)caller * 0x9E3779B97F4A7C15U;
    hash = (hash ^ (hash >> 29) ^ uuid) * 0xBF58476D1CE4E5B9U;
    return (size_t)(hash >> 32) & (table->capacity - 1);
}

static void put(struct call **bucket, struct call *call) {
    call->next = *bucket;
    call->link = bucket;
    if (call->next != NULL) {
        call->next->link = &call->next;
    }
    *bucket = call;
}

static void take_out(struct call *call) {
    *call->link = call->next;
    if (call->next != NULL) {
        call->next->link = call->link;
    }
}

/* Without memory the buckets just get fuller. */
static int grow(struct call_table *table) {
    size_t capacity = table->capacity == 0 ? CAPACITY_MIN : table->capacity * 2;
    struct call **old = table->buckets;
    size_t old_capacity = table->capacity;
    struct call **buckets = calloc(capacity, sizeof(struct call *));
    if (buckets == NULL) {
        return old == NULL ? -ENOMEM : 0;
    }
    table->buckets = buckets;
    table->capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        while (old[i] != NULL) {
            struct call *call = old[i];
            take_out(call);
            put(&buckets[bucket_of(table, call->caller, call->uuid)], call);
        }
    }
    free(old);
    return 0;
}

/* -- the lists of both ends -- */

static void link_worker(struct call *call, struct call_worker *worker) {
    call->worker = worker;
    call->of_worker_previous = NULL;
    call->of_worker_next = NULL;
    if (worker == NULL) {
        return;
    }
    call->of_worker_next = worker->calls;
    if (call->of_worker_next != NULL) {
        call->of_worker_next->of_worker_previous = call;
    }
    worker->calls = call;
}

static void unlink_worker(struct call *call) {
    if (call->of_worker_next != NULL) {
        call->of_worker_next->of_worker_previous = call->of_worker_previous;
    }
    if (call->of_worker_previous != NULL) {
        call->of_worker_previous->of_worker_next = call->of_worker_next;
    } else if (call->worker != NULL) {
        call->worker->calls = call->of_worker_next;
    }
}

static void link_caller(struct call *call) {
    struct call_caller *caller = call->caller;
    call->of_caller_previous = caller->newest;
    if (caller->newest != NULL) {
        caller->newest->of_caller_next = call;
    } else {
        caller->oldest = call;
    }
    caller->newest = call;
    caller->count++;
}

static void unlink_caller(struct call *call) {
    struct call_caller *caller = call->caller;
    if (call->of_caller_next != NULL) {
        call->of_caller_next->of_caller_previous = call->of_caller_previous;
    } else {
        caller->newest = call->of_caller_previous;
    }
    if (call->of_caller_previous != NULL) {
        call->of_caller_previous->of_caller_next = call->of_caller_next;
    } else {
        caller->oldest = call->of_caller_next;
    }
    caller->count--;
}

static void count_waiting(struct call_table *table, uint64_t change) {
    if (table->waiting != NULL) {
        counter_cell_add(table->waiting, change);
    }
}

static struct call *new_call(struct call_table *table) {
    struct call *call = table->free;
    if (call == NULL) {
        return malloc(sizeof *call);
    }
    table->free = call->next;
    table->free_count--;
    return call;
}

/* -- what is called -- */

static struct call *find_in(struct call *bucket, const struct call_caller *caller, uint16_t uuid) {
    struct call *call = bucket;
    while (call != NULL && (call->caller != caller || call->uuid != uuid)) {
        call = call->next;
    }
    return call;
}

int call_table_open(struct call_table *table, struct call_caller *caller, uint16_t uuid,
                    struct call_worker *worker, size_t limit, uint64_t now_us) {
    if (table->count >= table->capacity && grow(table) < 0) {
        return -ENOMEM;
    }
    struct call **bucket = &table->buckets[bucket_of(table, caller, uuid)];
    struct call *same = find_in(*bucket, caller, uuid);
    if (same != NULL) {
        call_table_drop(table, same);
    }
    if (caller->count >= limit) {
        return -EBUSY;
    }
    struct call *call = new_call(table);
    if (call == NULL) {
        return -ENOMEM;
    }
    *call = (struct call){.caller = caller, .since_us = now_us, .uuid = uuid};
    put(bucket, call);
    table->count++;
    count_waiting(table, 1);
    link_worker(call, worker);
    link_caller(call);
    return 0;
}

struct call *call_table_find(const struct call_table *table, const struct call_caller *caller,
                             uint16_t uuid) {
    return table->capacity == 0 ? NULL
                                : find_in(table->buckets[bucket_of(table, caller, uuid)], caller, uuid);
}

struct call *call_table_stale(const struct call_caller *caller, size_t limit, uint64_t now_us) {
    bool is_stale =
        caller->count >= limit && caller->oldest != NULL && now_us - caller->oldest->since_us >= STALE_US;
    return is_stale ? caller->oldest : NULL;
}

void call_table_drop(struct call_table *table, struct call *call) {
    take_out(call);
    table->count--;
    count_waiting(table, UINT64_MAX);
    unlink_worker(call);
    unlink_caller(call);
    if (table->free_count < FREE_MAX) {
        call->next = table->free;
        table->free = call;
        table->free_count++;
    } else {
        free(call);
    }
}

void call_table_drop_caller(struct call_table *table, struct call_caller *caller) {
    for (struct call *call = caller->oldest, *next; call != NULL; call = next) {
        next = call->of_caller_next;
        call_table_drop(table, call);
    }
}

void call_assign(struct call *call, struct call_worker *worker) {
    unlink_worker(call);
    link_worker(call, worker);
}

void call_table_clear(struct call_table *table) {
    while (table->free != NULL) {
        struct call *call = table->free;
        table->free = call->next;
        free(call);
    }
    free(table->buckets);
    *table = (struct call_table){0};
}
