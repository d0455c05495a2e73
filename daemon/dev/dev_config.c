#include "dev/dev_config.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/config_error.h"
#include "config/config_patterns.h"

enum { PORTS_TRIED = 100, DRAIN_MS = 1000 /* Ctrl-C: who is still there is the developer's own browser */ };

/* Whether one could listen there: 0, or -errno. */
static int try_port(const char *host, unsigned port) {
    const struct addrinfo hints = {.ai_flags = AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[8];
    const int on = 1;
    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &found) != 0) {
        return -EADDRNOTAVAIL;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int status = fd < 0 ? -errno : 0;
    if (status == 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        status = bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, 1) < 0 ? -errno : 0;
        close(fd);
    }
    freeaddrinfo(found);
    return status;
}

static int choose_port(const struct dev_options *options, const char *option, unsigned first, unsigned other,
                       unsigned *ret_port, char *ret_error) {
    int status = 0;
    for (unsigned port = first; port > 0 && port < first + PORTS_TRIED && port <= 65535; port++) {
        status = port == other ? -EADDRINUSE : try_port(options->host, port);
        if (status == 0 || (status != -EADDRINUSE && status != -EACCES)) {
            *ret_port = port;
            break;
        }
        if (options->strict_port) {
            return config_refuse(
                       ret_error,
                       "port %u of %.100s %s; another one is expected by %s, or --strict-port left out", port,
                       options->host, status == -EACCES ? "is not for this user" : "is taken", option),
                   status;
        }
    }
    if (first == 0) {
        *ret_port = 0;
    }
    if (status == -EADDRNOTAVAIL || status == -EAFNOSUPPORT) {
        config_refuse(ret_error, "--host %.100s is no address of this machine", options->host);
    } else if (status < 0) {
        config_refuse(ret_error, "no port of %.100s from %u on is free (%s); one is expected by %s",
                      options->host, first, strerror(-status), option);
    }
    return status;
}

int dev_ports_choose(const struct dev_options *options, struct dev_ports *ret_ports,
                     char ret_error[CONFIG_ERROR_MAX]) {
    struct dev_ports ports = {0};
    int status = choose_port(options, "--port", options->https_port, 0, &ports.https, ret_error);
    if (status == 0) {
        status = choose_port(options, "--http-port", options->http_port, ports.https, &ports.http, ret_error);
    }
    if (status < 0) {
        return status;
    }
    ports.https_moved = ports.https != options->https_port;
    ports.http_moved = ports.http != options->http_port;
    *ret_ports = ports;
    return 0;
}

static int add_listener(struct config *config, const char *scheme, const char *host, unsigned port,
                        char *ret_error) {
    char url[320];
    bool is_wide = strchr(host, ':') != NULL;
    snprintf(url, sizeof url, "%s://%s%.255s%s:%u", scheme, is_wide ? "[" : "", host, is_wide ? "]" : "",
             port);
    int status = config_url_parse(url, &config->listeners[config->listeners_count].url, ret_error);
    config->listeners_count += status == 0;
    return status;
}

static int add_hosts(struct config *config, const struct dev_names *names) {
    for (size_t i = 0; i < names->count && config->hosts_count < CONFIG_LIST_MAX; i++) {
        char *host = strdup(names->list[i]);
        if (host == NULL) {
            return -ENOMEM;
        }
        config->hosts[config->hosts_count++] = host;
    }
    return 0;
}

static int fill(struct config *config, const struct dev_options *options, const struct dev_names *names,
                const char *cert, const char *key) {
    config->listeners[0].cert = strdup(cert);
    config->listeners[0].key = strdup(key);
    config->playground = true;
    config->development = true;
    config->policy.expose_shared = true;
    config->log_level = options->log_level;
    config->log_access = options->quiet ? CONFIG_LOG_ACCESS_NONE : CONFIG_LOG_ACCESS_CALLS;
    config->timeouts.drain = DRAIN_MS;
    config->limits.connections_per_address = config->limits.connections; /* all of them are the developer's */
    if (config->listeners[0].cert == NULL || config->listeners[0].key == NULL ||
        config_patterns_add(&config->policy.expose, "*") < 0) {
        return -ENOMEM;
    }
    return add_hosts(config, names);
}

int dev_config_new(const struct dev_options *options, const struct dev_ports *ports,
                   const struct dev_names *names, const char *cert, const char *key,
                   struct config **ret_config, char ret_error[CONFIG_ERROR_MAX]) {
    struct config *config = config_new();
    int status =
        config == NULL ? -ENOMEM : add_listener(config, "https", options->host, ports->https, ret_error);
    if (status == 0) {
        status = add_listener(config, "http", options->host, ports->http, ret_error);
    }
    if (status == 0) {
        status = fill(config, options, names, cert, key);
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
