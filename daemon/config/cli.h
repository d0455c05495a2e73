/* The command line.                                                        (docs/configuration.md) */
#ifndef CLI_H
#define CLI_H

#include <stdio.h>

#include "config/config.h"

enum cli_action { CLI_RUN, CLI_CHECK, CLI_HELP, CLI_VERSION, CLI_INTEGRITY };

struct cli {
    enum cli_action action;
    struct config *config; /* finished; NULL for help, version and integrity. The caller's to free. */
    const char *base;      /* CLI_INTEGRITY: the bridge's address; of argv, or static */
};

/* Reads argv (and the file it names). 0, or -EINVAL with one line in `ret_error`: exit status 2. */
int cli_parse(int argc, char **argv, struct cli *ret_cli, char ret_error[CONFIG_ERROR_MAX]);

/* Writes the text of --help, made from the same tables. */
void cli_print_help(FILE *out);

#endif
