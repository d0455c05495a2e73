/* Calls on the terminal: a line each when it is over, and one before that where no answer has come for long. Any thread;
 * time is passed in. */
#ifndef DEV_CALLS_H
#define DEV_CALLS_H

#include <stdint.h>

#include "dev/terminal/dev_terminal.h"
#include "ops/access_log.h"

enum {
    DEV_CALLS_LATE_MS = 5000,
    DEV_CALLS_TICK_MS = 1000,
    DEV_CALLS_WAITING_MAX =
        1000, /* of more, the oldest is forgotten: it gets a line when it is over, no other */
};

struct dev_calls;

int dev_calls_new(struct dev_terminal *terminal, struct dev_calls **ret_calls); /* 0 or -ENOMEM */
void dev_calls_free(struct dev_calls *calls); /* NULL-safe; before the terminal is closed */

/* As struct access_watcher has them. */
void dev_calls_begin(struct dev_calls *calls, const struct access_call *call, uint64_t now);
void dev_calls_end(struct dev_calls *calls, const struct access_call *call);
void dev_calls_leave(struct dev_calls *calls, const void *caller);

/* To be called each DEV_CALLS_TICK_MS. */
void dev_calls_tick(struct dev_calls *calls, uint64_t now);

#endif
