#include "config/config_error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/config_lines.h"

void config_source_free(struct config_source *source) {
    if (source == NULL) {
        return;
    }
    free(source->file);
    free(source->text);
    free(source);
}

/* What a key or a path may hold must not break the line, nor colour a terminal. */
static void make_one_line(char *line) {
    for (char *c = line; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F) {
            *c = '?';
        }
    }
}

int config_refuse(char ret_error[CONFIG_ERROR_MAX], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ret_error, CONFIG_ERROR_MAX, format, arguments);
    va_end(arguments);
    make_one_line(ret_error);
    return -EINVAL;
}

int config_refuse_at(const struct config_source *source, const char *path, char ret_error[CONFIG_ERROR_MAX],
                     const char *format, ...) {
    char what[CONFIG_ERROR_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (source == NULL) {
        return config_refuse(ret_error, "%.120s: %.380s", path, what);
    }
    return config_refuse(ret_error, "%.120s: line %u: %.80s: %.280s", source->file,
                         config_line_of(source->text, path), path, what);
}
