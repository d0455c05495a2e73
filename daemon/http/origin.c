#include "http/origin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <strings.h>

enum {
    PORT_NONE = -1, /* not given, and the scheme has none of its own */
    PORT_ANY = -2,  /* `*`, in the list alone */
};

/* A host and its port, taken apart. */
struct authority {
    char host[ORIGIN_HOST_MAX + 1]; /* lower case; IPv6 without brackets */
    bool is_address;                /* IPv6 */
    int port;
};

struct origin {
    struct daffi_span scheme;
    struct authority authority;
};

static bool is_name_byte(uint8_t c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
}

static bool copy_host(struct daffi_span name, bool is_address, char out[ORIGIN_HOST_MAX + 1]) {
    if (name.length == 0 || name.length > ORIGIN_HOST_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.length; i++) {
        uint8_t c = name.data[i];
        if (!is_address && !is_name_byte(c)) {
            return false;
        }
        out[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    out[name.length] = '\0';
    struct in6_addr address;
    return !is_address || inet_pton(AF_INET6, out, &address) == 1;
}

/* 1 to 65535 in decimal, without a zero before it. */
static bool read_port(struct daffi_span text, bool any_taken, int *ret_port) {
    if (any_taken && daffi_span_equal(text, daffi_span_text("*"))) {
        *ret_port = PORT_ANY;
        return true;
    }
    if (text.length == 0 || text.length > 5 || text.data[0] == '0') {
        return false;
    }
    int port = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        port = port * 10 + (text.data[i] - '0');
    }
    *ret_port = port;
    return port <= UINT16_MAX;
}

/* HOST, HOST:PORT, [IPv6], [IPv6]:PORT; nothing else, no user, no path. */
static bool read_authority(struct daffi_span text, bool any_taken, struct authority *ret_authority) {
    ret_authority->port = PORT_NONE;
    ret_authority->is_address = text.length > 0 && text.data[0] == '[';
    const uint8_t *end =
        text.length > 0 ? memchr(text.data, ret_authority->is_address ? ']' : ':', text.length) : NULL;
    size_t length = end != NULL ? (size_t)(end - text.data) : text.length;
    struct daffi_span name = daffi_span_of(text.data, length);
    struct daffi_span rest = daffi_span_of(text.data + length, text.length - length);
    if (ret_authority->is_address) {
        if (end == NULL) {
            return false;
        }
        name = daffi_span_of(name.data + 1, name.length - 1);
        rest = daffi_span_of(rest.data + 1, rest.length - 1);
    }
    if (!copy_host(name, ret_authority->is_address, ret_authority->host)) {
        return false;
    }
    if (rest.length == 0) {
        return true;
    }
    return rest.data[0] == ':' &&
           read_port(daffi_span_of(rest.data + 1, rest.length - 1), any_taken, &ret_authority->port);
}

static bool is_scheme(struct daffi_span scheme, const char *other) {
    return scheme.length == strlen(other) &&
           strncasecmp((const char *)scheme.data, other, scheme.length) == 0;
}

static int default_port(struct daffi_span scheme) {
    return is_scheme(scheme, "https") ? 443 : is_scheme(scheme, "http") ? 80 : PORT_NONE;
}

/* SCHEME://AUTHORITY and nothing behind it. */
static bool read_origin(struct daffi_span text, bool any_taken, struct origin *ret_origin) {
    size_t length = 0;
    while (length < text.length && (is_name_byte(text.data[length]) || text.data[length] == '+')) {
        length++;
    }
    if (length == 0 || text.length - length < 3 || memcmp(text.data + length, "://", 3) != 0) {
        return false;
    }
    ret_origin->scheme = daffi_span_of(text.data, length);
    if (!read_authority(daffi_span_of(text.data + length + 3, text.length - length - 3), any_taken,
                        &ret_origin->authority)) {
        return false;
    }
    if (ret_origin->authority.port == PORT_NONE) {
        ret_origin->authority.port = default_port(ret_origin->scheme);
    }
    return true;
}

/* `localhost` and what is below it, 127.0.0.0/8, ::1. */
static bool is_loopback(const struct authority *authority) {
    const char *host = authority->host;
    size_t length = strlen(host);
    if (authority->is_address) {
        struct in6_addr address;
        return inet_pton(AF_INET6, host, &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address);
    }
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) == 1) {
        return ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    static const char below[] = ".localhost";
    return strcmp(host, "localhost") == 0 ||
           (length > sizeof below - 1 && strcmp(host + length - (sizeof below - 1), below) == 0);
}

