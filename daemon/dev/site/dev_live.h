/* Live reload: pages learn of changed files that some page has asked for, stylesheets without being loaded anew, all
 * else by it. A small script that each HTML page gets holds a WebSocket to DEV_LIVE_PATH; what it is told is a word:
 * "reload", or "css /PATH" of one stylesheet. Both begin another edition of the files, the number of times that
 * pages have been told before: a page says of which it is, and one that was on its way when files changed is told
 * "stale" as it comes. "listing" concerns those that show what is in a folder, and no edition.
 *                                                                                 (dev_live.js; docs/development.md) */
#ifndef DEV_LIVE_H
#define DEV_LIVE_H

#include <stdatomic.h>

#include "dev/files/dev_path.h"
#include "dev/site/dev_asked.h"
#include "net/reactor.h"

#define DEV_LIVE_PATH        "/_bridge/dev/live"
#define DEV_LIVE_SCRIPT_PATH "/_bridge/dev/live.js"

enum {
    DEV_LIVE_QUIET_MS = 50,     /* without a further change, then pages are told: a save is several */
    DEV_LIVE_PATIENCE_MS = 500, /* from the first change on, they are told anyway */
    DEV_LIVE_STYLES_MAX = 8,    /* stylesheets at once; with more, pages are loaded anew */
};

struct dev_live_setup {
    struct reactor *reactor;
    struct dev_asked *asked; /* which changes concern pages */
    atomic_uint *edition;
    void (*tell)(void *owner, const char *word); /* any thread may be told */
    void *owner;
};

struct dev_live {
    struct dev_live_setup setup;
    struct timer timer;
    uint64_t first_at; /* ms; of the changes that nobody has been told of */
    bool is_waiting;   /* there are such */
    bool pages, listings;
    char styles[DEV_LIVE_STYLES_MAX][DEV_PATH_MAX + 1];
    size_t styles_count;
};

/* What `setup` points to is borrowed. */
void dev_live_init(struct dev_live *live, const struct dev_live_setup *setup);

/* A file has changed: as dev_watch_callback has it. On the reactor's thread. */
void dev_live_hear(struct dev_live *live, const char *name);

void dev_live_clear(struct dev_live *live); /* nobody is told any more */

#endif
