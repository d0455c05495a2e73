#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_circles.h"
#include "config/config_error.h"
#include "config/config_lines.h"
#include "config/config_patterns.h"
#include "config/config_secrets.h"
#include "config/config_table.h"

struct config *config_new(void) {
    struct config *config = calloc(1, sizeof *config);
    if (config == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < config_table_rows; i++) {
        const struct config_row *row = &config_table[i];
        if (config_section_is_outer(row->section)) { /* those of listeners, upstreams and policies are 0 */
            config_row_store(row, config, row->standard);
        }
    }
    return config;
}

void config_clear_listeners(struct config *config) {
    for (size_t i = 0; i < config->listeners_count; i++) {
        struct config_listener *listener = &config->listeners[i];
        config_url_clear(&listener->url);
        free(listener->cert);
        free(listener->key);
        for (size_t j = 0; j < listener->certificates_count; j++) {
            free(listener->certificates[j].cert);
            free(listener->certificates[j].key);
        }
        free(listener->client_ca);
        config_policy_clear(&listener->policy);
        *listener = (struct config_listener){0};
    }
    config->listeners_count = 0;
}

void config_clear_upstreams(struct config *config) {
    for (size_t i = 0; i < config->upstreams_count; i++) {
        struct config_upstream *upstream = &config->upstreams[i];
        config_url_clear(&upstream->url);
        free(upstream->name);
        free(upstream->ca);
        config_policy_clear(&upstream->policy);
        *upstream = (struct config_upstream){0};
    }
    config->upstreams_count = 0;
    for (size_t i = 0; i < config->listeners_count; i++) {
        config->listeners[i].upstreams_count = 0;
    }
}

/* The count is the one thing in it that changes. */
static atomic_uint *sharers_of(const struct config *config) {
    return (atomic_uint *)(uintptr_t)&config->sharers;
}

const struct config *config_hold(const struct config *config) {
    atomic_fetch_add_explicit(sharers_of(config), 1, memory_order_relaxed);
    return config;
}

void config_drop(const struct config *config) {
    config_free((struct config *)(uintptr_t)config);
}

void config_free(struct config *config) {
    if (config == NULL || atomic_fetch_sub_explicit(&config->sharers, 1, memory_order_acq_rel) != 0) {
        return;
    }
    config_clear_upstreams(config);
    config_clear_listeners(config);
    for (size_t i = 0; i < config->allow_origins_count; i++) {
        free(config->allow_origins[i]);
    }
    for (size_t i = 0; i < config->hosts_count; i++) {
        free(config->hosts[i]);
    }
    config_policy_clear(&config->policy);
    config_secrets_clear(config);
    free(config->assets_dir);
    free(config->secrets_file);
    config_url_clear(&config->admin);
    config_source_free(config->source);
    free(config);
}

/* A listener of the file is refused by its line, one of the command line by its option. */
static int refuse_listener(const struct config *config, size_t place, const char *option, const char *key,
                           const char *what, char *ret_error) {
    const struct config_listener *listener = &config->listeners[place];
    char path[64];
    if (config->listeners_are_given || config->source == NULL) {
        return config_refuse(ret_error, "--listen %.200s %s: %s is expected", listener->url.text, what,
                             option);
    }
    snprintf(path, sizeof path, "listen.%zu", place);
    return config_refuse_at(config->source, path, ret_error, "%.150s %s; \"%s\" (or %s) is expected",
                            listener->url.text, what, key, option);
}

#define MODE_IS_UNIX "%.150s is no file that has a mode; unix:/PATH is expected"

static int finish_listener(struct config *config, size_t place, char *ret_error) {
    struct config_listener *listener = &config->listeners[place];
    bool https = listener->url.scheme == CONFIG_HTTPS;
    if (https && listener->cert == NULL) {
        return refuse_listener(config, place, "--cert FILE", "cert", "has no certificate", ret_error);
    }
    if (https && listener->key == NULL) {
        return refuse_listener(config, place, "--key FILE", "key",
                               "has a certificate, but not its private key", ret_error);
    }
    const char *tls_key = listener->cert != NULL             ? "cert"
                          : listener->key != NULL            ? "key"
                          : listener->certificates_count > 0 ? "certificates"
                          : listener->client_ca != NULL      ? "client_ca"
                                                             : NULL;
    char path[64];
    if (!https && tls_key != NULL) {
        snprintf(path, sizeof path, "listen.%zu.%s", place, tls_key);
        return config_refuse_at(config->source, path, ret_error,
                                "%.150s takes no certificate; https:// is expected", listener->url.text);
    }
    if (listener->mode != 0 && listener->url.scheme != CONFIG_UNIX) {
        snprintf(path, sizeof path, "listen.%zu.mode", place);
        return config_refuse_at(config->source, path, ret_error, MODE_IS_UNIX, listener->url.text);
    }
    if (listener->proxy_header != CONFIG_PROXY_PROTOCOL && listener->proxies_count == 0) {
        snprintf(path, sizeof path, "listen.%zu.proxy_header", place);
        return config_refuse_at(config->source, path, ret_error,
                                "nobody is believed what it says; \"proxies\" is expected beside it");
    }
    if (listener->client_name && listener->client_ca == NULL) {
        snprintf(path, sizeof path, "listen.%zu.client_name", place);
        return config_refuse_at(config->source, path, ret_error,
                                "no certificates are asked for; \"client_ca\" is expected beside it");
    }
    for (size_t i = 0; listener->upstreams_count == 0 && i < config->upstreams_count; i++) {
        listener->upstreams[i] = i;
    }
    if (listener->upstreams_count == 0) {
        listener->upstreams_count = config->upstreams_count;
    }
    return 0;
}

