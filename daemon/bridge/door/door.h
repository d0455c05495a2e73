/* The door: takes connections in, and finds out by their first bytes who they are: nine 0x1F are a native daffi peer,
 * anything else has to be an HTTP request: for an asset, a page, or an upgrade to WebSocket.   (ARCHITECTURE.md)
 * One for each listener and reactor. */
#ifndef DOOR_H
#define DOOR_H

#include "bridge/session/session.h"
#include "http/assets.h"
#include "http/forward.h"
#include "net/listener_socket.h"
#include "net/tls_context.h"

struct door;

struct door_setup {
    struct bridge *bridge;
    const struct config_listener *config;
    struct listener_socket *socket;
    struct tls_context *tls; /* NULL: no TLS; the door's where door_new returns 0 */
    const struct assets *assets;
    struct forward_route *site; /* NULL: there are no pages */
};

/* `config` is of bridge->config; all else of `setup` is borrowed. 0 or -errno. */
int door_new(const struct door_setup *setup, struct door **ret_door);

/* From now on it goes by another configuration, of bridge->config; `tls` is taken over, `assets` are borrowed. Those inside who
 * ask for something from now on do as well. */
void door_configure(struct door *door, const struct config_listener *config, struct tls_context *tls,
                    const struct assets *assets);

/* NULL-safe; nobody else is let in. Those inside stay. */
void door_shut(struct door *door);

/* NULL-safe; shuts it, and ends the connections inside that are no sessions. Gone when the last of them has gone. */
void door_free(struct door *door);

/* Ends the connections that are not sessions: the program stops. Without `all` those stay from whom nothing has come yet: they
 * were accepted, and are to be answered. */
void door_end_visits(struct bridge *bridge, bool all);

#endif
