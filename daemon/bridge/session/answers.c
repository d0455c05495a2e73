#include "bridge/session/answers.h"

#include <errno.h>
#include <stdlib.h>

#include "bridge/members/name_hash.h"

enum { BUCKETS = 64 };

struct answers_caller {
    struct answers_caller *next; /* of the same bucket */
    struct call_caller calls;
    size_t length;
    char name[];
};

/* Names are others' to choose; at worst a bucket holds as many callers as calls are let in. */
static struct answers_caller **find(const struct answers *answers, struct daffi_span name) {
    struct answers_caller **at =
        &answers->buckets[name_hash((uint64_t)(uintptr_t)answers->buckets, name) % BUCKETS];
    while (*at != NULL && !daffi_span_equal(daffi_span_of((*at)->name, (*at)->length), name)) {
        at = &(*at)->next;
    }
    return at;
}

static void drop_at(struct answers *answers, struct call_table *table, struct answers_caller **at) {
    struct answers_caller *caller = *at;
    *at = caller->next;
    answers->count -= caller->calls.count;
    call_table_drop_caller(table, &caller->calls);
    free(caller);
}

void answers_clear(struct answers *answers, struct call_table *table) {
    for (size_t i = 0; answers->buckets != NULL && i < BUCKETS; i++) {
        while (answers->buckets[i] != NULL) {
            drop_at(answers, table, &answers->buckets[i]);
        }
    }
    free(answers->buckets);
    *answers = (struct answers){0};
}

/* The caller of the call that has waited longest. */
static struct answers_caller **find_oldest(const struct answers *answers) {
    struct answers_caller **oldest = NULL;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct answers_caller **at = &answers->buckets[i]; *at != NULL; at = &(*at)->next) {
            if (oldest == NULL || (*at)->calls.oldest->since_us < (*oldest)->calls.oldest->since_us) {
                oldest = at;
            }
        }
    }
    return oldest;
}

static void close_call(struct answers *answers, struct call_table *table, struct answers_caller **at,
                       struct call *call) {
    call_table_drop(table, call);
    answers->count--;
    if ((*at)->calls.count == 0) {
        drop_at(answers, table, at);
    }
}

static bool make_way(struct answers *answers, struct call_table *table, uint64_t now) {
    struct answers_caller **at = find_oldest(answers);
    if (at == NULL || now * 1000 - (*at)->calls.oldest->since_us < (uint64_t)ANSWERS_STALE_MS * 1000) {
        return false;
    }
    close_call(answers, table, at, (*at)->calls.oldest);
    return true;
}

static int add_caller(struct answers_caller **at, struct daffi_span name) {
    struct answers_caller *caller = calloc(1, sizeof *caller + name.length);
    if (caller == NULL) {
        return -ENOMEM;
    }
    caller->length = name.length;
    if (name.length > 0) {
        memcpy(caller->name, name.data, name.length);
    }
    caller->next = *at;
    *at = caller;
    return 0;
}

int answers_open(struct answers *answers, struct call_table *table, struct daffi_span caller, uint16_t uuid,
                 size_t limit, uint64_t now) {
    if (answers->buckets == NULL &&
        (answers->buckets = calloc(BUCKETS, sizeof(struct answers_caller *))) == NULL) {
        return -ENOMEM;
    }
    answers_take(answers, table, caller, uuid);
    if (answers->count >= limit && !make_way(answers, table, now)) {
        return -EBUSY;
    }
    struct answers_caller **at = find(answers, caller);
    if (*at == NULL && add_caller(at, caller) < 0) {
        return -ENOMEM;
    }
    int status = call_table_open(table, &(*at)->calls, uuid, NULL, limit, now * 1000);
    if (status == 0) {
        answers->count++;
    } else if ((*at)->calls.count == 0) {
        drop_at(answers, table, at);
    }
    return status;
}

bool answers_take(struct answers *answers, struct call_table *table, struct daffi_span caller,
                  uint16_t uuid) {
    struct answers_caller **at = answers->buckets == NULL ? NULL : find(answers, caller);
    struct call *call = at == NULL || *at == NULL ? NULL : call_table_find(table, &(*at)->calls, uuid);
    if (call == NULL) {
        return false;
    }
    close_call(answers, table, at, call);
    return true;
}

void answers_drop_caller(struct answers *answers, struct call_table *table, struct daffi_span caller) {
    struct answers_caller **at = answers->buckets == NULL ? NULL : find(answers, caller);
    if (at != NULL && *at != NULL) {
        drop_at(answers, table, at);
    }
}
