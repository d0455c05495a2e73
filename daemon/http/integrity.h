/* `daffi-bridge sri`: lines for a page that loads the client from this bridge and lets the browser check what it gets.
 *                                                                       (W3C Subresource Integrity) */
#ifndef INTEGRITY_H
#define INTEGRITY_H

#include <stdio.h>

#include "http/assets.h"

enum { INTEGRITY_TEXT_MAX = 80 };

/* `sha384-` and the hash in base64. 0, or -EIO. */
int integrity_of(const struct embedded_bytes *bytes, char out[INTEGRITY_TEXT_MAX]);

/* Writes a script line for each script of the client under its exact version; `base` is the bridge's address, as
 * https://HOST:PORT. 0, or -EIO. */
int integrity_print(const struct assets *assets, const char *base, FILE *out);

#endif
