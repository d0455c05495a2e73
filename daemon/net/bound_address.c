#include "net/bound_address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static const struct sockaddr_in *v4_of(const struct bound_address *bound) {
    return (const struct sockaddr_in *)&bound->address;
}

static const struct sockaddr_in6 *v6_of(const struct bound_address *bound) {
    return (const struct sockaddr_in6 *)&bound->address;
}

static const char *path_of(const struct bound_address *bound) {
    return ((const struct sockaddr_un *)&bound->address)->sun_path;
}

int bound_address_of(int fd, struct bound_address *ret_bound) {
    struct bound_address bound = {.size = sizeof bound.address};
    int listens = 0, only6 = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound.address, &bound.size) < 0) {
        return -errno;
    }
    if (listens == 0) {
        return -EINVAL;
    }
    size = sizeof only6;
    bound.takes_v4 = bound.address.ss_family == AF_INET6 &&
                     getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, &size) == 0 && only6 == 0;
    *ret_bound = bound;
    return 0;
}

static in_port_t port_of(const struct bound_address *bound) {
    return bound->address.ss_family == AF_INET ? v4_of(bound)->sin_port : v6_of(bound)->sin6_port;
}

static bool is_any(const struct bound_address *bound) {
    return bound->address.ss_family == AF_INET ? v4_of(bound)->sin_addr.s_addr == htonl(INADDR_ANY)
                                               : IN6_IS_ADDR_UNSPECIFIED(&v6_of(bound)->sin6_addr);
}

static bool is_same_host(const struct bound_address *a, const struct bound_address *b) {
    return a->address.ss_family == AF_INET ? v4_of(a)->sin_addr.s_addr == v4_of(b)->sin_addr.s_addr
                                           : IN6_ARE_ADDR_EQUAL(&v6_of(a)->sin6_addr, &v6_of(b)->sin6_addr) &&
                                                 v6_of(a)->sin6_scope_id == v6_of(b)->sin6_scope_id;
}

bool bound_address_collides(const struct bound_address *a, const struct bound_address *b) {
    const sa_family_t family = a->address.ss_family, other = b->address.ss_family;
    if (family == AF_UNIX || other == AF_UNIX) {
        return family == other &&
               strncmp(path_of(a), path_of(b),
                       sizeof(struct sockaddr_un) - offsetof(struct sockaddr_un, sun_path)) == 0;
    }
    if (port_of(a) == 0 || port_of(a) != port_of(b)) {
        return false;
    }
    if (family == other) {
        return is_any(a) || is_any(b) || is_same_host(a, b);
    }
    return (a->takes_v4 && is_any(a)) || (b->takes_v4 && is_any(b));
}

void bound_address_format(const struct bound_address *bound, char *out, size_t size) {
    char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
    if (bound->address.ss_family == AF_UNIX) {
        snprintf(out, size, "%.*s",
                 (int)(sizeof(struct sockaddr_un) - offsetof(struct sockaddr_un, sun_path)), path_of(bound));
        return;
    }
    (void)getnameinfo((const struct sockaddr *)&bound->address, bound->size, host, sizeof host, port,
                      sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(out, size, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}
