/* Whether what an upstream is called by comes back to the bridge itself. */
#ifndef CONFIG_CIRCLES_H
#define CONFIG_CIRCLES_H

#include "config/config.h"

/* Refuses an upstream that is the address of a listener of the bridge's own which leads, by its first upstream, to the same one
 * again: each connection would open another one, without end. Addresses count as they are written; names are not looked up, but
 * for "localhost". A listener that leads elsewhere, to the router inside say, is none's circle. Listeners have their upstreams.
 * 0 or -EINVAL with one line. */
int config_check_circles(const struct config *config, char ret_error[CONFIG_ERROR_MAX]);

#endif
