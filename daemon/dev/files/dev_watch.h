/* Tells of files that change in a folder and all below it.                                              (inotify(7))
 * A folder that takes its place is watched from then on. Left out is what nobody edits: whatever begins with a dot,
 * node_modules, __pycache__, and virtual environments of Python (folders with a pyvenv.cfg); and what lies behind
 * symbolic links. */
#ifndef DEV_WATCH_H
#define DEV_WATCH_H

#include <stdbool.h>

#include "net/reactor.h"

enum {
    DEV_WATCH_FOLDERS_MAX = 8192,
    DEV_WATCH_GONE_MS = 1000, /* build tools are quicker to put another folder in its place */
};

struct dev_watch;

/* `name` (relative to the folder, "sub/page.html") has been written, made, moved or removed; an editor's save makes
 * several of these calls, and a folder that comes makes one for itself and for each file in it. An empty name: so much
 * has changed that the system has not told all of it. On the reactor's thread. */
typedef void (*dev_watch_callback)(void *owner, const char *name);

/* Watches on `reactor`. 0, or -errno, which dev_watch_explain puts into words. */
int dev_watch_new(struct reactor *reactor, const char *path, dev_watch_callback on_change, void *owner,
                  struct dev_watch **ret_watch);
const char *dev_watch_explain(int status);

/* Only dev_watch_count folders are watched; those next to the root come first. `why`: DEV_WATCH_FOLDERS_MAX, the
 * system's bound, or folders that this user may not read. */
typedef void (*dev_watch_cut_callback)(void *owner, const char *why);

/* Has `on_cut` called with the owner of on_change, once: now where the watch is cut already, or when it comes to
 * that. Once more where a bound is met behind folders that may not be read. */
void dev_watch_on_cut(struct dev_watch *watch, dev_watch_cut_callback on_cut);

/* The folder itself has been moved away or removed, or one above it, DEV_WATCH_GONE_MS ago; later: one is there
 * again, and watched. */
typedef void (*dev_watch_presence_callback)(void *owner, bool is_there);

/* Has it called with the owner of on_change. */
void dev_watch_on_presence(struct dev_watch *watch, dev_watch_presence_callback on_presence);

/* Folders that are watched. */
size_t dev_watch_count(const struct dev_watch *watch);

/* NULL-safe; on the reactor's thread, or when it does not run; not from within a callback. */
void dev_watch_free(struct dev_watch *watch);

#endif
