/* The administrator's view of the server: its listener, and what is told there. */
#include "ops/log.h"
#include "server/generation.h"

int server_bind_admin(struct server *server, const struct config *config, char ret_error[CONFIG_ERROR_MAX]) {
    const struct config_url *url = &config->admin;
    return url->text == NULL ? 0
                             : listener_socket_open(url->host, url->port, url->path, config->admin_mode,
                                                    &server->admin_socket, ret_error, CONFIG_ERROR_MAX);
}

void server_write_numbers(void *report, FILE *out) {
    report_json(report, out);
}

static bool write_health(void *source, uint64_t now, FILE *out) {
    struct server *server = source;
    size_t hanging = report_is_stopping(&server->report) ? 0 : server_count_hanging(server, now);
    if (hanging > 0) {
        fprintf(out, "%zu of %zu event loops hang\n", hanging, server->floors_count);
    } else {
        fputs("ok\n", out);
    }
    return hanging == 0;
}

static int write_readiness(void *source, const char *upstream, FILE *out) {
    return report_readiness(&((struct server *)source)->report, upstream, out);
}

static void write_metrics(void *source, FILE *out) {
    report_metrics(&((struct server *)source)->report, out);
}

static bool is_own_host(void *source, const char *host) {
    return report_is_own_host(&((struct server *)source)->report, host);
}

int server_start_admin(struct server *server, const struct config *config, char ret_error[CONFIG_ERROR_MAX]) {
    if (server->admin_socket.fd < 0) {
        return 0;
    }
    const struct admin_setup setup = {
        .socket = &server->admin_socket,
        .source = server,
        .is_own_host = is_own_host,
        .write_health = write_health,
        .write_readiness = write_readiness,
        .write_metrics = write_metrics,
    };
    int status = admin_start(&setup, &server->admin);
    if (status < 0) {
        return server_describe(status, "the admin listener can't be watched", ret_error);
    }
    log_write(CONFIG_LOG_INFO, "health and numbers are at %s%s",
              config->admin.scheme == CONFIG_UNIX ? "unix:" : "http://", server->admin_socket.address);
    return 0;
}

void server_stop_admin(struct server *server) {
    admin_stop(server->admin);
    server->admin = NULL;
}

void server_report(struct server *server, const struct generation *generation,
                   const struct config_limits *limits) {
    report_configure(&server->report, generation->config, generation->certificates,
                     generation->certificates_count, limits->connections);
}

/* -- whoever takes over -- */

size_t server_list_sockets(const struct server *server, const struct listener_socket **ret_sockets,
                           size_t most) {
    const struct generation *generation = server->generation;
    size_t count = 0;
    for (size_t i = 0; i < generation->config->listeners_count && count < most; i++) {
        ret_sockets[count++] = &generation->sockets[i]->socket;
    }
    if (server->admin_socket.fd >= 0 && count < most) {
        ret_sockets[count++] = &server->admin_socket;
    }
    return count;
}

void server_hand_over(struct server *server) {
    struct generation *generation = server->generation;
    for (size_t i = 0; i < generation->config->listeners_count; i++) {
        generation->sockets[i]->socket.inode = 0;
    }
    server->admin_socket.inode = 0;
    server_stop_admin(server); /* whoever asks is to hear of the one that goes on, not of us who leave */
}

/* A real Python peer tries once to come back: refused it hears that at once, else after half a minute. */
void server_refuse(struct server *server) {
    struct generation *generation = server->generation;
    for (size_t i = 0; i < generation->config->listeners_count; i++) {
        listener_socket_refuse(&generation->sockets[i]->socket);
    }
}

/* -- pages that listen -- */

struct word {
    struct bridge *bridge;
    char text[];
};

static void say(void *argument) {
    struct word *word = argument;
    bridge_tell_listeners(word->bridge, word->text);
    free(word);
}

void server_tell_listeners(struct server *server, const char *text) {
    for (size_t i = 0; i < server->floors_count; i++) {
        struct bridge *bridge = &server->floors[i].bridge;
        struct word *word = malloc(sizeof *word + strlen(text) + 1);
        if (word == NULL) {
            continue; /* the next change is told again */
        }
        word->bridge = bridge;
        memcpy(word->text, text, strlen(text) + 1);
        if (reactor_post(bridge->reactor, say, word) < 0) {
            free(word);
        }
    }
}
