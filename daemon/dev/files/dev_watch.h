/* Tells of files that change in a folder and all below it.                                          (inotify(7))
 * A folder that takes its place is watched from then on. Left out: whatever begins with a dot, node_modules and __pycache__; and what lies behind symbolic links. */
#ifndef DEV_WATCH_H
#define DEV_WATCH_H

#include "net/reactor.h"

enum { DEV_WATCH_FOLDERS_MAX = 8192 };

struct dev_watch;

/* `name` (relative to the folder, "sub/page.html") has been written, made, moved or removed; an editor's save makes several of
 * these calls. An empty name: so much has changed that the system has not told all of it. On the reactor's thread. */
typedef void (*dev_watch_callback)(void *owner, const char *name);

/* Watches on `reactor`. 0, or -errno: -ENOSPC where the user may watch no more (fs.inotify.max_user_watches). */
int dev_watch_new(struct reactor *reactor, const char *path, dev_watch_callback on_change, void *owner,
                  struct dev_watch **ret_watch);
void dev_watch_free(
    struct dev_watch
        *watch); /* NULL-safe; on the reactor's thread, or when it does not run; not from within on_change */

/* How many folders are watched, and whether that is not all: DEV_WATCH_FOLDERS_MAX, or the system's bound. */
size_t dev_watch_count(const struct dev_watch *watch, bool *ret_is_cut);

#endif
