/* Lists of addresses and networks. */
#ifndef CONFIG_NETWORKS_H
#define CONFIG_NETWORKS_H

#include "config/config.h"

/* "192.0.2.1", "10.0.0.0/8", "2001:db8::/32", or "unix" for all Unix sockets. 0, or -EINVAL and a sentence. */
int config_network_parse(const char *text, struct config_network *ret_network,
                         char ret_error[CONFIG_ERROR_MAX]);

/* Whether an address, as struct listener tells it, lies in one of them. */
bool config_networks_have(const struct config_network *networks, size_t count, const char *address);

#endif
