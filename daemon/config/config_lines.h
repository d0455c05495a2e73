/* Where in a JSON text a key stands: jansson knows lines of syntax errors alone, and an administrator wants one for every error. */
#ifndef CONFIG_LINES_H
#define CONFIG_LINES_H

#include <stddef.h>

/* The line (from 1) at which the value at `path` begins, for a text that is valid JSON. `path`: keys and places separated by dots,
 * "listen.0.url". The line of the last part that is there, where not all are. */
unsigned config_line_of(const char *text, const char *path);

#endif
