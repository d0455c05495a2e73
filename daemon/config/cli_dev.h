/* The command line of `daffi-bridge dev`.                                             (docs/development.md) */
#ifndef CLI_DEV_H
#define CLI_DEV_H

#include <stdio.h>

#include "config/config.h"

enum { DEV_WORKERS_MAX = 16, DEV_ALLOWED_MAX = 24, DEV_PORT_HTTPS = 8443, DEV_PORT_HTTP = 8080 };

struct dev_options {
    const char *dir;  /* what is served; "." when none is named */
    const char *host; /* an address to listen on: "127.0.0.1"; "0.0.0.0" is all of them. No brackets */
    unsigned https_port, http_port; /* where looking for a free one begins; 0: any */
    bool strict_port;               /* a port that is taken is an error */
    bool open;                      /* the browser is told */
    bool spa;
    bool quiet;
    const char *origins[DEV_ALLOWED_MAX]; /* of pages that may connect besides its own */
    size_t origins_count;
    const char *hosts[DEV_ALLOWED_MAX]; /* names that are its own, too */
    size_t hosts_count;
    enum config_log_level log_level;
    char **workers[DEV_WORKERS_MAX]; /* commands, each NULL-terminated: of argv */
    size_t workers_count;
};

/* argv[1] is "dev". Each further `--` begins another worker's command; those in argv become NULL, and the brackets of an IPv6
 * address are cut off there. 0, or -EINVAL with one line. */
int cli_dev_parse(int argc, char **argv, struct dev_options *ret_options, char ret_error[CONFIG_ERROR_MAX]);

/* The text of `dev --help`, a part of that of --help. */
void cli_dev_print_help(FILE *out);

#endif
