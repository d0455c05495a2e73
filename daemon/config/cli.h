/* The command line.                                                        (docs/configuration.md) */
#ifndef CLI_H
#define CLI_H

#include <stdio.h>

#include "config/cli_dev.h"
#include "config/config.h"

enum cli_action {
    CLI_RUN,
    CLI_CHECK,
    CLI_HELP,
    CLI_HELP_DEV,
    CLI_VERSION,
    CLI_INTEGRITY,
    CLI_DEV,
    CLI_TRUST,
    CLI_UNTRUST
};

struct cli {
    enum cli_action action;
    struct config *config;  /* finished; NULL for help, version, integrity and dev. The caller's to free. */
    struct dev_options dev; /* CLI_DEV */
    const char *base;       /* CLI_INTEGRITY: the bridge's address; of argv, or static */
};

/* Reads argv (and the file it names). 0, or -EINVAL with one line in `ret_error`: exit status 2. */
int cli_parse(int argc, char **argv, struct cli *ret_cli, char ret_error[CONFIG_ERROR_MAX]);

/* Writes the text of --help, made from the same tables. */
void cli_print_help(FILE *out);

#endif
