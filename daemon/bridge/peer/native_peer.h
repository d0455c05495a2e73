/* A Python daffi peer that comes through the bridge: messages back to back, behind its probe.
 *                                                                         (protocol.md, "Transports") */
#ifndef NATIVE_PEER_H
#define NATIVE_PEER_H

#include "bridge/session/session.h"

/* Takes over the visitor, whose probe has been read, when it returns 0; else -errno, and the visitor is the caller's
 * still. */
int native_peer_new(struct bridge *bridge, struct backend *backend, const struct visitor *visitor);

#endif
