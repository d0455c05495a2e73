/* The first lines on the terminal: for a person. */
#ifndef DEV_GREETING_H
#define DEV_GREETING_H

#include <stdbool.h>
#include <stdio.h>

#include "dev/dev_names.h"

struct dev_greeting {
    const char *folder;
    const char *https, *http; /* "127.0.0.1:8443", as bound */
    const char *moved_from;   /* what was taken, as a sentence; NULL: nothing */
    const char *authority;    /* the file of the CA that nobody trusts yet; NULL: it is an old one */
    const struct dev_names *names;
    bool is_terminal; /* colours, and a QR code where the LAN is served */
};

void dev_greeting_write(FILE *out, const struct dev_greeting *greeting);

/* The port of "127.0.0.1:8443" or "[::1]:8443". */
const char *dev_greeting_port(const char *address);

#endif
