/* The daemon's configuration: command line over file over defaults, read once, then never changed. A reload
 * makes a new one; it is shared by who lives by it, on all reactors, until the last lets go.   (docs/configuration.md) */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONFIG_LIST_MAX = 64, CONFIG_CERTIFICATES_MAX = 16, CONFIG_ERROR_MAX = 512, CONFIG_SECRETS_MAX = 8 };

enum config_scheme { CONFIG_HTTP, CONFIG_HTTPS, CONFIG_UNIX, CONFIG_TCP, CONFIG_TLS, CONFIG_ROUTER };
enum config_native { CONFIG_NATIVE_LOOPBACK, CONFIG_NATIVE_ALL, CONFIG_NATIVE_NONE };
enum config_log_level { CONFIG_LOG_ERROR, CONFIG_LOG_WARNING, CONFIG_LOG_INFO, CONFIG_LOG_DEBUG };
enum config_log_access { CONFIG_LOG_ACCESS_NONE, CONFIG_LOG_ACCESS_CONNECTIONS, CONFIG_LOG_ACCESS_CALLS };
enum config_log_format { CONFIG_LOG_TEXT, CONFIG_LOG_JSON };

struct config_url {
    enum config_scheme scheme;
    char *text; /* as written */
    char *host; /* without brackets; NULL for unix and router */
    char *port; /* decimal text */
    char *path; /* unix */
};

/* As decoders of a message's header. */
enum config_serde { CONFIG_RAW, CONFIG_JSON, CONFIG_PICKLE, CONFIG_MSGPACK, CONFIG_SERDES_END };

/* Names, and names with `*` for any run of characters: see config_patterns.h. */
struct config_patterns {
    bool is_given; /* an empty list that is given matches nothing; one that is not says nothing */
    char **names;  /* without a star, sorted */
    char **wild;
    size_t names_count, wild_count;
};

/* The serdes that calls of some functions are taken in. */
struct config_pin {
    char *function; /* a name, or a pattern */
    unsigned serdes;
};

/* What pages may do. Read by bridge/guard/policy.c alone, which says how several of them hold together; all zero: says nothing. */
struct config_policy {
    struct config_patterns allow_functions, deny_functions;
    struct config_patterns allow_receivers, deny_receivers;
    struct config_patterns visible;                 /* members */
    struct config_patterns expose;                  /* functions of pages */
    struct config_patterns allow_names, deny_names; /* of pages themselves */
    unsigned serdes;                                /* bits, 1 << enum config_serde; 0: not said */
    bool expose_shared;                             /* functions that others serve, too */
    struct config_pin *pins;
    size_t pins_count;
    size_t calls_per_second, calls_burst; /* 0: not said */
    size_t bytes_per_second, bytes_burst;
    size_t calls_in_flight;
};

enum config_network_family { CONFIG_NETWORK_V4, CONFIG_NETWORK_V6, CONFIG_NETWORK_UNIX };
struct config_network {
    enum config_network_family family;
    uint8_t bytes[16];
    unsigned bits; /* of `bytes` that count; the others are 0 */
};

/* How proxies say for whom they speak. */
enum config_proxy_header { CONFIG_PROXY_PROTOCOL, CONFIG_PROXY_FORWARDED_FOR };

struct config_certificate {
    char *cert, *key; /* PEM files */
};

struct config_listener {
    struct config_url url;
    unsigned mode;    /* of a Unix socket's file; 0: what the umask leaves */
    char *cert, *key; /* PEM files; NULL for http and unix */
    struct config_certificate certificates[CONFIG_CERTIFICATES_MAX]; /* further ones */
    size_t certificates_count;
    struct config_network proxies[CONFIG_LIST_MAX];
    size_t proxies_count;
    enum config_proxy_header proxy_header;
    char *client_ca; /* PEM file; NULL: clients need no certificate */
    bool client_name;
    enum config_native native;
    size_t upstreams[CONFIG_LIST_MAX]; /* places in config.upstreams; the first is the one of path "/" */
    size_t upstreams_count;
    struct config_policy policy;
};

