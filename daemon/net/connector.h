/* Opening sockets to others without ever holding up the reactor: names are looked up in a helper thread,
 * several addresses are tried in turn, all within one deadline. TCP and Unix sockets. */
#ifndef CONNECTOR_H
#define CONNECTOR_H

#include "net/reactor.h"

/* Where to connect to: one for each upstream and reactor. A name's addresses are remembered for half a
 * minute, or until a connect to them failed; numeric addresses are never looked up. */
struct endpoint;

/* TCP: `host` (a name, or an address without brackets) and `port`; Unix: `host` NULL and `path` set. 0; -ENOMEM;
 * -EINVAL when neither or a path longer than a socket's may be. All is copied. */
int endpoint_new(struct reactor *reactor, const char *host, const char *port, const char *path,
                 struct endpoint **ret_endpoint);
void endpoint_free(struct endpoint *endpoint); /* NULL-safe; after all of its connectors */
/* "localhost:5000", "[::1]:5000", "/run/daffi.sock"; as long as the endpoint lives. */
const char *endpoint_name(const struct endpoint *endpoint);

struct connector;

/* `fd` >= 0: connected, non-blocking, close-on-exec, TCP_NODELAY; the owner takes it over (`detail` is "").
 * `fd` < 0: -errno, and a sentence: "cannot connect to localhost:5000: connection refused". */
typedef void (*connector_callback)(void *owner, int fd, const char *detail);

/* Starts to connect. The callback comes once, never from within this call. 0, -ENOMEM or another -errno (then it
 * never comes). */
int connector_new(struct endpoint *endpoint, uint64_t timeout_ms, connector_callback on_done, void *owner,
                  struct connector **ret_connector);

/* Gives up, or cleans up after the callback (fine from within it). NULL-safe. No callback comes after this. */
void connector_free(struct connector *connector);

#endif
