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

/* Something with a descriptor. Embedded in its owner, whose memory goes by reactor_retire: events of this turn
 * may still name it. The descriptor is taken out (reactor_watch 0) before it is closed. */
struct reactor_source {
    int fd;
    uint32_t interest; /* EPOLLIN, EPOLLOUT ... now asked for; set by reactor_watch alone */
    void (*on_ready)(struct reactor_source *source, uint32_t events);
};

/* `memory` is shared by all reactors (see buffer.h). Returns 0 or -errno. */
int reactor_new(struct memory_budget *memory, struct reactor **ret_reactor);
/* NULL-safe; after reactor_run has returned. Ends what was asked for at turn's end and frees what was retired;
 * what was posted and has not run is forgotten. */
void reactor_free(struct reactor *reactor);

/* Runs turns until reactor_stop. A turn: wait, events, posted tasks, due timers, then the end-of-turn
 * tasks until none is left, then what was retired is freed. Returns 0, or -errno when epoll fails. */
int reactor_run(struct reactor *reactor);
/* Any thread, signal handlers too; the turn is brought to its end. */
void reactor_stop(struct reactor *reactor);

/* One turn that waits at most `wait_ms` (-1: without end). What reactor_run repeats; tests call it. 0 or -errno. */
int reactor_turn(struct reactor *reactor, int wait_ms);

/* Adds the source, or changes what it is asked for; 0 takes it out. EPOLLERR and EPOLLHUP are always told;
 * `interest` EPOLLERR asks for these alone. With EPOLLEXCLUSIVE it can only be added and taken out. The cost is one epoll_ctl
 * where `interest` differs, none where it does not. Returns 0 or -errno. */
int reactor_watch(struct reactor *reactor, struct reactor_source *source, uint32_t interest);

/* Milliseconds of CLOCK_MONOTONIC as this turn began: the `now` that is passed on. */
uint64_t reactor_now(const struct reactor *reactor);
uint64_t reactor_now_us(const struct reactor *reactor); /* the same in microseconds, for what is measured */

/* For tests: `clock` in place of CLOCK_MONOTONIC; read now, then as each turn waits and wakes. */
void reactor_set_clock(struct reactor *reactor, uint64_t (*clock)(void *argument), void *argument);

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

/* Calls `release`, which frees its owner, after the end-of-turn tasks, when no callback of this turn can hold it. */
struct reactor_retired {
    struct reactor_retired *next;
    void (*release)(struct reactor_retired *retired);
};
void reactor_retire(struct reactor *reactor, struct reactor_retired *retired);

/* Hands `run(argument)` to the reactor's thread, in the order of posting. Any thread. 0 or -ENOMEM. */
int reactor_post(struct reactor *reactor, void (*run)(void *argument), void *argument);

/* As reactor_post, to every other reactor with the same memory budget; `run` gets that reactor. Without memory some may
 * not hear of it. */
void reactor_post_to_sharers(struct reactor *reactor, void (*run)(void *reactor));

/* The first of the reactor's connections: connection.c alone keeps this list, and says when there is one more (1), or one less
 * (-1). */
struct connection;
struct connection **reactor_connections(struct reactor *reactor);
void reactor_count_connection(struct reactor *reactor, int change);

/* How many connections more it has than the one with the fewest of those with the same memory budget: 0 where that is itself.
 * What others have is a moment old. */
size_t reactor_surplus(const struct reactor *reactor);

#endif
