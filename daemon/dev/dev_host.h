/* What `--host` stands for. */
#ifndef DEV_HOST_H
#define DEV_HOST_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    DEV_HOST_MAX = INET6_ADDRSTRLEN + 16, /* with a scope id */
    DEV_HOST_ADDRESSES_MAX = 3,
};

enum dev_host_reach {
    DEV_HOST_LOOPBACK, /* an address of this machine's own */
    DEV_HOST_LAN, /* one of those that others reach: who connects to it does not come from the loopback */
    DEV_HOST_ALL, /* every address, the loopback's among them */
};

struct dev_host {
    enum dev_host_reach reach;
    char address
        [DEV_HOST_MAX]; /* "127.0.0.1", "fd00::2", "0.0.0.0"; "*": all of IPv6 and of IPv4 (listener_socket.h) */
    bool has_wide_loopback; /* this machine has ::1 */
};

/* An address or a name; of a name's addresses the first one of IPv4, as the listener has it. `::` is all of IPv4,
 * too, as people expect of it. 0, or -EADDRNOTAVAIL where it is neither. */
int dev_host_read(const char *text, struct dev_host *ret_host);

/* The addresses to listen on, its own first: for pages over https, or for all that comes over http; how many. Behind
 * one of the LAN comes 127.0.0.1 for http: Python peers, whose messages may hold PICKLE, come in from the loopback
 * only. And where 127.0.0.1 is listened on, as `localhost`, ::1 is, too: many ask there first. */
size_t dev_host_addresses(const struct dev_host *host, bool is_http,
                          const char *ret_list[DEV_HOST_ADDRESSES_MAX]);

#endif
