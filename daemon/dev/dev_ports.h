/* The ports of `daffi-bridge dev`: those that were wanted, or the next free ones. */
#ifndef DEV_PORTS_H
#define DEV_PORTS_H

#include "config/cli_dev.h"
#include "dev/dev_host.h"

enum { DEV_PORTS_TRIED = 100 };

struct dev_ports {
    unsigned https, http;
    /* Why it is not the one that was wanted: -EADDRINUSE, -EACCES (it is not for this user), or 0: it is. */
    int https_obstacle, http_obstacle;
};

/* Looks for free ports on the addresses of `host`, from those that the options name on: -EADDRINUSE or -EACCES and
 * one line where none is, or where none but the one is to do; -EADDRNOTAVAIL where the address is not this machine's.
 * Free is one that nobody holds on any of the addresses (dev_host.h). For port 0 any. They are free at this moment:
 * the listener says if one is taken after all. */
int dev_ports_choose(const struct dev_options *options, const struct dev_host *host,
                     struct dev_ports *ret_ports, char ret_error[CONFIG_ERROR_MAX]);

#endif
