/* Pages of the development server's own: how they all begin, and those that stand where the folder has no page. */
#ifndef DEV_OWN_PAGE_H
#define DEV_OWN_PAGE_H

#include <stddef.h>
#include <stdio.h>

/* Goes with them: they load nothing but the script for live reload. */
#define DEV_OWN_PAGE_FIELDS                                                                                  \
    "Cache-Control: no-store\r\nCross-Origin-Resource-Policy: same-origin\r\n"                               \
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; "            \
    "connect-src 'self'; base-uri 'none'; form-action 'none'\r\n"

/* The head and the heading of the page for `name` (of dev_path_decode). */
void dev_own_page_begin(FILE *out, const char *name);

/* Says `text` instead of a page called `name`, with `line` behind it, so that the page comes by itself once it is
 * there. 0 and *ret_text, the caller's to free; or -ENOMEM. */
int dev_own_page_refuse(const char *name, int status, const char *text, const char *line, char **ret_text,
                        size_t *ret_length);

#endif
