/* What pages tell of their errors, for the terminal.                              (dev_live.js; docs/development.md) */
#ifndef DEV_REPORT_H
#define DEV_REPORT_H

#include <stdio.h>

#include "http/request_head.h"

#define DEV_REPORT_PATH "/_bridge/dev/report"

enum {
    DEV_REPORT_MAX = 4096,       /* bytes that are read of it, NUL included */
    DEV_REPORT_SHOWN_MAX = 8192, /* bytes of its text for the terminal, NUL included */
    DEV_REPORT_LINES_MAX = 10,
};

/* Whether the request is a report of a page of one's own: no other site may write to the terminal. By a header of
 * its own, which a browser sends to another origin only once that has allowed it, as nothing here ever does. (Fetch
 * Standard, "CORS-preflight fetch"; Fetch Metadata would not do: browsers leave it out over http from the LAN.) */
bool dev_report_is_own(const struct request_head *head);

/* The report in the query as text for a terminal: percent-encoding taken off; the first line in place of its
 * address, the others moved in; control characters and what is no ASCII printable or UTF-8 become "?"; cut to
 * DEV_REPORT_LINES_MAX lines. */
void dev_report_format(struct daffi_span query, bool is_terminal, char out[DEV_REPORT_SHOWN_MAX]);

#endif
