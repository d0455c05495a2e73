/* A browser as a session's peer: daffi messages in binary WebSocket messages, one in each; to and from our own client,
 * once its handshake is answered, several in one (a batch: what is sent within one turn of the loop), and empty ones as
 * signs of life. A page sees no part of a message: before a large one it is told its size, in four bytes, least significant
 * first, so that it does not take a slow line for a dead one.   (RFC 6455; protocol.md, "Between daffi.js and the bridge") */
#ifndef WS_PEER_H
#define WS_PEER_H

#include "bridge/session/session.h"

struct ws_peer_setup {
    struct bridge *bridge;
    struct backend *backend; /* as in struct session_setup */
    const char *no_backend;
    bool wants_offer;
    struct policy policy;
    struct auth_grant *grant; /* as in struct session_setup */
    const char *tab;
};

/* Takes over the visitor, whose connection has been upgraded, when it returns 0; else -errno, and the visitor is the
 * caller's still. */
int ws_peer_new(const struct ws_peer_setup *setup, const struct visitor *visitor);

#endif
