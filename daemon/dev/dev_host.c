#include "dev/dev_host.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>

static const struct addrinfo *choose(const struct addrinfo *found) {
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        if (one->ai_family == AF_INET) {
            return one;
        }
    }
    return found;
}

static enum dev_host_reach reach_of(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        const struct in_addr *narrow = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
        return narrow->s_addr == htonl(INADDR_ANY)             ? DEV_HOST_ALL
               : ntohl(narrow->s_addr) >> 24 == IN_LOOPBACKNET ? DEV_HOST_LOOPBACK
                                                               : DEV_HOST_LAN;
    }
    const struct in6_addr *wide = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    return IN6_IS_ADDR_UNSPECIFIED(wide) ? DEV_HOST_ALL
           : IN6_IS_ADDR_LOOPBACK(wide)  ? DEV_HOST_LOOPBACK
                                         : DEV_HOST_LAN;
}

int dev_host_read(const char *text, struct dev_host *ret_host) {
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct dev_host host;
    if (getaddrinfo(text, NULL, &hints, &found) != 0) {
        return -EADDRNOTAVAIL;
    }
    const struct addrinfo *one = choose(found);
    host.reach = reach_of(one->ai_addr);
    bool is_both = host.reach == DEV_HOST_ALL && one->ai_family == AF_INET6;
    int status = getnameinfo(one->ai_addr, one->ai_addrlen, host.address, sizeof host.address, NULL, 0,
                             NI_NUMERICHOST);
    freeaddrinfo(found);
    if (status != 0) {
        return -EADDRNOTAVAIL;
    }
    if (is_both) {
        snprintf(host.address, sizeof host.address, "*");
    }
    *ret_host = host;
    return 0;
}
