#include "config/config_table.h"

#include <string.h>

static const char *const level_words[] = {"error", "warning", "info", "debug", NULL};
static const char *const format_words[] = {"text", "json", NULL};
const char *const config_native_words[] = {"loopback", "all", "none", NULL};

#define LIMIT(key, low, high, usual, text)                                                                   \
    { "limits", #key, CONFIG_SIZE, offsetof(struct config, limits.key), low, high, usual, NULL, text }
#define TIMEOUT(key, low, high, usual, text)                                                                 \
    { "timeouts_ms", #key, CONFIG_MS, offsetof(struct config, timeouts.key), low, high, usual, NULL, text }

const struct config_row config_table[] = {
    {NULL, "playground", CONFIG_BOOL, offsetof(struct config, playground), 0, 1, 0, NULL,
     "serve the playground and the examples under /_bridge/"},

    LIMIT(message_bytes, 1024, 33554431, 8388608, "largest daffi message that is passed on"),
    LIMIT(nesting, 1, 512, 64, "levels of arrays and objects in a payload, the envelope's own included"),
    LIMIT(queue_high, 4096, 1073741824, 1048576,
          "bytes waiting for a destination past which the browser that feeds it is not read"),
    LIMIT(queue_bytes, 65536, 2147483648, 67108864,
          "bytes waiting for a destination past which it is closed"),
    LIMIT(memory_bytes, 16777216, 1099511627776, 1073741824, "bytes of all queues together"),
    LIMIT(head_bytes, 1024, 65536, 16384, "bytes of an HTTP request head"),
    LIMIT(headers, 1, 100, 100, "fields of an HTTP request head"),
    LIMIT(connections, 1, 1000000, 9000, "connections at a time"),
    LIMIT(connections_per_address, 1, 1000000, 500, "connections at a time from one address"),
    LIMIT(half_open, 1, 1000000, 1000, "connections at a time whose handshake is not done"),
    LIMIT(calls_in_flight, 1, 65535, 1024, "calls of one peer that wait for their answer"),

    TIMEOUT(tls, 100, 600000, 10000, "for the TLS handshake"),
    TIMEOUT(head, 100, 600000, 10000, "for the whole HTTP request head, and between two requests"),
    TIMEOUT(handshake, 100, 600000, 10000, "for the first daffi message"),
    TIMEOUT(upstream_connect, 100, 600000, 3000,
            "for connecting to the upstream and its answer to the handshake"),
    TIMEOUT(slow_consumer, 100, 3600000, 30000, "without a byte taken by a peer that has some waiting"),
    TIMEOUT(drain, 0, 3600000, 10000, "for what is under way when the daemon ends"),

    {"log", "level", CONFIG_CHOICE, offsetof(struct config, log_level), 0, 3, CONFIG_LOG_INFO, level_words,
     "what is logged: the least serious kind"},
    {"log", "format", CONFIG_CHOICE, offsetof(struct config, log_format), 0, 1, CONFIG_LOG_TEXT, format_words,
     "a line of text or a JSON object for each record"},
};

const size_t config_table_rows = sizeof config_table / sizeof config_table[0];

static bool same_section(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

const struct config_row *config_row_find(const char *section, const char *name) {
    for (size_t i = 0; i < config_table_rows; i++) {
        if (same_section(config_table[i].section, section) && strcmp(config_table[i].name, name) == 0) {
            return &config_table[i];
        }
    }
    return NULL;
}

void config_row_store(const struct config_row *row, struct config *config, uint64_t value) {
    char *place = (char *)config + row->offset;
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
    }
}

int config_choice_find(const char *const *choices, const char *word) {
    for (int i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], word) == 0) {
            return i;
        }
    }
    return -1;
}
