/* What this machine is called: its host name, and the addresses at which others reach it. */
#ifndef DEV_NAMES_H
#define DEV_NAMES_H

#include <stddef.h>

enum { DEV_NAMES_MAX = 32, DEV_NAME_MAX = 254 };

struct dev_names {
    char list[DEV_NAMES_MAX][DEV_NAME_MAX]; /* lower case; addresses without brackets */
    size_t count;
    size_t
        addresses; /* from here on they are addresses of the LAN: those of IPv4 first; link-local ones are left out */
};

void dev_names_find(struct dev_names *ret_names);

#endif
