#include "config/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_table.h"

struct config *config_new(void) {
    struct config *config = calloc(1, sizeof *config);
    if (config == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < config_table_rows; i++) {
        config_row_store(&config_table[i], config, config_table[i].standard);
    }
    return config;
}

void config_free(struct config *config) {
    if (config == NULL) {
        return;
    }
    for (size_t i = 0; i < CONFIG_LIST_MAX; i++) {
        config_url_clear(&config->listeners[i].url);
        free(config->listeners[i].cert);
        free(config->listeners[i].key);
        config_url_clear(&config->upstreams[i].url);
        free(config->upstreams[i].name);
        free(config->upstreams[i].ca);
        free(config->allow_origins[i]);
        free(config->hosts[i]);
    }
    free(config);
}

__attribute__((format(printf, 2, 3))) static int refuse(char *ret_error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ret_error, CONFIG_ERROR_MAX, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static int finish_listener(struct config *config, struct config_listener *listener, char *ret_error) {
    const char *url = listener->url.text;
    if (listener->url.scheme == CONFIG_HTTPS) {
        if (listener->cert == NULL) {
            return refuse(ret_error, "%.200s needs a certificate: --cert FILE, or \"cert\" in the file", url);
        }
        if (listener->key == NULL) {
            return refuse(ret_error, "%.200s needs the certificate's key: --key FILE, or \"key\" in the file",
                          url);
        }
    } else if (listener->cert != NULL || listener->key != NULL) {
        return refuse(ret_error, "%.200s takes no certificate; only https:// listeners do", url);
    }
    if (listener->upstreams_count == 0) {
        for (size_t i = 0; i < config->upstreams_count; i++) {
            listener->upstreams[i] = i;
        }
        listener->upstreams_count = config->upstreams_count;
    }
    return 0;
}

int config_finish(struct config *config, char ret_error[CONFIG_ERROR_MAX]) {
    const struct config_limits *limits = &config->limits;
    if (config->listeners_count == 0) {
        return refuse(
            ret_error,
            "nothing to listen on: give --listen https://127.0.0.1:8443, or \"listen\" in the file");
    }
    if (config->upstreams_count == 0) {
        return refuse(ret_error, "no upstream: give --upstream tcp://127.0.0.1:5000 (a Python Router or "
                                 "Service), or \"upstreams\" in the file");
    }
    if (limits->queue_high >= limits->queue_bytes) {
        return refuse(ret_error, "limits.queue_high must be less than limits.queue_bytes");
    }
    if (limits->message_bytes > limits->queue_bytes) {
        return refuse(ret_error, "limits.queue_bytes must hold at least one message of limits.message_bytes");
    }
    if (limits->queue_bytes > limits->memory_bytes) {
        return refuse(ret_error, "limits.memory_bytes must hold at least one queue of limits.queue_bytes");
    }
    for (size_t i = 0; i < config->listeners_count; i++) {
        int result = finish_listener(config, &config->listeners[i], ret_error);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}
