/* The web server behind the door: civetweb on a loopback port of its own choice, which answers those alone who know
 * the secret made at start, and these by pages.h alone. Neither its document root nor its form parser nor its
 * own error pages are ever reached.                             (ARCHITECTURE.md)
 * This file is the only one that knows civetweb. */
#ifndef SITE_H
#define SITE_H

#include "http/pages.h"

enum { SITE_SECRET_LENGTH = 64 }; /* hexadecimal digits */

#define SITE_SECRET_FIELD "X-Daffi-Door"

struct site;

/* Starts it: `pages` is copied (its files are borrowed). 0, or -errno and a sentence in `ret_error`. Its threads
 * take over the caller's signal mask: block what they should not get. */
int site_start(const struct pages *pages, struct site **ret_site, char *ret_error, size_t error_size);

/* NULL-safe. Waits for its threads; a request in work ends first. */
void site_stop(struct site *site);

unsigned site_port(const struct site *site);      /* on 127.0.0.1 */
const char *site_secret(const struct site *site); /* SITE_SECRET_LENGTH digits and NUL */

#endif
