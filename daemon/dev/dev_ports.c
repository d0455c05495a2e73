#include "dev/dev_ports.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "config/config_error.h"
#include "net/listener.h"

/* Whether one can listen there: 0, or -errno. */
static int try_address(const char *address, unsigned port) {
    struct listener_socket socket;
    char service[8];
    char ignored[CONFIG_ERROR_MAX];
    snprintf(service, sizeof service, "%u", port);
    int status = listener_open(address, service, NULL, &socket, ignored, sizeof ignored);
    if (status == 0) {
        listener_close(&socket);
    }
    return status;
}

/* `is_for_workers`: Python peers come in on the loopback, wherever pages do. */
static int try_port(const struct dev_host *host, bool is_for_workers, unsigned port) {
    static const char loopback[] = "127.0.0.1";
    int status = try_address(host->address, port);
    bool is_localhost = host->reach == DEV_HOST_ALL || strcmp(host->address, loopback) == 0;
    if (status == 0 && host->reach == DEV_HOST_LAN && is_for_workers) {
        status = try_address(loopback, port);
        is_localhost = true;
    }
    /* Who is there already is whom browsers would meet. All else there is no matter: it is not where we listen. */
    return status == 0 && is_localhost && try_address("::1", port) == -EADDRINUSE ? -EADDRINUSE : status;
}

static const char *describe(int obstacle) {
    return obstacle == -EACCES ? "is for this user (those below 1024 are root's)" : "is free";
}

/* That for https first: the one for http is another. */
static int choose_port(const struct dev_options *options, const struct dev_host *host, bool is_http,
                       struct dev_ports *ports, char *ret_error) {
    const char *option = is_http ? "--http-port" : "--port";
    const unsigned first = is_http ? options->http_port : options->https_port;
    int obstacle = 0;
    unsigned port = first;
    int status = 0;
    for (; first > 0 && port < first + DEV_PORTS_TRIED && port <= UINT16_MAX; port++) {
        status = is_http && port == ports->https ? -EADDRINUSE : try_port(host, is_http, port);
        if (status == 0 || (status != -EADDRINUSE && status != -EACCES)) {
            break;
        }
        if (options->strict_port) {
            return config_refuse(
                       ret_error,
                       "port %u of %.100s %s; another one is expected by %s, or --strict-port left out", port,
                       options->host, status == -EACCES ? "is not for this user" : "is taken", option),
                   status;
        }
        if (port == first) {
            obstacle = status;
        }
    }
    if (status == -EADDRNOTAVAIL || status == -EAFNOSUPPORT) {
        config_refuse(ret_error, "--host %.100s is no address of this machine", options->host);
    } else if (status == -EADDRINUSE || status == -EACCES) {
        config_refuse(ret_error, "no port of %.100s from %u to %u %s; one is expected by %s", options->host,
                      first, port - 1, describe(status), option);
    } else if (status < 0) {
        config_refuse(ret_error, "port %u of %.100s can't be listened on: %s", port, options->host,
                      strerror(-status));
    }
    *(is_http ? &ports->http : &ports->https) = port;
    *(is_http ? &ports->http_obstacle : &ports->https_obstacle) = obstacle;
    return status;
}

int dev_ports_choose(const struct dev_options *options, const struct dev_host *host,
                     struct dev_ports *ret_ports, char ret_error[CONFIG_ERROR_MAX]) {
    struct dev_ports ports = {0};
    int status = choose_port(options, host, false, &ports, ret_error);
    if (status == 0) {
        status = choose_port(options, host, true, &ports, ret_error);
    }
    if (status == 0) {
        *ret_ports = ports;
    }
    return status;
}
