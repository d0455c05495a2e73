/* The configuration that `daffi-bridge dev` stands for. */
#ifndef DEV_CONFIG_H
#define DEV_CONFIG_H

#include "dev/dev_host.h"
#include "dev/dev_names.h"
#include "dev/dev_ports.h"

/* Its first listeners, on the addresses of dev_host.h; the others are behind them. */
enum {
    DEV_LISTENER_HTTPS,
    DEV_LISTENER_HTTP,
    DEV_LISTENER_LOCAL, /* http on 127.0.0.1, where `--host` is an address of the LAN alone */
    DEV_LISTENERS_NAMED,
};

struct dev_config_setup {
    const struct dev_options *options;
    const struct dev_host *host;
    const struct dev_ports *ports;
    const struct dev_names *names;
    const char *cert, *key;
};

/* The listeners, router inside, playground, all functions of pages allowed; the certificate's files; `names` and those
 * of the options as own hosts, and the origins of the options. 0 and *ret_config, finished, the caller's to free; or -errno and
 * one line. */
int dev_config_new(const struct dev_config_setup *setup, struct config **ret_config,
                   char ret_error[CONFIG_ERROR_MAX]);

#endif
