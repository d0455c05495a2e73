/* A listener's or an upstream's URL: https://HOST:PORT, http://…, tcp://…, tls://…, unix:/PATH, router: */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "config/config.h"

static const struct {
    const char *prefix;
    enum config_scheme scheme;
} schemes[] = {
    {"https://", CONFIG_HTTPS}, {"http://", CONFIG_HTTP}, {"tcp://", CONFIG_TCP},
    {"tls://", CONFIG_TLS},     {"unix:", CONFIG_UNIX},   {"router:", CONFIG_ROUTER},
};

static int refuse(char *ret_error, const char *text, const char *what) {
    snprintf(ret_error, CONFIG_ERROR_MAX, "\"%.200s\": %s", text, what);
    return -EINVAL;
}

static bool port_is_sound(const char *port) {
    size_t length = strlen(port);
    if (length == 0 || length > 5 || strspn(port, "0123456789") != length) {
        return false;
    }
    return strtoul(port, NULL, 10) <= 65535;
}

static bool host_is_sound(const char *host, size_t length, bool bracketed) {
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)host[i];
        bool fits = bracketed ? isxdigit(c) || c == ':' || c == '.' || c == '%'
                              : isalnum(c) || c == '-' || c == '.' || c == '_' || c == '*';
        if (!fits) {
            return false;
        }
    }
    return length > 0 && length <= 253;
}

/* HOST:PORT, with at most a "/" behind it. */
static int parse_address(const char *text, const char *rest, struct config_url *url, char *ret_error) {
    bool bracketed = rest[0] == '[';
    const char *host = bracketed ? rest + 1 : rest;
    const char *host_end = strchr(host, bracketed ? ']' : ':');
    if (host_end == NULL || (bracketed && host_end[1] != ':')) {
        return refuse(ret_error, text,
                      "a port is missing; HOST:PORT is expected, an IPv6 address in brackets");
    }
    if (!host_is_sound(host, (size_t)(host_end - host), bracketed)) {
        return refuse(
            ret_error, text,
            "no host name or address; a name, an IPv4 address or an IPv6 address in brackets is expected");
    }
    const char *port = host_end + (bracketed ? 2 : 1);
    size_t port_length = strcspn(port, "/");
    if (port[port_length] == '/' && port[port_length + 1] != '\0') {
        return refuse(ret_error, text, "a path can't be given here; SCHEME://HOST:PORT is expected");
    }
    url->host = strndup(host, (size_t)(host_end - host));
    url->port = strndup(port, port_length);
    if (url->host == NULL || url->port == NULL) {
        return refuse(ret_error, text, "out of memory");
    }
    return port_is_sound(url->port)
               ? 0
               : refuse(ret_error, text, "no port; a number from 0 to 65535 is expected");
}

static int parse_path(const char *text, const char *rest, struct config_url *url, char *ret_error) {
    if (strncmp(rest, "//", 2) == 0) {
        rest += 2;
    }
    if (rest[0] != '/') {
        return refuse(ret_error, text, "a socket's path is absolute: unix:/PATH");
    }
    if (strlen(rest) >= sizeof((struct sockaddr_un *)NULL)->sun_path) {
        return refuse(ret_error, text,
                      "the path is too long for a Unix socket; at most 107 bytes are accepted");
    }
    url->path = strdup(rest);
    return url->path != NULL ? 0 : refuse(ret_error, text, "out of memory");
}

int config_url_parse(const char *text, struct config_url *ret_url, char ret_error[CONFIG_ERROR_MAX]) {
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t length = strlen(schemes[i].prefix);
        if (strncmp(text, schemes[i].prefix, length) != 0) {
            continue;
        }
        struct config_url url = {.scheme = schemes[i].scheme, .text = strdup(text)};
        int result = 0;
        if (url.text == NULL) {
            result = refuse(ret_error, text, "out of memory");
        } else if (url.scheme == CONFIG_ROUTER) {
            result = text[length] == '\0' ? 0 : refuse(ret_error, text, "nothing is expected behind router:");
        } else if (url.scheme == CONFIG_UNIX) {
            result = parse_path(text, text + length, &url, ret_error);
        } else {
            result = parse_address(text, text + length, &url, ret_error);
        }
        if (result < 0) {
            config_url_clear(&url);
            return result;
        }
        *ret_url = url;
        return 0;
    }
    return refuse(
        ret_error, text,
        "unknown kind of address; https://, http://, tcp://, tls://, unix:/ or router: is expected");
}

void config_url_clear(struct config_url *url) {
    free(url->text);
    free(url->host);
    free(url->port);
    free(url->path);
    *url = (struct config_url){0};
}

bool config_name_is_sound(const char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)name[i];
        if (!isalnum(c) && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return length > 0 && length <= 64;
}
