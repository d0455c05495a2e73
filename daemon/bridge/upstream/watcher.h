/* The bridge's own connection to a Python upstream, one a process: it says whether the upstream is there (upstream_health.h),
 * and at a Router who is (presence.h). A Service tells nothing of who leaves: of it, only that it is there.
 *
 * RESTING -> CONNECTING -> OPENING -> GREETING -> WATCHING, back to RESTING when it is lost, for a while that doubles with each
 * failure: a real Router keeps a descriptor of each connection for ever. It is a client with a random name of the bridge's own
 * and no functions; calls of it are not answered. It counts against no limit of peers. One reactor. */
#ifndef WATCHER_H
#define WATCHER_H

#include "bridge/upstream/upstream.h"

struct watcher;

/* Begins at the reactor's next turn. `upstream` outlives it. 0 or -errno. */
int watcher_new(struct upstream *upstream, struct watcher **ret_watcher);

/* NULL-safe. Nothing is known or told by it any more; its connection closes by itself. */
void watcher_free(struct watcher *watcher);

#endif
