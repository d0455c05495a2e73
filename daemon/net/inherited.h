/* Listening sockets that were there before this process: of systemd (LISTEN_FDS, sd_listen_fds(3)), or of the process that this
 * one takes over from. listener_socket_open takes them in place of binding, by their addresses, so that nobody who connects meanwhile
 * is refused or lost: there is one queue, never a second bind. The main thread's alone. */
#ifndef INHERITED_H
#define INHERITED_H

#include <stdbool.h>

#include "net/bound_address.h"
#include "net/listener_socket.h"

enum { INHERITED_FIRST = 3, INHERITED_MAX = 256 };

/* What a process tells the one that takes over from it: for each descriptor from INHERITED_FIRST on a letter, `o` for the
 * process's own, `g` for one it was given; and a pipe into which it writes its pid, as a pid_t, and one byte when it is ready. */
#define INHERITED_SOCKETS_VARIABLE "DAFFI_BRIDGE_SOCKETS"
#define INHERITED_READY_VARIABLE   "DAFFI_BRIDGE_READY"

/* Reads what the environment says, and takes it out, so that no other process believes it. */
void inherited_read(void);

/* Where this process takes over from its parent it goes on as a child of init (or of a subreaper), the one that was started ends:
 * see notify_main_process. Before there are threads. */
int inherited_leave_parent(void); /* 0 or -errno */

/* The socket of that address, if there is one (arguments as listener_socket_open's): then it is taken. For port 0 any port. */
bool inherited_find(const char *host, const char *port, const char *path, struct listener_socket *ret_socket);

/* Whether one that has not been taken is in the way of another address; its own is then in `out`. */
bool inherited_is_in_the_way(const struct bound_address *wanted, char *out, size_t size);

/* Closes those that nobody has asked for; how many these were. */
size_t inherited_close_rest(void);

/* Tells whom this process takes over from that it is ready. False where there is nobody. */
bool inherited_say_ready(void);

#endif
