/* The workers named on the command line, behind `--`.                                       (docs/development.md) */
#ifndef DEV_WORKERS_H
#define DEV_WORKERS_H

#include "config/cli_dev.h"
#include "dev/terminal/dev_terminal.h"
#include "dev/worker/dev_environment.h"
#include "dev/worker/dev_worker.h"

struct dev_workers;

/* `address` is that of the listener for Python peers. Borrows options' argv and the terminal. 0 or -ENOMEM. */
int dev_workers_new(const struct dev_options *options, const char *address, struct dev_terminal *terminal,
                    struct dev_workers **ret_workers);
void dev_workers_free(struct dev_workers *workers); /* NULL-safe; after on_ended, or never started */

/* On the reactor's thread. */
void dev_workers_start(struct dev_workers *workers, struct reactor *reactor);

/* Has all end, at once; on_ended is called when all have, or can't be ended: in DEV_WORKER_END_MS and
 * DEV_WORKER_KILL_MS at the latest. */
void dev_workers_stop(struct dev_workers *workers, void (*on_ended)(void *owner), void *owner);

/* After dev_workers_stop: those that have not ended are killed, and on_ended is called now. */
void dev_workers_abandon(struct dev_workers *workers);

#endif
