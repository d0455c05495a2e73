/* Accepts from a listening socket that all reactors share (EPOLLEXCLUSIVE). What comes is spread evenly over the reactors that
 * accept from one, those that trickle in as well as crowds; whoever has accepted a connection keeps it. */
#ifndef LISTENER_H
#define LISTENER_H

#include "net/listener_socket.h"
#include "net/reactor.h"

struct listener;

/* `peer`: where it comes from, as text without the port for TCP ("192.0.2.1"), "unix" for a Unix socket.
 * Takes over `fd` (non-blocking, close-on-exec, TCP_NODELAY). */
typedef void (*listener_accept_callback)(void *owner, int fd, const char *peer);

/* Accepting pauses: `error` (EMFILE, ENOBUFS …) says what there is no more of. Those that come wait in the kernel. */
typedef void (*listener_pause_callback)(void *owner, int error);

/* Accepts on `reactor`, one of several with the same memory budget or the only one. When descriptors run out it pauses for a
 * while instead of spinning. `socket` is borrowed until listener_free. 0 or -errno. */
int listener_new(struct reactor *reactor, struct listener_socket *socket, listener_accept_callback on_accept,
                 void *owner, struct listener **ret_listener);
/* Has `on_pause` called with the owner of on_accept; without it, pauses go untold. */
void listener_on_pause(struct listener *listener, listener_pause_callback on_pause);
void listener_free(struct listener *listener); /* NULL-safe; does not close the socket */

#endif