/* What is bounded by what. */
static const struct {
    const char *small, *large;
} orders[] = {
    {"queue_high", "queue_bytes"},
    {"message_bytes", "queue_bytes"}, /* a queue holds at least one message */
    {"queue_bytes", "memory_bytes"},
};

static size_t limit_of(const struct config *config, const char *name) {
    size_t value = 0;
    memcpy(&value, (const char *)config + config_row_find("limits", name)->offset, sizeof value);
    return value;
}

static int check_orders(const struct config *config, char *ret_error) {
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        size_t small = limit_of(config, orders[i].small), large = limit_of(config, orders[i].large);
        if (small <= large) {
            continue;
        }
        char small_path[64], large_path[64];
        snprintf(small_path, sizeof small_path, "limits.%s", orders[i].small);
        snprintf(large_path, sizeof large_path, "limits.%s", orders[i].large);
        /* The one that was set is the one to look at. */
        if (config->source == NULL || config_has_path(config->source->text, small_path)) {
            return config_refuse_at(config->source, small_path, ret_error,
                                    "%zu can't be taken; at most %s, %zu, is expected", small, large_path,
                                    large);
        }
        return config_refuse_at(config->source, large_path, ret_error,
                                "%zu can't be taken; at least %s, %zu, is expected", large, small_path,
                                small);
    }
    return 0;
}

/* Where no upstream is named, there is the router inside. */
static int add_router(struct config *config, char *ret_error) {
    struct config_upstream router = {.name = strdup("default")};
    int result = router.name == NULL ? -ENOMEM : config_url_parse("router:", &router.url, ret_error);
    if (result < 0) {
        free(router.name);
        return result == -ENOMEM ? config_refuse(ret_error, "out of memory") : result;
    }
    config->upstreams[config->upstreams_count++] = router;
    return 0;
}

/* -- addresses -- */

/* Each listener has an address to itself, and so has admin. What is only written otherwise is found when it is bound, or by -t. */
static int check_addresses(const struct config *config, char *ret_error) {
    static const char why[] = "%.150s is also the address of %.150s; another one is expected";
    for (size_t i = 0; i < config->listeners_count; i++) {
        const struct config_url *url = &config->listeners[i].url;
        if (config->admin.text != NULL && config_url_is_same(url, &config->admin)) {
            return config_refuse_at(config->source, "admin.listen", ret_error, why, config->admin.text,
                                    url->text);
        }
        for (size_t j = 0; j < i; j++) {
            const struct config_url *other = &config->listeners[j].url;
            char path[64];
            if (!config_url_is_same(url, other)) {
                continue;
            }
            if (config->listeners_are_given || config->source == NULL) {
                return config_refuse(ret_error, "--listen %.150s: the address of another --listen %.150s",
                                     url->text, other->text);
            }
            snprintf(path, sizeof path, "listen.%zu.url", i);
            return config_refuse_at(config->source, path, ret_error, why, url->text, other->text);
        }
    }
    return 0;
}

/* What /metrics says is nobody else's: an address of the loopback, or a socket of the file system, unless told otherwise. */
static int check_admin(const struct config *config, char *ret_error) {
    if (config->admin_mode != 0 && config->admin.text == NULL) {
        return config_refuse_at(config->source, "admin.mode", ret_error,
                                "nobody listens there; \"listen\": \"unix:/PATH\" is expected beside it");
    }
    if (config->admin_mode != 0 && config->admin.path == NULL) {
        return config_refuse_at(config->source, "admin.mode", ret_error, MODE_IS_UNIX, config->admin.text);
    }
    if (config->admin.host == NULL || config->admin_public || config_url_is_loopback(&config->admin)) {
        return 0;
    }
    return config_refuse_at(config->source, "admin.listen", ret_error,
                            "%.150s can be reached from other machines; http://127.0.0.1:PORT or unix:/PATH "
                            "is expected, or \"public\": true beside it",
                            config->admin.text);
}

int config_finish(struct config *config, char ret_error[CONFIG_ERROR_MAX]) {
    const char *file = config->source != NULL ? config->source->file : "the file";
    if (config->listeners_count == 0) {
        return config_refuse(
            ret_error, "nothing to listen on: give --listen https://127.0.0.1:8443, or \"listen\" in %.200s",
            file);
    }
    int result = config->upstreams_count == 0 ? add_router(config, ret_error) : 0;
    if (result == 0) {
        result = check_orders(config, ret_error);
    }
    if (result == 0) {
        result = check_admin(config, ret_error);
    }
    if (result == 0) {
        result = check_addresses(config, ret_error);
    }
    config->auth_is_empty = config->secrets_file == NULL && config->source != NULL &&
                            config_has_path(config->source->text, "auth");
    for (size_t i = 0; i < config->listeners_count && result == 0; i++) {
        result = finish_listener(config, i, ret_error);
    }
    if (result == 0) {
        result = config_check_circles(config, ret_error);
    }
    if (result == 0 && config->secrets_file != NULL) {
        config_secrets_clear(config);
        result = config_secrets_read(config, config->secrets_file, ret_error);
    }
    return result;
}
