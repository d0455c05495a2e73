/* The options of a command line as a table: how one is found, what the nearest one is, how --help tells them.
 *                                                          (POSIX.1-2017, XBD 12; long options as GNU's getopt_long has them) */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdio.h>

#include "config/config.h"

enum { CLI_OPTIONS_MAX = 32 };

struct cli_option {
    const char *name;  /* long form, with its dashes */
    const char *brief; /* short form, or NULL */
    const char *value; /* what it takes, or NULL */
    const char *help;
};

struct cli_options {
    const struct cli_option *rows;
    size_t count; /* up to CLI_OPTIONS_MAX */
};

/* Whether argv[*at] is one of them: its place, or `count`. Its value, NULL where it takes none, stands behind a `=` or is the
 * next argument, to which *at moves; `--` is no value. -EINVAL with one line when it is missing. */
int cli_options_take(struct cli_options options, int argc, char **argv, int *at, char **ret_value,
                     char ret_error[CONFIG_ERROR_MAX]);

/* The name that `argument` is most like, or NULL. */
const char *cli_options_nearest(struct cli_options options, const char *argument);

/* One line each. */
void cli_options_print(struct cli_options options, FILE *out);

#endif
