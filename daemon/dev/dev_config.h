/* The configuration that `daffi-bridge dev` stands for. */
#ifndef DEV_CONFIG_H
#define DEV_CONFIG_H

#include "config/cli_dev.h"
#include "dev/dev_names.h"

/* The ports that were chosen. */
struct dev_ports {
    unsigned https, http;
    bool https_moved, http_moved; /* another one than was wanted */
};

/* Looks for free ports on the address, from those that the options name on: -EADDRINUSE and one line where none is, or where none
 * but the one is to do; -EADDRNOTAVAIL where the address is not this machine's. Port 0 stays 0. They are free at this moment: the
 * listener says if one is taken after all. */
int dev_ports_choose(const struct dev_options *options, struct dev_ports *ret_ports,
                     char ret_error[CONFIG_ERROR_MAX]);

/* An https and an http listener, router inside, playground, all functions of pages allowed; the certificate's files, and `names`
 * as own hosts. 0 and *ret_config, finished, the caller's to free; or -errno and one line. */
int dev_config_new(const struct dev_options *options, const struct dev_ports *ports,
                   const struct dev_names *names, const char *cert, const char *key,
                   struct config **ret_config, char ret_error[CONFIG_ERROR_MAX]);

#endif
