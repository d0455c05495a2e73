/* What `daffi-bridge -t` looks at besides what server_new has read: addresses, and who may read the files. It listens nowhere, so
 * that a bridge that runs by the same configuration goes on undisturbed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/config_error.h"
#include "ops/log.h"
#include "ops/privileges.h"
#include "server/generation.h"

enum { PLACES_MAX = CONFIG_LIST_MAX + 1 };

/* Listeners, and admin behind them where it is there. How many. */
static size_t list_urls(const struct config *config, const struct config_url *ret_urls[PLACES_MAX]) {
    size_t count = 0;
    for (; count < config->listeners_count; count++) {
        ret_urls[count] = &config->listeners[count].url;
    }
    if (config->admin.text != NULL) {
        ret_urls[count++] = &config->admin;
    }
    return count;
}

/* That each can be had, and that none is another's: "localhost" is 127.0.0.1, and 0.0.0.0 has all of IPv4. */
static int check_addresses(const struct config *config, char *ret_error) {
    const struct config_url *urls[PLACES_MAX];
    struct bound_address bound[PLACES_MAX];
    const size_t count = list_urls(config, urls);
    for (size_t i = 0; i < count; i++) {
        int status = listener_socket_check(urls[i]->host, urls[i]->port, urls[i]->path, &bound[i], ret_error,
                                           CONFIG_ERROR_MAX);
        if (status < 0) {
            return status;
        }
        for (size_t j = 0; j < i; j++) {
            if (bound_address_collides(&bound[i], &bound[j])) {
                return config_refuse(ret_error, "cannot listen on %.150s: %.150s takes that address, too",
                                     urls[i]->text, urls[j]->text);
            }
        }
    }
    return 0;
}

static void try_file(const char *path) {
    if (path != NULL && access(path, R_OK) < 0) {
        log_write(CONFIG_LOG_WARNING,
                  "%s can't be read by the user %s: %s; root can read it, but the service, which runs as "
                  "that user, can't",
                  path, SERVER_USER, strerror(errno));
    }
}

static void try_files(const struct config *config) {
    if (config->source != NULL) {
        try_file(config->source->file);
    }
    for (size_t i = 0; i < config->listeners_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        try_file(listener->cert);
        try_file(listener->key);
        try_file(listener->client_ca);
        for (size_t j = 0; j < listener->certificates_count; j++) {
            try_file(listener->certificates[j].cert);
            try_file(listener->certificates[j].key);
        }
    }
    for (size_t i = 0; i < config->upstreams_count; i++) {
        try_file(config->upstreams[i].ca);
    }
    try_file(config->secrets_file);
    try_file(config->assets_dir);
}

int server_check(const struct server *server, char ret_error[CONFIG_ERROR_MAX]) {
    const struct generation *generation = server->generation;
    const struct config *config = generation->config;
    char error[PRIVILEGES_ERROR_MAX];
    server_warn(config);
    certificates_warn(generation->certificates, generation->certificates_count, time(NULL));
    int status = check_addresses(config, ret_error);
    if (status == 0 && privileges_drop(SERVER_USER, error) == 1) {
        try_files(config); /* as whom the service will be: root was only who asked */
    }
    return status;
}
