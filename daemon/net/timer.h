/* Deadlines: a heap of timers that are embedded in their owners. Time is passed in: no clock is read
 * here, so that tests need not sleep. Setting, moving and clearing one cost O(log n). */
#ifndef TIMER_H
#define TIMER_H

#include <stddef.h>
#include <stdint.h>

struct timer {
    uint64_t due; /* ms, of the clock that is passed in */
    size_t place; /* 0 when not set, else its place in the heap, from 1 */
    void (*on_due)(struct timer *timer, uint64_t now);
};

struct timers;

int timers_new(struct timers **ret_timers); /* 0 or -ENOMEM */
void timers_free(struct timers *timers);    /* NULL-safe; forgets the timers, does not run them */

/* Sets `timer`, or moves it. 0, or -ENOMEM when the heap could not grow (never for a timer that is set). */
int timer_set(struct timers *timers, struct timer *timer, uint64_t due);
void timer_clear(struct timers *timers, struct timer *timer); /* fine when not set */

/* Runs each timer due at `now`, in order, each unset before it runs (it may set itself again). */
void timers_run(struct timers *timers, uint64_t now);

/* Milliseconds from `now` to the first one due; 0 when one is overdue, -1 when none is set. */
int timers_wait(const struct timers *timers, uint64_t now);

#endif
