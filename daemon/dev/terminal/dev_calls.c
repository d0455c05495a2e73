#include "dev/terminal/dev_calls.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/terminal/dev_repeats.h"
#include "dev/terminal/dev_view.h"

/* A call that waits for its answer. */
struct waiting {
    struct waiting *next, *previous; /* the next is younger */
    const void *caller;
    unsigned uuid;
    uint64_t since;
    bool is_told;
    char call
        [DEV_VIEW_CALL_MAX]; /* its line: an answer knows neither serde nor, where it is the bridge's own, function */
};

struct dev_calls {
    pthread_mutex_t lock; /* of all below */
    struct dev_repeats repeats;
    bool has_colours;
    struct waiting *oldest, *youngest;
    struct waiting *free; /* by `next` */
    struct waiting places[DEV_CALLS_WAITING_MAX];
};

int dev_calls_new(struct dev_terminal *terminal, struct dev_calls **ret_calls) {
    struct dev_calls *calls = calloc(1, sizeof *calls);
    if (calls == NULL) {
        return -ENOMEM;
    }
    (void)pthread_mutex_init(&calls->lock, NULL);
    dev_repeats_init(&calls->repeats, terminal);
    calls->has_colours = terminal->has_colours;
    for (size_t i = 0; i < DEV_CALLS_WAITING_MAX; i++) {
        calls->places[i].next = calls->free;
        calls->free = &calls->places[i];
    }
    *ret_calls = calls;
    return 0;
}

void dev_calls_free(struct dev_calls *calls) {
    if (calls != NULL) {
        dev_repeats_tick(&calls->repeats);
        pthread_mutex_destroy(&calls->lock);
    }
    free(calls);
}

/* -- who waits -- */

static void add(struct dev_calls *calls, struct waiting *one) {
    one->next = NULL;
    one->previous = calls->youngest;
    *(calls->youngest != NULL ? &calls->youngest->next : &calls->oldest) = one;
    calls->youngest = one;
}

static void take_out(struct dev_calls *calls, struct waiting *one) {
    *(one->previous != NULL ? &one->previous->next : &calls->oldest) = one->next;
    *(one->next != NULL ? &one->next->previous : &calls->youngest) = one->previous;
    one->next = calls->free;
    calls->free = one;
}

/* Most are answered soon: the youngest is looked at first. */
static struct waiting *find(const struct dev_calls *calls, const void *caller, unsigned uuid) {
    struct waiting *one = calls->youngest;
    while (one != NULL && (one->caller != caller || one->uuid != uuid)) {
        one = one->previous;
    }
    return one;
}

/* -- what is heard -- */

void dev_calls_begin(struct dev_calls *calls, const struct access_call *call, uint64_t now) {
    pthread_mutex_lock(&calls->lock);
    struct waiting *one = find(calls, call->caller, call->uuid);
    if (one != NULL) { /* its caller has given it up, and its id to this one */
        take_out(calls, one);
    } else if (calls->free == NULL) {
        take_out(calls, calls->oldest);
    }
    one = calls->free;
    calls->free = one->next;
    one->caller = call->caller;
    one->uuid = call->uuid;
    one->since = now;
    one->is_told = false;
    dev_view_call(call, calls->has_colours, one->call);
    add(calls, one);
    pthread_mutex_unlock(&calls->lock);
}

static void write_call(struct dev_calls *calls, const char *call, const char *result, const char *took) {
    char what[DEV_REPEATS_MAX];
    snprintf(what, sizeof what, "%s%s%s", call, result[0] != '\0' ? "  " : "", result);
    dev_repeats_write(&calls->repeats, what, took);
}

void dev_calls_end(struct dev_calls *calls, const struct access_call *call) {
    char line[DEV_VIEW_CALL_MAX];
    char result[DEV_VIEW_RESULT_MAX];
    char took[DEV_VIEW_TOOK_MAX];
    dev_view_call(call, calls->has_colours, line);
    dev_view_result(call, calls->has_colours, result);
    dev_view_took(call, took);
    pthread_mutex_lock(&calls->lock);
    struct waiting *one = find(calls, call->caller, call->uuid);
    write_call(calls, one != NULL ? one->call : line, result, took);
    if (one != NULL) {
        take_out(calls, one);
    }
    pthread_mutex_unlock(&calls->lock);
}

void dev_calls_leave(struct dev_calls *calls, const void *caller) {
    pthread_mutex_lock(&calls->lock);
    struct waiting *next = NULL;
    for (struct waiting *one = calls->oldest; one != NULL; one = next) {
        next = one->next;
        if (one->caller == caller) {
            write_call(calls, one->call, "not answered before its caller left", "");
            take_out(calls, one);
        }
    }
    pthread_mutex_unlock(&calls->lock);
}

void dev_calls_tick(struct dev_calls *calls, uint64_t now) {
    char late[64];
    snprintf(late, sizeof late, "no answer yet after %d s", DEV_CALLS_LATE_MS / 1000);
    pthread_mutex_lock(&calls->lock);
    for (struct waiting *one = calls->oldest; one != NULL && now >= one->since + DEV_CALLS_LATE_MS;
         one = one->next) {
        if (!one->is_told) {
            one->is_told = true;
            write_call(calls, one->call, late, "");
        }
    }
    dev_repeats_tick(&calls->repeats);
    pthread_mutex_unlock(&calls->lock);
}