struct config_upstream {
    char *name; /* "default" when none was given */
    struct config_url url;
    char *ca; /* tls: NULL means the system's */
    bool watch;
    struct config_policy policy;
};

struct config_limits {
    size_t message_bytes, nesting, batch_bytes, queue_high, queue_bytes, memory_bytes;
    size_t head_bytes, headers;
    size_t connections, connections_per_address, half_open, calls_in_flight;
    size_t upstream_connects, upstream_connects_per_address; /* a second; 0: see admission.c */
};

struct config_timeouts { /* ms */
    uint64_t tls, head, handshake, upstream_connect, slow_consumer, heartbeat, heartbeat_answer, drain,
        spread;
};

struct config_source; /* the file it was read from */

struct config {
    atomic_uint sharers; /* besides its first owner */
    struct config_listener listeners[CONFIG_LIST_MAX];
    size_t listeners_count;
    struct config_upstream upstreams[CONFIG_LIST_MAX];
    size_t upstreams_count;
    char *allow_origins[CONFIG_LIST_MAX];
    size_t allow_origins_count;
    char *hosts[CONFIG_LIST_MAX]; /* lower case, without port */
    size_t hosts_count;
    bool playground;
    bool development; /* `daffi-bridge dev`: it stays who started it */
    struct config_limits limits;
    struct config_timeouts timeouts;
    struct config_policy policy; /* of all listeners and upstreams */
    char *assets_dir;            /* NULL: our own client alone */
    char *secrets_file;          /* NULL: pages need no token */
    bool auth_is_empty;          /* the file has "auth", but no secrets in it */
    char *secrets[CONFIG_SECRETS_MAX];
    size_t secrets_count;
    enum config_log_level log_level;
    enum config_log_format log_format;
    enum config_log_access log_access;
    size_t log_access_per_second;
    struct config_url admin;      /* all NULL: there is no admin listener */
    unsigned admin_mode;          /* as a listener's */
    bool admin_public;            /* it may be reached from other machines */
    struct config_source *source; /* NULL: no file */
    bool listeners_are_given;     /* by the command line, in the file's place */
};

/* The defaults alone: no listener, no upstream. NULL without memory. */
struct config *config_new(void);
void config_free(struct config *config); /* NULL-safe; gone when nobody shares it any more */

/* One more who calls config_drop for it. Any thread. Returns `config`. */
const struct config *config_hold(const struct config *config);
void config_drop(const struct config *config); /* NULL-safe; as config_free */

void config_clear_listeners(struct config *config);
void config_clear_upstreams(struct config *config); /* listeners then name none */

/* Reads a JSON file into a new `config`; paths in it start at its folder. 0, or -errno with one line that names file, line, key,
 * what was found and what is expected (for an unknown key the nearest known one). */
int config_read_file(struct config *config, const char *path, char ret_error[CONFIG_ERROR_MAX]);

/* Checks what only the whole can tell (a listener there, https with cert and key, names of upstreams known, bounds
 * among limits) and fills in what follows from the rest. 0 or -EINVAL with one line. */
int config_finish(struct config *config, char ret_error[CONFIG_ERROR_MAX]);

/* Reads a listener's or an upstream's URL: of any scheme, with any port. 0 or -EINVAL. */
int config_url_parse(const char *text, struct config_url *ret_url, char ret_error[CONFIG_ERROR_MAX]);
void config_url_clear(struct config_url *url);

/* Whether both are one address, as they are written: a path, or a host and a port. Port 0 is never another's. */
bool config_url_is_same(const struct config_url *a, const struct config_url *b);

/* Whether its host is written as this machine itself: localhost, 127.…, ::1. False where it has none. */
bool config_url_is_loopback(const struct config_url *url);

/* Whether an upstream may be called so: 1 to 64 letters, digits, '-', '_', '.'; it is part of a URL's path. */
bool config_name_is_sound(const char *name);

#endif
