/* A Python Router or Service as a backend: one connection for each session, in daffi's own framing, over TCP, a Unix
 * socket, or verified TLS. It is always read, and never sent a part of a message.    (protocol.md, "Transports") */
#ifndef UPSTREAM_H
#define UPSTREAM_H

#include "bridge/session.h"
#include "net/tls_context.h"

struct upstream;

/* One for each reactor. `config` and `tls` (NULL unless its URL is tls://) are borrowed. 0 or -errno. */
int upstream_new(struct bridge *bridge, const struct config_upstream *config, struct tls_context *tls,
                 struct upstream **ret_upstream);
void upstream_free(struct upstream *upstream); /* NULL-safe; after all of its connections */
struct backend *upstream_backend(struct upstream *upstream);

#endif
