/* An event loop: one thread, one epoll, its timers, its buffer pool, and the work to do at the end of a
 * turn. Everything that belongs to a reactor is touched by its thread alone, except reactor_post and
 * reactor_stop, which any thread may call.                                            (epoll(7), level-triggered) */
#ifndef REACTOR_H
#define REACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "net/buffer.h"
#include "net/timer.h"

struct reactor;

/* Something with a descriptor. Embedded in its owner. */
struct reactor_source {
    int fd;
    uint32_t interest; /* EPOLLIN, EPOLLOUT now asked for; set by reactor_watch alone */
    void (*on_ready)(struct reactor_source *source, uint32_t events);
};

/* `memory` is shared by all reactors (see buffer.h). Returns 0 or -errno. */
int reactor_new(struct memory_budget *memory, struct reactor **ret_reactor);
void reactor_free(struct reactor *reactor); /* NULL-safe; after reactor_run has returned */

/* Runs turns until reactor_stop. A turn: wait, events, posted tasks, due timers, then the end-of-turn
 * tasks until none is left, then what was retired is freed. Returns 0, or -errno when epoll fails. */
int reactor_run(struct reactor *reactor);
void reactor_stop(struct reactor *reactor); /* any thread, and from signal-free contexts */

/* Adds the source, or changes what it is asked for; 0 takes it out. The cost is one epoll_ctl where
 * `interest` differs, none where it does not. Returns 0 or -errno. */
int reactor_watch(struct reactor *reactor, struct reactor_source *source, uint32_t interest);

/* Milliseconds of CLOCK_MONOTONIC as this turn began: the `now` that is passed on. */
uint64_t reactor_now(const struct reactor *reactor);

struct timers *reactor_timers(struct reactor *reactor);
struct buffer_pool *reactor_pool(struct reactor *reactor);

/* A task embedded in its owner; queued at most once at a time. */
struct reactor_task {
    struct reactor_task *next;
    bool queued;
    void (*run)(struct reactor_task *task);
};

/* Runs `task` at the end of this turn (once, however often it is asked for): flushes and destructions live
 * here, so that there is one write a turn and nothing is freed inside a callback. */
void reactor_at_turn_end(struct reactor *reactor, struct reactor_task *task);

/* Frees `memory` with `release` after the end-of-turn tasks, when no callback of this turn can hold it. */
struct reactor_retired {
    struct reactor_retired *next;
    void (*release)(struct reactor_retired *retired);
};
void reactor_retire(struct reactor *reactor, struct reactor_retired *retired);

/* Hands `run(argument)` to the reactor's thread. Any thread. 0 or -ENOMEM. */
int reactor_post(struct reactor *reactor, void (*run)(void *argument), void *argument);

#endif
