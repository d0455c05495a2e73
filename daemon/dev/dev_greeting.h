/* The first lines on the terminal: for a person. */
#ifndef DEV_GREETING_H
#define DEV_GREETING_H

#include <stdbool.h>
#include <stdio.h>

#include "dev/dev_names.h"

enum { DEV_GREETING_URL_MAX = 320 };

struct dev_greeting {
    const char *folder;
    const char *https, *http; /* "127.0.0.1:8443", as bound; "[::]:8443" takes IPv4, too */
    const char *local;        /* where Python peers come in, when that is not `http`; or NULL */
    const char *moved_from;   /* what was taken, as a sentence; NULL: nothing */
    const char *authority;    /* the file of the CA */
    bool is_trusted;          /* `daffi-bridge trust` has been run for it */
    const struct dev_names *names;
    bool is_terminal; /* a QR code where others reach it */
    bool has_colours;
};

/* Each address in it is one that is listened on. */
void dev_greeting_write(FILE *out, const struct dev_greeting *greeting);

/* The first of its URLs: of the page, for the browser of this machine. `address` as `https` above. */
void dev_greeting_page(const char *address, char out[DEV_GREETING_URL_MAX]);

#endif
