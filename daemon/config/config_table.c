#include "config/config_table.h"

#include <stdio.h>
#include <string.h>

static const char *const level_words[] = {"error", "warning", "info", "debug", NULL};
static const char *const format_words[] = {"text", "json", NULL};
static const char *const access_words[] = {"none", "connections", "calls", NULL};
static const char *const native_words[] = {"loopback", "all", "none", NULL};
static const char *const proxy_words[] = {"proxy", "x-forwarded-for", NULL};
static const char *const serde_words[] = {
    [CONFIG_RAW] = "raw",         [CONFIG_JSON] = "json",     [CONFIG_PICKLE] = "pickle",
    [CONFIG_MSGPACK] = "msgpack", [CONFIG_SERDES_END] = NULL,
};

#define LISTEN_SCHEMES   (1U << CONFIG_HTTPS | 1U << CONFIG_HTTP | 1U << CONFIG_UNIX)
#define ADMIN_SCHEMES    (1U << CONFIG_HTTP | 1U << CONFIG_UNIX)
#define UPSTREAM_SCHEMES (1U << CONFIG_TCP | 1U << CONFIG_TLS | 1U << CONFIG_UNIX | 1U << CONFIG_ROUTER)

/* clang-format off */
#define LISTENER(key) offsetof(struct config_listener, key)
#define UPSTREAM(key) offsetof(struct config_upstream, key)
#define CERTIFICATE(key) offsetof(struct config_certificate, key)
#define CONFIG(key)   offsetof(struct config, key)
#define POLICY(key)   offsetof(struct config_policy, key)
#define PATTERNS(key, text) { "policy", #key, CONFIG_PATTERNS, 0, POLICY(key), 0, 0, 0, 0, NULL, text }
#define AT_MOST(key, high, text) { "policy", #key, CONFIG_SIZE, 0, POLICY(key), 0, 1, high, 0, NULL, text }
#define LIMIT(key, low, high, usual, text)                                                                   \
    { "limits", #key, CONFIG_SIZE, 0, CONFIG(limits.key), 0, low, high, usual, NULL, text }
#define TIMEOUT(key, low, high, usual, text)                                                                 \
    { "timeouts_ms", #key, CONFIG_MS, 0, CONFIG(timeouts.key), 0, low, high, usual, NULL, text }

/* Upstreams before listeners, which name them: the parser goes by this order. */
const struct config_row config_table[] = {
    {CONFIG_TOP, "upstreams", CONFIG_UPSTREAMS, 0, CONFIG(upstreams), CONFIG(upstreams_count), 0, 0, 0, NULL,
     "the Python Routers and Services to pass messages on to, by name; a page says which by the path of its WebSocket URL"},
    {CONFIG_TOP, "listen", CONFIG_LISTENERS, 0, CONFIG(listeners), CONFIG(listeners_count), 0, 0, 0, NULL,
     "where pages and Python peers are accepted"},
    {CONFIG_TOP, "allow_origins", CONFIG_ORIGINS, 0, CONFIG(allow_origins), CONFIG(allow_origins_count), 0, 0, 0, NULL,
     "origins whose pages may connect, besides the bridge's own: https://www.example.org, http://127.0.0.1:* (any port), null (pages from disk), * (all)"},
    {CONFIG_TOP, "hosts", CONFIG_HOSTS, 0, CONFIG(hosts), CONFIG(hosts_count), 0, 0, 0, NULL,
     "names that are the bridge's own, besides those in its certificates and the loopback's"},
    {CONFIG_TOP, "playground", CONFIG_BOOL, 0, CONFIG(playground), 0, 0, 1, 0, NULL,
     "serve the playground and the examples under /_bridge/; it shows what workers offer"},

    {CONFIG_TOP, "policy", CONFIG_POLICY, 0, CONFIG(policy), 0, 0, 0, 0, NULL,
     "what pages may do, on all listeners and upstreams"},

    {"listen", "url", CONFIG_URL, LISTEN_SCHEMES, LISTENER(url), 0, 0, 0, 0, NULL,
     "https://HOST:PORT, http://HOST:PORT or unix:/PATH; an IPv6 address in brackets, port 0 takes a free one"},
    {"listen", "mode", CONFIG_MODE, 0, LISTENER(mode), 0, 0600, 0777, 0, NULL,
     "who may connect to a unix: listener, by the mode of its file: \"0660\" lets the service's group, \"0666\" everybody on this machine; what the umask leaves when left out"},
    {"listen", "cert", CONFIG_FILE, 0, LISTENER(cert), 0, 0, 0, 0, NULL,
     "the certificate of an https:// listener: PEM, chain included"},
    {"listen", "key", CONFIG_FILE, 0, LISTENER(key), 0, 0, 0, 0, NULL, "the certificate's private key: PEM"},
    {"listen", "certificates", CONFIG_CERTIFICATES, 0, LISTENER(certificates), LISTENER(certificates_count), 0, 0, 0, NULL,
     "further certificates: a client that asks for a name of one of them is shown that one, all others that of cert"},
    {"listen", "client_ca", CONFIG_FILE, 0, LISTENER(client_ca), 0, 0, 0, 0, NULL,
     "certificates of CAs: PEM; whoever connects has to show a certificate that one of them has signed"},
    {"listen", "client_name", CONFIG_BOOL, 0, LISTENER(client_name), 0, 0, 1, 0, NULL,
     "pages and Python peers have to be called as the common name of that certificate says"},
    {"listen", "native", CONFIG_CHOICE, 0, LISTENER(native), 0, 0, 2, CONFIG_NATIVE_LOOPBACK, native_words,
     "whether Python peers are taken: on loopback addresses and Unix sockets only, on all, on none; their messages may hold PICKLE"},
    {"listen", "proxies", CONFIG_NETWORKS, 0, LISTENER(proxies), LISTENER(proxies_count), 0, 0, 0, NULL,
     "addresses of proxies before it, that say for whom they connect: 192.0.2.1, 10.0.0.0/8, unix (its Unix socket); who comes from elsewhere is not believed"},
    {"listen", "proxy_header", CONFIG_CHOICE, 0, LISTENER(proxy_header), 0, 0, 1, CONFIG_PROXY_PROTOCOL, proxy_words,
     "how they say it: by the PROXY protocol, version 1 or 2, which their connections then have to begin with; or by X-Forwarded-For in each request"},
    {"listen", "upstreams", CONFIG_NAMES, 0, LISTENER(upstreams), LISTENER(upstreams_count), 0, 0, 0, NULL,
     "names of the upstreams that can be reached through it, the first is the one of the path /; all when left out"},
    {"listen", "policy", CONFIG_POLICY, 0, LISTENER(policy), 0, 0, 0, 0, NULL,
     "what pages may do that come through it; the other policies hold as well"},

    {"certificates", "cert", CONFIG_FILE, 0, CERTIFICATE(cert), 0, 0, 0, 0, NULL, "PEM, chain included"},
    {"certificates", "key", CONFIG_FILE, 0, CERTIFICATE(key), 0, 0, 0, 0, NULL, "its private key: PEM"},

    {"upstreams", "url", CONFIG_URL, UPSTREAM_SCHEMES, UPSTREAM(url), 0, 0, 0, 0, NULL,
     "tcp://HOST:PORT, tls://HOST:PORT or unix:/PATH of a Python Router or Service; router: for the router inside"},
    {"upstreams", "ca", CONFIG_FILE, 0, UPSTREAM(ca), 0, 0, 0, 0, NULL,
     "certificates that a tls:// upstream is checked against: PEM; the system's when left out"},
    {"upstreams", "watch", CONFIG_BOOL, 0, UPSTREAM(watch), 0, 0, 1, 1, NULL,
     "keep a connection of the bridge's own to it, which tells whether it is there and, at a Router, who is: so pages get no name and expose no function of a member"},
    {"upstreams", "policy", CONFIG_POLICY, 0, UPSTREAM(policy), 0, 0, 0, 0, NULL,
     "what pages may do at it; the other policies hold as well"},

    PATTERNS(allow_functions, "functions that pages may call; all when left out"),
    PATTERNS(deny_functions, "functions that they may not call, though allowed"),
    PATTERNS(allow_receivers, "members that pages may call; all when left out"),
    PATTERNS(deny_receivers, "members that they may not call, though allowed"),
    PATTERNS(visible, "members that pages see and reach: for them there are no others; all when left out"),
    PATTERNS(expose, "functions that pages may expose to be called by others; none when left out"),
    {"policy", "expose_shared", CONFIG_BOOL, 0, POLICY(expose_shared), 0, 0, 1, 0, NULL,
     "pages may expose what another member serves: calls of any member then reach them in turn; pages that all expose the same need it, too"},
    PATTERNS(allow_names, "names that pages may have, such as web-*: the sure way to keep those of workers from them; all when left out"),
    PATTERNS(deny_names, "names that they may not have, though allowed; daffi-bridge* is never theirs"),
    {"policy", "serdes", CONFIG_SERDES, 0, POLICY(serdes), 0, 0, 0, 0, serde_words,
     "serdes that pages may call in; \"pickle\" lets them run any code in the workers; raw, json and msgpack when left out"},
    {"policy", "function_serdes", CONFIG_PINS, 0, POLICY(pins), POLICY(pins_count), 0, 0, 0, serde_words,
     "the serdes of some functions, by name: {\"thumbnail\": [\"raw\", \"msgpack\"]}; a function that returns bytes stops its worker when it is called in json"},
    AT_MOST(calls_per_second, 1000000, "calls of one page, on average; not limited when left out"),
    AT_MOST(calls_burst, 1000000, "calls at once that calls_per_second leaves room for; calls_per_second when left out"),
    AT_MOST(bytes_per_second, 1073741824, "bytes of the messages of one page, on average; not limited when left out"),
    AT_MOST(bytes_burst, 1073741824, "bytes at once that bytes_per_second leaves room for; bytes_per_second when left out"),
    AT_MOST(calls_in_flight, 65535, "calls of one page that wait for their answer; limits.calls_in_flight when left out"),

    LIMIT(message_bytes, 1024, 33554431, 8388608,
     "bytes of a daffi message that is passed on; a larger call is answered with an error"),
    LIMIT(nesting, 1, 512, 64, "levels of arrays and objects in a payload, the envelope's own included"),
    LIMIT(batch_bytes, 0, 1048576, 65536,
     "bytes of one WebSocket message in which daffi.js and the bridge put several daffi messages; 0 means one in each"),
    LIMIT(queue_high, 4096, 1073741824, 1048576,
     "bytes waiting for a destination past which the browser that feeds it is not read"),
    LIMIT(queue_bytes, 65536, 2147483648, 67108864,
     "bytes waiting for a destination past which it is closed"),
    LIMIT(memory_bytes, 16777216, 1099511627776, 1073741824,
     "bytes of all queues together; past it the fullest is closed"),
    LIMIT(head_bytes, 1024, 65536, 16384, "bytes of an HTTP request head"),
    LIMIT(headers, 1, 100, 100, "fields of an HTTP request head"),
    LIMIT(connections, 1, 1000000, 9000, "connections at a time"),
    LIMIT(connections_per_address, 1, 1000000, 500, "connections at a time from one address; at each of these limits the oldest that has had a second and has not said who it is gives way to a newcomer"),
    LIMIT(half_open, 1, 1000000, 1000, "connections at a time whose handshake is not done"),
    LIMIT(upstream_connects, 0, 1000000, 0,
     "connections to upstreams opened in a second, after as many at once as `connections` says; those past it wait a moment, then are refused; a quarter of `connections` when 0"),
    LIMIT(upstream_connects_per_address, 0, 1000000, 0,
     "the same for one address, after as many at once as `connections_per_address` says; a quarter of that when 0, and then none for the loopback"),
    LIMIT(calls_in_flight, 1, 65535, 1024, "calls of one member that wait for their answer"),

    TIMEOUT(tls, 100, 600000, 10000, "for the TLS handshake"),
    TIMEOUT(head, 100, 600000, 10000, "for the whole HTTP request head, and between two requests"),
    TIMEOUT(handshake, 100, 600000, 10000, "for the first daffi message"),
    TIMEOUT(upstream_connect, 100, 600000, 3000,
     "for connecting to the upstream and its answer to the handshake"),
    TIMEOUT(slow_consumer, 100, 3600000, 30000, "without a byte taken by a peer that has some waiting"),
    TIMEOUT(heartbeat, 0, 3600000, 20000,
     "without a word from a page before it is asked for a sign of life, and between those the bridge gives; 0 means never"),
    TIMEOUT(heartbeat_answer, 100, 600000, 10000, "for a page to give that sign"),
    TIMEOUT(drain, 0, 3600000, 10000, "for what is under way when the daemon ends, calls before all"),
    TIMEOUT(spread, 0, 3600000, 2000,
            "over which pages are told that the daemon ends, so that they do not all come again at once; a few are told at once"),

    {"auth", "secrets", CONFIG_FILE, 0, CONFIG(secrets_file), 0, 0, 0, 0, NULL,
     "a file of secrets, a line each, of mode 0600 or 0640; then pages need a token that one of them has signed: see docs/tokens.md"},

    {"admin", "listen", CONFIG_URL, ADMIN_SCHEMES, CONFIG(admin), 0, 0, 0, 0, NULL,
     "where /healthz, /readyz and /metrics are answered: http://127.0.0.1:9443 or unix:/PATH; nowhere when left out"},
    {"admin", "mode", CONFIG_MODE, 0, CONFIG(admin_mode), 0, 0600, 0777, 0, NULL,
     "of its file where it is a unix: one, as that of a listener"},
    {"admin", "public", CONFIG_BOOL, 0, CONFIG(admin_public), 0, 0, 1, 0, NULL,
     "let it listen where other machines can reach it; whoever does learns the names and addresses in its numbers"},

    {"assets", "dir", CONFIG_FOLDER, 0, CONFIG(assets_dir), 0, 0, 0, 0, NULL,
     "folder with further versions of the client, each in a folder of its name: pages that ask for them go on working"},

    {"log", "level", CONFIG_CHOICE, 0, CONFIG(log_level), 0, 0, 3, CONFIG_LOG_INFO, level_words,
     "the least serious kind of line that is logged"},
    {"log", "format", CONFIG_CHOICE, 0, CONFIG(log_format), 0, 0, 1, CONFIG_LOG_TEXT, format_words,
     "a line of text or a JSON object for each record"},
    {"log", "access", CONFIG_CHOICE, 0, CONFIG(log_access), 0, 0, 2, CONFIG_LOG_ACCESS_CONNECTIONS, access_words,
     "what has a line of its own when it is over: no connection, each connection, or each call as well"},
    {"log", "access_per_second", CONFIG_SIZE, 0, CONFIG(log_access_per_second), 0, 1, 1000000, 1000, NULL,
     "such lines in a second, of connections and of calls each; those past it are counted"},
};
const size_t config_table_rows = sizeof config_table / sizeof config_table[0];

const struct config_section config_sections[] = {
    {"limits", "what is accepted, at most"},
    {"timeouts_ms", "how long is waited, in milliseconds"},
    {"auth", "who may come in"},
    {"admin", "health and numbers for whoever runs it"},
    {"assets", "where the client's files come from"},
    {"log", "lines on standard error"},
};
const size_t config_section_count = sizeof config_sections / sizeof config_sections[0];
/* clang-format on */

static bool same_section(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool config_section_is_outer(const char *section) {
    return !same_section(section, "listen") && !same_section(section, "upstreams") &&
           !same_section(section, "policy") && !same_section(section, "certificates");
}

const struct config_row *config_row_find(const char *section, const char *name) {
    for (size_t i = 0; i < config_table_rows; i++) {
        if (same_section(config_table[i].section, section) && strcmp(config_table[i].name, name) == 0) {
            return &config_table[i];
        }
    }
    return NULL;
}

void config_row_store(const struct config_row *row, void *owner, uint64_t value) {
    char *place = (char *)owner + row->offset;
    size_t size = (size_t)value;
    bool truth = value != 0;
    unsigned choice = (unsigned)value;
    switch (row->type) {
    case CONFIG_SIZE:
        memcpy(place, &size, sizeof size);
        break;
    case CONFIG_MS:
        memcpy(place, &value, sizeof value);
        break;
    case CONFIG_BOOL:
        memcpy(place, &truth, sizeof truth);
        break;
    case CONFIG_CHOICE:
        memcpy(place, &choice, sizeof choice);
        break;
    default: /* has no value of its own before it is read */
        break;
    }
}

void config_list_keys(const char *section, const char *ret_keys[CONFIG_KEYS_MAX + 1]) {
    size_t count = 0;
    for (size_t i = 0; i < config_table_rows && count < CONFIG_KEYS_MAX; i++) {
        if (same_section(config_table[i].section, section)) {
            ret_keys[count++] = config_table[i].name;
        }
    }
    for (size_t i = 0; section == CONFIG_TOP && i < config_section_count && count < CONFIG_KEYS_MAX; i++) {
        ret_keys[count++] = config_sections[i].name;
    }
    ret_keys[count] = NULL;
}

int config_choice_find(const char *const *choices, const char *word) {
    for (int i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], word) == 0) {
            return i;
        }
    }
    return -1;
}

