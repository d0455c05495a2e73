/* Listening sockets, TCP and Unix: bound once, shared by all reactors (listener.h), so that they can later be handed to a next
 * process (inherited.h). */
#ifndef LISTENER_SOCKET_H
#define LISTENER_SOCKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "net/bound_address.h"

struct listener_socket {
    int fd;
    char address[128]; /* as bound, port 0 resolved: "127.0.0.1:8443", "[::1]:8443", "/run/daffi.sock" */
    dev_t device;      /* of a Unix socket's file, so that listener_socket_close removes its own file only */
    ino_t inode;       /* 0: nothing to remove */
    bool is_given;     /* by systemd, which keeps it */
    atomic_size_t listeners; /* that accept from it now; listener.c's alone */
};

/* Binds and listens, or takes the socket of that address that was inherited (inherited.h). Main's thread.
 *   TCP:  `host` a name (IPv4 preferred), an address, or "*" (all, IPv4 and IPv6), and `port`
 *   Unix: `host` NULL and `path` set; a stale socket file, that nobody listens on, is replaced. `mode` is that of the file
 *         that is made; 0: what the umask leaves
 * On failure -errno and a sentence in `ret_error`. */
int listener_socket_open(const char *host, const char *port, const char *path, unsigned mode,
                         struct listener_socket *ret_socket, char *ret_error, size_t error_size);
void listener_socket_close(struct listener_socket *socket);

/* From now on whoever connects is refused by the system, and who waits to be accepted is cut off; in all processes that share the
 * socket. One of systemd's is left as it is: who comes waits there for the next process. The descriptor, and a file, stay until
 * listener_socket_close. Listeners may still watch it. */
void listener_socket_refuse(struct listener_socket *socket);

/* Whether the file of a Unix socket has that mode. True where there is nothing to say of: mode 0, TCP, a socket of systemd's, a
 * file that has gone. It is not changed while somebody listens: who may write to the folder could put another file there. */
bool listener_socket_has_mode(const struct listener_socket *socket, unsigned mode);

/* As listener_socket_open, as far as that can be told without listening: whether the name has an address, the machine has that
 * address, and no other file is at the path. Whoever listens there now is not disturbed. What it would hold in *ret_bound. */
int listener_socket_check(const char *host, const char *port, const char *path,
                          struct bound_address *ret_bound, char *ret_error, size_t error_size);

#endif
