/* A listener's or an upstream's URL: https://HOST:PORT, http://…, tcp://…, tls://…, unix:/PATH, router: */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "config/config_error.h"

enum { HOST_MAX = 253, NAME_MAX_HERE = 64 };

static const struct {
    const char *prefix;
    enum config_scheme scheme;
} schemes[] = {
    {"https://", CONFIG_HTTPS}, {"http://", CONFIG_HTTP}, {"tcp://", CONFIG_TCP},
    {"tls://", CONFIG_TLS},     {"unix:", CONFIG_UNIX},   {"router:", CONFIG_ROUTER},
};

/* What people write, and what they mean. */
static const struct {
    const char *prefix, *hint;
} hints[] = {
    {"wss://", "wss:// is what pages connect to; as a listener it is https://, as an upstream tls://"},
    {"ws://", "ws:// is what pages connect to; as a listener it is http://, as an upstream tcp://"},
    {"/", "a Unix socket's path has unix: before it"},
};

static int refuse(char *ret_error, const char *text, const char *what) {
    return config_refuse(ret_error, "\"%.200s\": %s", text, what);
}

static bool port_is_sound(const char *port) {
    size_t length = strlen(port);
    return length > 0 && length <= 5 && strspn(port, "0123456789") == length &&
           strtoul(port, NULL, 10) <= UINT16_MAX;
}

/* An IPv6 address, with the zone of a link-local one behind `%`. */
static bool is_ipv6(const char *host) {
    char address[INET6_ADDRSTRLEN];
    struct in6_addr parsed;
    size_t length = strcspn(host, "%");
    if (length >= sizeof address) {
        return false;
    }
    for (const char *c = host + length; *c != '\0'; c++) {
        if (*c != '%' && !isalnum((unsigned char)*c) && *c != '-' && *c != '.' && *c != '_') {
            return false;
        }
    }
    memcpy(address, host, length);
    address[length] = '\0';
    return inet_pton(AF_INET6, address, &parsed) == 1;
}

/* A name, or an IPv4 address: what has digits and dots alone must be one, as a resolver would guess. */
static bool is_name(const char *host) {
    struct in_addr parsed;
    size_t length = strlen(host);
    if (length == 0 || length > HOST_MAX) {
        return false;
    }
    if (strspn(host, "0123456789.") == length) {
        return inet_pton(AF_INET, host, &parsed) == 1;
    }
    for (const char *c = host; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '.' && *c != '_') {
            return false;
        }
    }
    return true;
}

/* HOST:PORT, with at most a "/" behind it. */
static int parse_address(const char *text, const char *rest, struct config_url *url, char *ret_error) {
    size_t length = strcspn(rest, "/?#");
    if (rest[length] != '\0' && strcmp(rest + length, "/") != 0) {
        return refuse(ret_error, text, "a path can't be given here; SCHEME://HOST:PORT is expected");
    }
    if (memchr(rest, '@', length) != NULL) {
        return refuse(ret_error, text, "no user can be given here; SCHEME://HOST:PORT is expected");
    }
    bool bracketed = rest[0] == '[';
    const char *host = rest + bracketed;
    const char *end = memchr(host, bracketed ? ']' : ':', length - bracketed);
    if (end == NULL || (bracketed && end[1] != ':')) {
        return refuse(ret_error, text,
                      "the port is missing; HOST:PORT is expected, an IPv6 address in brackets");
    }
    const char *port = end + 1 + bracketed;
    url->host = strndup(host, (size_t)(end - host));
    url->port = strndup(port, length - (size_t)(port - rest));
    if (url->host == NULL || url->port == NULL) {
        return refuse(ret_error, text, "out of memory");
    }
    if (strcmp(url->host, "*") == 0 || url->host[0] == '\0') {
        return refuse(ret_error, text, "the host is missing; all addresses are 0.0.0.0 or [::]");
    }
    if (bracketed ? !is_ipv6(url->host) : !is_name(url->host)) {
        return refuse(ret_error, text,
                      "no host; a name, an IPv4 address or an IPv6 address in brackets is expected");
    }
    return port_is_sound(url->port)
               ? 0
               : refuse(ret_error, text, "no port; a number from 0 to 65535 is expected");
}

static int parse_path(const char *text, const char *rest, struct config_url *url, char *ret_error) {
    if (strncmp(rest, "//", 2) == 0) {
        rest += 2;
    }
    if (rest[0] != '/' || rest[1] == '\0') {
        return refuse(ret_error, text, "no path; an absolute one is expected, as in unix:/run/daffi.sock");
    }
    if (strlen(rest) >= sizeof((struct sockaddr_un *)NULL)->sun_path) {
        return refuse(ret_error, text,
                      "the path is too long for a Unix socket; at most 107 bytes are accepted");
    }
    url->path = strdup(rest);
    return url->path != NULL ? 0 : refuse(ret_error, text, "out of memory");
}

static int parse_rest(const char *text, const char *rest, struct config_url *url, char *ret_error) {
    url->text = strdup(text);
    if (url->text == NULL) {
        return refuse(ret_error, text, "out of memory");
    }
    switch (url->scheme) {
    case CONFIG_ROUTER:
        return rest[0] == '\0' ? 0 : refuse(ret_error, text, "nothing is expected behind router:");
    case CONFIG_UNIX:
        return parse_path(text, rest, url, ret_error);
    default:
        return parse_address(text, rest, url, ret_error);
    }
}

int config_url_parse(const char *text, struct config_url *ret_url, char ret_error[CONFIG_ERROR_MAX]) {
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t length = strlen(schemes[i].prefix);
        if (strncasecmp(text, schemes[i].prefix, length) != 0) {
            continue;
        }
        struct config_url url = {.scheme = schemes[i].scheme};
        int result = parse_rest(text, text + length, &url, ret_error);
        if (result < 0) {
            config_url_clear(&url);
            return result;
        }
        *ret_url = url;
        return 0;
    }
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        if (strncasecmp(text, hints[i].prefix, strlen(hints[i].prefix)) == 0) {
            return refuse(ret_error, text, hints[i].hint);
        }
    }
    return refuse(ret_error, text,
                  "no address; https://, http://, tcp://, tls:// or unix:/ is expected before it");
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
    return length > 0 && length <= NAME_MAX_HERE;
}

bool config_url_is_same(const struct config_url *a, const struct config_url *b) {
    if (a->path != NULL || b->path != NULL) {
        return a->path != NULL && b->path != NULL && strcmp(a->path, b->path) == 0;
    }
    if (a->host == NULL || b->host == NULL || strcmp(a->host, b->host) != 0) {
        return false;
    }
    const unsigned long port = strtoul(a->port, NULL, 10);
    return port != 0 && port == strtoul(b->port, NULL, 10);
}

bool config_url_is_loopback(const struct config_url *url) {
    const char *host = url->host;
    return host != NULL &&
           (strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 || strncmp(host, "127.", 4) == 0);
}
