/* Live reload: pages learn of changed files, stylesheets without being loaded anew, all else by it.
 * A small script that each HTML page gets holds a WebSocket to DEV_LIVE_PATH; what it is told is a word: "reload", or "css". Both carry
 * the edition that the page is of, the number of times that pages have been told before: one that was on its way when files
 * changed is told "stale" as it comes.
 *                                                                         (dev_live.js; docs/development.md) */
#ifndef DEV_LIVE_H
#define DEV_LIVE_H

#include "net/reactor.h"

#define DEV_LIVE_PATH        "/_bridge/dev/live"
#define DEV_LIVE_SCRIPT_PATH "/_bridge/dev/live.js"

enum {
    DEV_LIVE_QUIET_MS = 50,     /* without a further change, then pages are told: a save is several */
    DEV_LIVE_PATIENCE_MS = 500, /* from the first change on, they are told anyway */
};

struct dev_live {
    struct reactor *reactor;
    struct timer timer;
    uint64_t first_at; /* ms; of the changes that nobody has been told of */
    enum dev_live_state { DEV_LIVE_UNCHANGED, DEV_LIVE_STYLES, DEV_LIVE_PAGES } state;
    void (*tell)(void *owner, const char *word); /* any thread may be told */
    void *owner;
};

void dev_live_init(struct dev_live *live, struct reactor *reactor,
                   void (*tell)(void *owner, const char *word), void *owner);

/* A file has changed: as dev_watch_callback has it. On the reactor's thread. */
void dev_live_hear(struct dev_live *live, const char *name);

void dev_live_clear(struct dev_live *live); /* nobody is told any more */

#endif
