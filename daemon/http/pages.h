/* The bridge's own pages: /healthz always; where the playground is on, what is embedded from daemon/site under
 * /_bridge/, the numbers that it draws, and the client's examples under /_bridge/examples/NAME/; `/` leads there. Pure but for
 * the numbers: no file is opened, a path is looked up in a table. Every page comes under a strict Content-Security-Policy. */
#ifndef PAGES_H
#define PAGES_H

#include <stdio.h>

#include "http/embedded.h"
#include "http/response.h"

struct pages {
    const struct embedded_files *files; /* for the daemon: &embedded_site */
    bool playground;
    /* Writes a JSON object with the numbers of now: /_bridge/numbers.json, where the playground is on. NULL: there are none. */
    void (*write_numbers)(void *source, FILE *out);
    void *source;
};

/* Answers GET or HEAD of `head`, always: 200, 302 (`/`), 304, 308 (a folder without its slash) or 404. 0, or what the sink
 * said. The answer says `Connection: close`. */
int pages_answer(const struct pages *pages, const struct request_head *head,
                 const struct response_sink *sink);

enum { PAGES_PATH_MAX = 256 };

/* Takes the percent-encoding off a path, once: its length, NUL not counted; -EINVAL for whatever no page's path holds:
 * an empty segment, one that begins with a dot, any character but letters, digits, '-', '_', '.' and '~', and
 * what is longer than PAGES_PATH_MAX. */
int pages_decode_path(struct daffi_span path, char out[PAGES_PATH_MAX + 1]);

#endif
