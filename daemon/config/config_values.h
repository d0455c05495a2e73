/* What the values of the configuration have to be like, wherever they are given: file or command line. Refusals are
 * sentences without a place: the caller knows it. */
#ifndef CONFIG_VALUES_H
#define CONFIG_VALUES_H

#include "config/config_table.h"

/* Reads a URL that has to be of one of the row's schemes. 0, -EINVAL, -ENOMEM. */
int config_url_read(const char *text, const struct config_row *row, struct config_url *ret_url,
                    char ret_error[CONFIG_ERROR_MAX]);

/* An entry of allow_origins. 0 or -EINVAL. */
int config_origin_check(const char *text, char ret_error[CONFIG_ERROR_MAX]);

/* An entry of hosts: a name or an address, without port. 0 or -EINVAL. */
int config_host_check(const char *text, char ret_error[CONFIG_ERROR_MAX]);

#endif
