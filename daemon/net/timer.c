#include "net/timer.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* A binary heap, from 1: the children of place p are at 2p and 2p + 1. */
struct timers {
    struct timer **heap;
    size_t count;
    size_t capacity;
};

int timers_new(struct timers **ret_timers) {
    struct timers *timers = calloc(1, sizeof *timers);
    if (!timers) {
        return -ENOMEM;
    }
    *ret_timers = timers;
    return 0;
}

void timers_free(struct timers *timers) {
    if (!timers) {
        return;
    }
    for (size_t place = 1; place <= timers->count; place++) {
        timers->heap[place]->place = 0;
    }
    free(timers->heap);
    free(timers);
}

static void put(struct timers *timers, size_t place, struct timer *timer) {
    timers->heap[place] = timer;
    timer->place = place;
}

static void sift_up(struct timers *timers, size_t place, struct timer *timer) {
    while (place > 1 && timers->heap[place / 2]->due > timer->due) {
        put(timers, place, timers->heap[place / 2]);
        place /= 2;
    }
    put(timers, place, timer);
}

static void sift_down(struct timers *timers, size_t place, struct timer *timer) {
    for (;;) {
        size_t child = place * 2;
        if (child > timers->count) {
            break;
        }
        if (child < timers->count && timers->heap[child + 1]->due < timers->heap[child]->due) {
            child++;
        }
        if (timers->heap[child]->due >= timer->due) {
            break;
        }
        put(timers, place, timers->heap[child]);
        place = child;
    }
    put(timers, place, timer);
}

static int make_room(struct timers *timers) {
    if (timers->count + 1 < timers->capacity) {
        return 0;
    }
    size_t capacity = timers->capacity ? timers->capacity * 2 : 64;
    struct timer **heap = reallocarray(timers->heap, capacity, sizeof(struct timer *));
    if (!heap) {
        return -ENOMEM;
    }
    timers->heap = heap;
    timers->capacity = capacity;
    return 0;
}

int timer_set(struct timers *timers, struct timer *timer, uint64_t due) {
    if (timer->place == 0) {
        if (make_room(timers) < 0) {
            return -ENOMEM;
        }
        timer->due = due;
        timers->count++;
        sift_up(timers, timers->count, timer);
    } else if (due < timer->due) {
        timer->due = due;
        sift_up(timers, timer->place, timer);
    } else {
        timer->due = due;
        sift_down(timers, timer->place, timer);
    }
    return 0;
}

void timer_clear(struct timers *timers, struct timer *timer) {
    size_t place = timer->place;
    if (place == 0) {
        return;
    }
    timer->place = 0;
    struct timer *last = timers->heap[timers->count--];
    if (last == timer) {
        return;
    }
    if (place > 1 && timers->heap[place / 2]->due > last->due) {
        sift_up(timers, place, last);
    } else {
        sift_down(timers, place, last);
    }
}

void timers_run(struct timers *timers, uint64_t now) {
    /* Counted, so that a timer which sets itself to a time already due waits for the next run. */
    for (size_t left = timers->count; left > 0; left--) {
        if (timers->count == 0 || timers->heap[1]->due > now) {
            return;
        }
        struct timer *timer = timers->heap[1];
        timer_clear(timers, timer);
        timer->on_due(timer, now);
    }
}

int timers_wait(const struct timers *timers, uint64_t now) {
    if (timers->count == 0) {
        return -1;
    }
    uint64_t due = timers->heap[1]->due;
    if (due <= now) {
        return 0;
    }
    return due - now > INT_MAX ? INT_MAX : (int)(due - now);
}
