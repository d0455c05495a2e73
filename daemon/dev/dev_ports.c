#include "dev/dev_ports.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_error.h"
#include "net/listener_socket.h"

/* Whether one can listen there: the port, any for 0, or -errno. */
static int try_address(const char *address, unsigned port) {
    struct listener_socket socket;
    char service[12]; /* of any unsigned */
    char ignored[CONFIG_ERROR_MAX];
    snprintf(service, sizeof service, "%u", port);
    int status = listener_socket_open(address, service, NULL, 0, &socket, ignored, sizeof ignored);
    if (status == 0) {
        status = (int)strtol(strrchr(socket.address, ':') + 1, NULL, 10);
        listener_socket_close(&socket);
    }
    return status;
}

/* On each address that is listened on. */
static int try_port(const struct dev_host *host, bool is_http, unsigned port) {
    const char *addresses[DEV_HOST_ADDRESSES_MAX];
    const size_t count = dev_host_addresses(host, is_http, addresses);
    int status = (int)port;
    for (size_t i = 0; i < count && status >= 0; i++) {
        status = try_address(addresses[i], (unsigned)status);
    }
    return status;
}

static const char *describe(int obstacle) {
    return obstacle == -EACCES ? "is for this user (those below 1024 are root's)" : "is free";
}

/* That for https first: the one for http is another. */
static int choose_port(const struct dev_options *options, const struct dev_host *host, bool is_http,
                       struct dev_ports *ports, char *ret_error) {
    const char *option = is_http ? "--http-port" : "--port";
    const unsigned first = is_http ? options->http_port : options->https_port;
    const bool is_any = first == 0; /* the system's choice: another one each time */
    int obstacle = 0;
    unsigned port = first;
    int status = 0;
    for (unsigned i = 0; i < DEV_PORTS_TRIED && port <= UINT16_MAX; i++, port += is_any ? 0 : 1) {
        status = try_port(host, is_http, port);
        if (is_http && status == (int)ports->https) {
            status = -EADDRINUSE;
        }
        if (status >= 0 || (status != -EADDRINUSE && status != -EACCES)) {
            break;
        }
        if (options->strict_port && !is_any) {
            return config_refuse(
                       ret_error,
                       "port %u of %.100s %s; another one is expected by %s, or --strict-port left out", port,
                       options->host, status == -EACCES ? "is not for this user" : "is taken", option),
                   status;
        }
        if (port == first && !is_any) {
            obstacle = status;
        }
    }
    if (status == -EADDRNOTAVAIL || status == -EAFNOSUPPORT) {
        config_refuse(ret_error, "--host %.100s is no address of this machine", options->host);
    } else if (status == -EADDRINUSE || status == -EACCES) {
        config_refuse(ret_error, "no port of %.100s from %u to %u %s; one is expected by %s", options->host,
                      first, is_any ? UINT16_MAX : port - 1, describe(status), option);
    } else if (status < 0) {
        config_refuse(ret_error, "port %u of %.100s can't be listened on: %s", port, options->host,
                      strerror(-status));
    }
    if (status < 0) {
        return status;
    }
    *(is_http ? &ports->http : &ports->https) = (unsigned)status;
    *(is_http ? &ports->http_obstacle : &ports->https_obstacle) = obstacle;
    return 0;
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
