/* A Python Router or Service as a backend: one connection for each session, in daffi's own framing, over TCP, a Unix
 * socket, or verified TLS. It is always read, and never sent a part of a message.    (protocol.md, "Transports") */
#ifndef UPSTREAM_H
#define UPSTREAM_H

#include "bridge/session/session.h"
#include "net/tls_context.h"

struct upstream;

/* One for each reactor. `config` is of bridge->config, which is held; `tls` (NULL unless its URL is tls://) is taken over
 * where 0 is returned; or -errno. */
int upstream_new(struct bridge *bridge, const struct config_upstream *config, struct tls_context *tls,
                 struct upstream **ret_upstream);

/* From now on it goes by another configuration, of bridge->config, with the same name and URL; `tls` is taken over. */
void upstream_configure(struct upstream *upstream, const struct config_upstream *config,
                        struct tls_context *tls);

/* Whether one of that configuration can go by another. */
bool upstream_can_stay(const struct config_upstream *config, const struct config_upstream *next);

/* The program ends: no connection of the bridge's own to it any more, and no name is kept; what a Service owes is waited for.
 * After bridge->stopping is set. NULL-safe. */
void upstream_stop(struct upstream *upstream);

/* NULL-safe; gone when no session and no connection has it any more. */
void upstream_free(struct upstream *upstream);
struct backend *upstream_backend(struct upstream *upstream);

#endif
