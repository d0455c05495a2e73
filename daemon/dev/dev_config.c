#include "dev/dev_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_error.h"
#include "config/config_patterns.h"

enum { DRAIN_MS = 1000 /* Ctrl-C: who is still there is the developer's own browser */ };

static int add_listener(struct config *config, const char *scheme, const char *host, unsigned port,
                        char *ret_error) {
    char text[320];
    struct config_url *url = &config->listeners[config->listeners_count].url;
    const bool is_all = strcmp(host, "*") == 0;
    const bool is_wide = is_all || strchr(host, ':') != NULL;
    snprintf(text, sizeof text, "%s://%s%.255s%s:%u", scheme, is_wide ? "[" : "", is_all ? "::" : host,
             is_wide ? "]" : "", port);
    int status = config_url_parse(text, url, ret_error);
    if (status < 0) {
        return status;
    }
    config->listeners_count++;
    if (is_all) { /* what URLs have no word for: IPv4 on the same socket */
        free(url->host);
        url->host = strdup("*");
    }
    return url->host != NULL ? 0 : -ENOMEM;
}

/* In the order of dev_config.h. */
static int add_listeners(struct config *config, const struct dev_config_setup *setup, char *ret_error) {
    const char *https[DEV_HOST_ADDRESSES_MAX];
    const char *http[DEV_HOST_ADDRESSES_MAX];
    const size_t https_count = dev_host_addresses(setup->host, false, https);
    const size_t http_count = dev_host_addresses(setup->host, true, http);
    int status = add_listener(config, "https", https[0], setup->ports->https, ret_error);
    for (size_t i = 0; i < http_count && status == 0; i++) {
        status = add_listener(config, "http", http[i], setup->ports->http, ret_error);
    }
    for (size_t i = 1; i < https_count && status == 0; i++) {
        status = add_listener(config, "https", https[i], setup->ports->https, ret_error);
    }
    return status;
}

static int add_certificate(struct config *config, const struct dev_config_setup *setup) {
    for (size_t i = 0; i < config->listeners_count; i++) {
        struct config_listener *listener = &config->listeners[i];
        if (listener->url.scheme == CONFIG_HTTPS) {
            listener->cert = strdup(setup->cert);
            listener->key = strdup(setup->key);
            if (listener->cert == NULL || listener->key == NULL) {
                return -ENOMEM;
            }
        }
    }
    return 0;
}

_Static_assert((int)DEV_NAMES_MAX + (int)DEV_ALLOWED_MAX <= (int)CONFIG_LIST_MAX, "all names have room");

static int add_text(const char *text, char **list, size_t *count) {
    char *copy = strdup(text);
    if (copy == NULL) {
        return -ENOMEM;
    }
    list[(*count)++] = copy;
    return 0;
}

/* Whom it is called by, and whose pages may connect. */
static int add_allowed(struct config *config, const struct dev_config_setup *setup) {
    const struct dev_options *options = setup->options;
    int status = 0;
    for (size_t i = 0; i < setup->names->count && status == 0; i++) {
        status = add_text(setup->names->list[i], config->hosts, &config->hosts_count);
    }
    for (size_t i = 0; i < options->hosts_count && status == 0; i++) {
        status = add_text(options->hosts[i], config->hosts, &config->hosts_count);
    }
    for (size_t i = 0; i < options->origins_count && status == 0; i++) {
        status = add_text(options->origins[i], config->allow_origins, &config->allow_origins_count);
    }
    return status;
}

static int fill(struct config *config, const struct dev_config_setup *setup) {
    const struct dev_options *options = setup->options;
    config->playground = true;
    config->development = true;
    config->policy.expose_shared = true;
    config->log_level = options->log_level;
    config->log_access = options->quiet ? CONFIG_LOG_ACCESS_NONE : CONFIG_LOG_ACCESS_CALLS;
    config->timeouts.drain = DRAIN_MS;
    config->limits.connections_per_address = config->limits.connections; /* all of them are the developer's */
    if (add_certificate(config, setup) < 0 || config_patterns_add(&config->policy.expose, "*") < 0) {
        return -ENOMEM;
    }
    return add_allowed(config, setup);
}

int dev_config_new(const struct dev_config_setup *setup, struct config **ret_config,
                   char ret_error[CONFIG_ERROR_MAX]) {
    struct config *config = config_new();
    int status = config == NULL ? -ENOMEM : add_listeners(config, setup, ret_error);
    if (status == 0) {
        status = fill(config, setup);
    }
    if (status == -ENOMEM) {
        config_refuse(ret_error, "out of memory");
    }
    if (status == 0) {
        status = config_finish(config, ret_error);
    }
    if (status < 0) {
        config_free(config);
        return status;
    }
    *ret_config = config;
    return 0;
}
