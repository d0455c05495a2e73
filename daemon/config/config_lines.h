/* Where in a JSON text a key stands: jansson knows lines of syntax errors alone, and an administrator wants one for
 * every error. */
#ifndef CONFIG_LINES_H
#define CONFIG_LINES_H

#include <stdbool.h>

/* The line (from 1) of the key at `path`, for a text that is valid JSON; of an element of a list, the line at which it
 * begins. `path`: keys (which may hold dots themselves) and places separated by dots, "listen.0.url". The line of the
 * last part that is there, where not all are. A key that the text writes with escapes is not found. */
unsigned config_line_of(const char *text, const char *path);

/* Whether all of `path` is there. */
bool config_has_path(const char *text, const char *path);

#endif
