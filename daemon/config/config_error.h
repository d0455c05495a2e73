/* Refusals of a configuration: one line, whatever was in the file, that names file, line and key. */
#ifndef CONFIG_ERROR_H
#define CONFIG_ERROR_H

#include "config/config.h"

/* Where a configuration was read from; kept by it, so that what only the whole can tell has a line as well. */
struct config_source {
    char *file;
    char *text; /* valid JSON, NUL-terminated */
};

void config_source_free(struct config_source *source); /* NULL-safe */

/* Writes the line. Returns -EINVAL, for `return config_refuse(…)`. */
__attribute__((format(printf, 2, 3))) int config_refuse(char ret_error[CONFIG_ERROR_MAX], const char *format,
                                                        ...);

/* As config_refuse, with `FILE: line N: PATH: ` before it where `source` (NULL: none) has the key at `path` (keys and
 * places separated by dots, "listen.0.url"), or at least something above it; else with `PATH: `. */
__attribute__((format(printf, 4, 5))) int config_refuse_at(const struct config_source *source,
                                                           const char *path, char ret_error[CONFIG_ERROR_MAX],
                                                           const char *format, ...);

#endif
