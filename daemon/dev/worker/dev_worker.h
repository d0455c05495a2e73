/* A worker that goes on beside the server: started, started anew when a file of its own changes or when it has
 * failed, ended with the server. All on the reactor's thread.                                  (docs/development.md) */
#ifndef DEV_WORKER_H
#define DEV_WORKER_H

#include "dev/files/dev_watch.h"
#include "dev/terminal/dev_lines.h"
#include "dev/terminal/dev_terminal.h"
#include "dev/worker/dev_command.h"
#include "dev/worker/dev_process.h"
#include "net/reactor.h"

enum {
    DEV_WORKER_SETTLE_MS = 100, /* an editor's save is several changes */
    DEV_WORKER_END_MS = 3000,   /* from SIGTERM to SIGKILL */
    DEV_WORKER_LATE_MS = 500,   /* from SIGTERM on: who has not ended by then is told of */
    DEV_WORKER_TRACE_MS = 200,  /* what tells why a thread has died is printed by then */
    DEV_WORKER_KILL_MS = 1000,  /* from SIGKILL on: who has not ended by then can't be ended */
    DEV_WORKER_BACKOFF_MIN_MS = 1000,
    DEV_WORKER_BACKOFF_MAX_MS = 30000, /* doubled each time */
    DEV_WORKER_SOUND_MS = 10000,       /* who lived this long begins the back-off anew */
};

enum dev_worker_state {
    DEV_WORKER_RESTING, /* not running; its timer, where it is set, starts it */
    DEV_WORKER_RUNNING, /* its timer, where it is set, replaces it */
    DEV_WORKER_ENDING,  /* was told to; its timer kills it */
    DEV_WORKER_KILLED,  /* its timer gives it up */
    DEV_WORKER_STUCK, /* it can't be ended; that it ends by itself is waited for, but not with the server's own end */
    DEV_WORKER_ENDED, /* for good */
};

/* What comes when it has ended. */
enum dev_worker_next {
    DEV_WORKER_NOTHING, /* the server ends, too */
    DEV_WORKER_ANEW,
    DEV_WORKER_REST, /* and then anew */
};

struct dev_worker_setup {
    struct reactor *reactor;
    struct dev_terminal *terminal;
    char **argv;
    char *const *environment;
    unsigned colour; /* of its name on a terminal: 0 to 5 */
    unsigned number; /* among those of its name, from 1; 0: there is no other */
    void (*on_ended)(void *owner);
    void *owner;
};

struct dev_worker {
    struct dev_worker_setup setup;
    struct dev_command command;
    enum dev_worker_state state;
    char label[DEV_COMMAND_NAME_MAX + 8]; /* its name, with its number */
    enum dev_worker_next next;            /* from ENDING to STUCK */
    struct dev_process process;
    struct reactor_source ended, output;
    struct dev_watch *watch; /* NULL where its folder can't be watched */
    struct timer timer, settled, late;
    uint64_t started_at;
    uint64_t backoff;     /* ms, of the last time; 0: none */
    bool is_unreadable;   /* the last line that it printed says so of its source */
    bool is_thread_named; /* it says that a daffi thread has met an exception */
    char changed[128];
    struct dev_lines lines;
};

/* Watches and starts it; what fails is told on the terminal, and a change may mend it. The setup is copied; argv and
 * environment are borrowed. */
void dev_worker_init(struct dev_worker *worker, const struct dev_worker_setup *setup);

/* Has it end; on_ended is called when it has, or can't be ended; from within where that is so already. */
void dev_worker_stop(struct dev_worker *worker);

/* After dev_worker_stop: it is killed, if it has not ended, and not waited for, which is told. */
void dev_worker_abandon(struct dev_worker *worker);

/* After on_ended, or where it has never begun. */
void dev_worker_clear(struct dev_worker *worker);

#endif
