/* What a listening socket holds: an address and a port, or a path; and for which others it is in the way. */
#ifndef BOUND_ADDRESS_H
#define BOUND_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct bound_address {
    struct sockaddr_storage address;
    socklen_t size;
    bool takes_v4; /* an IPv6 one: IPv4 as well, as that of "*" does */
};

/* Of a socket that listens. 0 or -errno; -EINVAL when it is none. */
int bound_address_of(int fd, struct bound_address *ret_bound);

/* Whether the kernel lets only one of the two listen. Ports 0 become different ones. */
bool bound_address_collides(const struct bound_address *a, const struct bound_address *b);

/* "127.0.0.1:8443", "[::1]:8443", "/run/daffi.sock" */
void bound_address_format(const struct bound_address *bound, char *out, size_t size);

#endif