/* `, ` before all but the first and the last of a list, which has ` or `. */
static const char *joint(size_t place, size_t count) {
    return place == 0 ? "" : place + 1 == count ? " or " : ", ";
}

const char *config_choices_text(const char *const *choices, char *out, size_t size) {
    size_t count = 0, used = 0;
    while (choices[count] != NULL) {
        count++;
    }
    for (size_t i = 0; i < count && used < size; i++) {
        used += (size_t)snprintf(out + used, size - used, "%s\"%s\"", joint(i, count), choices[i]);
    }
    return out;
}

const char *config_schemes_text(unsigned schemes, char *out, size_t size) {
    static const struct {
        enum config_scheme scheme;
        const char *beginning;
    } beginnings[] = {{CONFIG_HTTPS, "https://"}, {CONFIG_HTTP, "http://"}, {CONFIG_TCP, "tcp://"},
                      {CONFIG_TLS, "tls://"},     {CONFIG_UNIX, "unix:/"},  {CONFIG_ROUTER, "router:"}};
    size_t count = 0, place = 0, used = 0;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        count += (schemes >> beginnings[i].scheme & 1U);
    }
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings && used < size; i++) {
        if ((schemes >> beginnings[i].scheme & 1U) != 0) {
            used += (size_t)snprintf(out + used, size - used, "%s%s", joint(place++, count),
                                     beginnings[i].beginning);
        }
    }
    return out;
}
