/* The output of a worker, in pieces as they come, as whole lines. */
#ifndef DEV_LINES_H
#define DEV_LINES_H

#include <stddef.h>

enum { DEV_LINES_MAX = 4096 }; /* bytes of a line; what is longer is cut into several */

struct dev_lines {
    size_t length;
    char bytes[DEV_LINES_MAX];
};

/* `line` has no newline, and nothing behind it. */
typedef void (*dev_lines_callback)(void *owner, const char *line, size_t length);

void dev_lines_take(struct dev_lines *lines, const char *bytes, size_t length, dev_lines_callback on_line,
                    void *owner);

/* The output is over: what stands without a newline is a line. */
void dev_lines_end(struct dev_lines *lines, dev_lines_callback on_line, void *owner);

#endif
