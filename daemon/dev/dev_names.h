/* What this machine is called: its host name, the address that it listens on, and those at which others reach it. */
#ifndef DEV_NAMES_H
#define DEV_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "dev/dev_host.h"

enum { DEV_NAMES_MAX = 32, DEV_NAME_MAX = 254 /* bytes, NUL included */ };

struct dev_names {
    char list[DEV_NAMES_MAX][DEV_NAME_MAX]; /* lower case; addresses without brackets */
    bool is_certified[DEV_NAMES_MAX];       /* the certificate speaks for it */
    size_t count;
    size_t
        lan; /* from here on they are addresses of the LAN: those of IPv4 first; link-local ones are left out */
};

/* None is certified yet. */
void dev_names_find(struct dev_names *ret_names);

/* What it listens on, where that is one address and none of them: 127.0.0.2. */
void dev_names_add_host(struct dev_names *names, const struct dev_host *host);

/* By the certificate in `file`, PEM; where it can't be read none is. */
void dev_names_certify(struct dev_names *names, const char *file);

#endif
