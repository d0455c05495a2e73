/* Taking over (SIGUSR2): a new process, of the program as it is now in its place, gets this one's listening sockets. Once it
 * is ready, this one ends in good order; whoever connects meanwhile waits in the same queues, and is accepted by one of the
 * two. If it can't start, nothing has changed. */
#ifndef UPGRADE_H
#define UPGRADE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/server.h"

enum { UPGRADE_TIMEOUT_MS = 60000, UPGRADE_TICK_MS = 20 };

struct upgrade {
    char program[4096]; /* its path, from before it is replaced */
    char **argv;        /* borrowed */
    pid_t pid;          /* of the new process while it starts; 0: there is none */
    bool is_child;      /* it has not said yet that it has left this one (inherited_leave_parent) */
    int ready_fd;
    uint64_t deadline;
};

/* At the beginning of the program. */
void upgrade_init(struct upgrade *upgrade, char **argv);

/* Starts the new process; one at a time. What comes of it is in the log. */
void upgrade_begin(struct upgrade *upgrade, struct server *server, uint64_t now);

/* This one ends by itself: then one that starts is not wanted any more. */
void upgrade_cancel(struct upgrade *upgrade);

/* Whether the new process is ready: this one is to end. Called every UPGRADE_TICK_MS while one starts. */
bool upgrade_is_done(struct upgrade *upgrade, struct server *server, uint64_t now);

#endif