static bool is_own(const struct origin_rule *rule, const struct authority *authority) {
    if (is_loopback(authority)) {
        return true;
    }
    for (size_t i = 0; i < rule->hosts_count; i++) {
        const char *own = rule->hosts[i];
        size_t length = strlen(own);
        bool bracketed = length > 2 && own[0] == '[' && own[length - 1] == ']';
        struct daffi_span name = daffi_span_of(own + bracketed, length - (bracketed ? 2 : 0));
        if (name.length == strlen(authority->host) &&
            strncasecmp((const char *)name.data, authority->host, name.length) == 0) {
            return true;
        }
    }
    return rule->is_certificate_name != NULL && rule->is_certificate_name(rule->owner, authority->host);
}

bool origin_host_is_own(const struct origin_rule *rule, struct daffi_span host) {
    struct authority authority;
    return host.data != NULL && read_authority(host, false, &authority) && is_own(rule, &authority);
}

static bool has_port(const struct origin_rule *rule, int port) {
    for (size_t i = 0; i < rule->ports_count; i++) {
        if (rule->ports[i] == port) {
            return true;
        }
    }
    return false;
}

static bool is_own_page(const struct origin_rule *rule, const struct origin *origin, struct daffi_span host) {
    bool https = is_scheme(origin->scheme, "https");
    struct authority dialled;
    if ((!https && !is_scheme(origin->scheme, "http")) || host.data == NULL ||
        !read_authority(host, false, &dialled) || !is_own(rule, &dialled) ||
        !is_own(rule, &origin->authority)) {
        return false;
    }
    int port = dialled.port != PORT_NONE ? dialled.port : default_port(origin->scheme);
    bool is_of_listener = origin->authority.port == port && (https || !rule->secure);
    return is_of_listener || has_port(rule, origin->authority.port);
}

static bool is_listed(const struct origin *origin, const char *form) {
    struct origin listed;
    if (!read_origin(daffi_span_text(form), true, &listed)) {
        return false;
    }
    return listed.scheme.length == origin->scheme.length &&
           strncasecmp((const char *)listed.scheme.data, (const char *)origin->scheme.data,
                       listed.scheme.length) == 0 &&
           strcmp(listed.authority.host, origin->authority.host) == 0 &&
           (listed.authority.port == PORT_ANY || listed.authority.port == origin->authority.port);
}

bool origin_is_allowed(const struct origin_rule *rule, struct daffi_span origin, struct daffi_span host) {
    if (origin.data == NULL) {
        return true;
    }
    struct origin parsed = {.scheme = {0}};
    bool is_null = daffi_span_equal(origin, daffi_span_text("null"));
    bool is_read = !is_null && read_origin(origin, false, &parsed);
    if (!is_null && !is_read) {
        return false; /* not even `*` lets pass what is no origin */
    }
    for (size_t i = 0; i < rule->allowed_count; i++) {
        const char *form = rule->allowed[i];
        if (strcmp(form, "*") == 0 || (is_null && strcmp(form, "null") == 0) ||
            (is_read && is_listed(&parsed, form))) {
            return true;
        }
    }
    return is_read && is_own_page(rule, &parsed, host);
}

int origin_form_check(const char *text, const char **ret_reason) {
    struct origin origin;
    if (strcmp(text, "*") == 0 || strcmp(text, "null") == 0) {
        return 0;
    }
    if (!read_origin(daffi_span_text(text), true, &origin)) {
        *ret_reason =
            "no origin: SCHEME://HOST[:PORT] without a path, the port may be `*`; or `null`, or `*`";
        return -EINVAL;
    }
    return 0;
}
