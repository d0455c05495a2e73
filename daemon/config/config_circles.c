#include "config/config_circles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_error.h"
#include "config/config_lines.h"

static bool is_any(const char *host) {
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static bool is_localhost(const struct config_url *url) {
    return strcmp(url->host, "localhost") == 0;
}

static bool reaches(const struct config_url *upstream, const struct config_url *listener) {
    if (config_url_is_same(upstream, listener)) {
        return true;
    }
    if (!config_url_is_loopback(upstream) || listener->host == NULL ||
        strtoul(upstream->port, NULL, 10) != strtoul(listener->port, NULL, 10)) {
        return false;
    }
    return is_any(listener->host) ||
           ((is_localhost(upstream) || is_localhost(listener)) && config_url_is_loopback(listener));
}

/* NULL: it leads out of the bridge. */
static const struct config_listener *listener_behind(const struct config *config,
                                                     const struct config_upstream *upstream) {
    for (size_t i = 0; i < config->listeners_count; i++) {
        if (reaches(&upstream->url, &config->listeners[i].url)) {
            return &config->listeners[i];
        }
    }
    return NULL;
}

static int refuse(const struct config *config, const struct config_upstream *upstream,
                  const struct config_listener *listener, char *ret_error) {
    static const char why[] =
        "is this bridge's own listener %.80s, so that each connection would open another "
        "one, without end; the address of a Python Router or Service is expected";
    char what[300], path[80];
    snprintf(what, sizeof what, why, listener->url.text);
    snprintf(path, sizeof path, "upstreams.%.64s", upstream->name);
    if (config->source != NULL && config_has_path(config->source->text, path)) {
        return config_refuse_at(config->source, path, ret_error, "%.60s %s", upstream->url.text, what);
    }
    return config_refuse(ret_error, "--upstream %.80s: %s", upstream->url.text, what);
}

int config_check_circles(const struct config *config, char ret_error[CONFIG_ERROR_MAX]) {
    for (size_t start = 0; start < config->upstreams_count; start++) {
        size_t at = start;
        for (size_t steps = 0; steps < config->upstreams_count; steps++) {
            const struct config_listener *listener = listener_behind(config, &config->upstreams[at]);
            if (listener == NULL) {
                break;
            }
            at = listener->upstreams[0];
            if (at == start) {
                return refuse(config, &config->upstreams[start],
                              listener_behind(config, &config->upstreams[start]), ret_error);
            }
        }
    }
    return 0;
}
