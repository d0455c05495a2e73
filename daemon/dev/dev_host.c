#include "dev/dev_host.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

static bool has_wide_loopback(void) {
    const struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool has = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return has;
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
    host.has_wide_loopback = has_wide_loopback();
    *ret_host = host;
    return 0;
}

size_t dev_host_addresses(const struct dev_host *host, bool is_http,
                          const char *ret_list[DEV_HOST_ADDRESSES_MAX]) {
    static const char narrow[] = "127.0.0.1";
    bool is_localhost = strcmp(host->address, narrow) == 0 || strcmp(host->address, "0.0.0.0") == 0;
    size_t count = 0;
    ret_list[count++] = host->address;
    if (is_http && host->reach == DEV_HOST_LAN) {
        ret_list[count++] = narrow;
        is_localhost = true;
    }
    if (is_localhost && host->has_wide_loopback) {
        ret_list[count++] = "::1";
    }
    return count;
}
