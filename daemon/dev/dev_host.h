/* What `--host` stands for. */
#ifndef DEV_HOST_H
#define DEV_HOST_H

#include <netinet/in.h>

enum { DEV_HOST_MAX = INET6_ADDRSTRLEN + 16 /* with a scope id */ };

enum dev_host_reach {
    DEV_HOST_LOOPBACK, /* an address of this machine's own */
    DEV_HOST_LAN, /* one of those that others reach: who connects to it does not come from the loopback */
    DEV_HOST_ALL, /* every address, the loopback's among them */
};

struct dev_host {
    enum dev_host_reach reach;
    char address
        [DEV_HOST_MAX]; /* "127.0.0.1", "fd00::2", "0.0.0.0"; "*": all of IPv6 and of IPv4 (listener.h) */
};

/* An address or a name; of a name's addresses the first one of IPv4, as the listener has it. `::` is all of IPv4,
 * too, as people expect of it. 0, or -EADDRNOTAVAIL where it is neither. */
int dev_host_read(const char *text, struct dev_host *ret_host);

#endif
