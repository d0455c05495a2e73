#include "server/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/session/session.h"
#include "net/descriptors.h"
#include "ops/log.h"
#include "ops/privileges.h"
#include "server/generation.h"

enum {
    REACTORS_MAX = REPORT_REACTORS_MAX,
    DESCRIPTORS_OWN = 256, /* of the program, of pages being asked for, of connections that just close */
};

int server_describe(int status, const char *what, char ret_error[CONFIG_ERROR_MAX]) {
    snprintf(ret_error, CONFIG_ERROR_MAX, "%s: %s", what, strerror(-status));
    return status;
}

/* -- the beginning -- */

static int make_floor(struct server *server, struct floor *floor, const struct config *config,
                      char ret_error[CONFIG_ERROR_MAX]) {
    floor->server = server;
    floor->bridge.config = config_hold(config);
    floor->bridge.admission = server->admission;
    floor->bridge.rejoins = server->rejoins;
    floor->bridge.unanswered = server->unanswered;
    floor->bridge.health = server->health;
    floor->bridge.presence = server->presence;
    floor->bridge.watches = floor == server->floors;
    floor->bridge.call_table.waiting = &floor->bridge.counters.cells[COUNTER_WAITING_CALLS];
    int status = reactor_new(&server->memory, &floor->bridge.reactor);
    if (status < 0) {
        return server_describe(status, "no event loop can be made", ret_error);
    }
    names_open_desk(server->names, floor->bridge.reactor, &floor->bridge.names);
    return 0;
}

/* What a peer's connection takes: its own descriptor, and one of its upstream's connection. */
static size_t descriptors_each(const struct config *config) {
    for (size_t i = 0; i < config->upstreams_count; i++) {
        if (config->upstreams[i].url.scheme != CONFIG_ROUTER) {
            return 2;
        }
    }
    return 1;
}

/* A connection that is refused costs nothing; one for which no descriptor is left waits in the kernel, upstreams of others
 * can't be reached, and civetweb spins. */
struct config_limits server_fit_limits(const struct config *config) {
    struct config_limits limits = config->limits;
    size_t allowed = descriptors_allow_all();
    size_t each = descriptors_each(config);
    size_t room = allowed <= DESCRIPTORS_OWN + each ? 1 : (allowed - DESCRIPTORS_OWN) / each;
    if (room < limits.connections) {
        log_write(
            CONFIG_LOG_WARNING,
            "%zu connections are taken, not %zu (limits.connections): the system allows %zu descriptors, %zu "
            "are needed for each; raise LimitNOFILE or ulimit -n",
            room, limits.connections, allowed, each);
        limits.connections = room;
    }
    return limits;
}

static size_t count_cores(void) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > REACTORS_MAX ? REACTORS_MAX : (size_t)cores;
}

int server_new(const struct config *config, struct server **ret_server, char ret_error[CONFIG_ERROR_MAX]) {
    size_t floors = count_cores();
    struct server *server = calloc(1, sizeof *server + floors * sizeof server->floors[0]);
    if (server == NULL) {
        return server_describe(-ENOMEM, "the server can't be made", ret_error);
    }
    server->memory.limit = config->limits.memory_bytes;
    server->floors_count = floors;
    server->admin_socket.fd = -1;
    const struct config_limits limits = server_fit_limits(config);
    int status = admission_new(&limits, &server->admission);
    if (status == 0) {
        status = upstream_health_new(&server->health);
    }
    if (status == 0) {
        status = presence_new(&server->presence);
    }
    if (status == 0) {
        status = report_init(&server->report, &server->memory, server->health);
    }
    if (status == 0) {
        status = rejoins_new(&server->rejoins);
    }
    if (status == 0) {
        status = unanswered_new(&server->unanswered);
    }
    if (status == 0) {
        status = names_new(&server->names);
    }
    if (status < 0) {
        server_describe(status, "the server can't be made", ret_error);
    }
    for (size_t i = 0; i < floors && status == 0; i++) {
        status = make_floor(server, &server->floors[i], config, ret_error);
    }
    if (status == 0) {
        status = generation_new(server, config, &server->generation, ret_error);
    }
    if (status < 0) {
        server_free(server);
        return status;
    }
    for (size_t i = 0; i < floors; i++) {
        report_add(&server->report, &server->floors[i].bridge.counters);
    }
    server_report(server, server->generation, &limits);
    server->started = config_hold(config);
    *ret_server = server;
    return 0;
}

void server_set_pages(struct server *server, const struct page_source *source) {
    for (size_t i = 0; i < server->floors_count; i++) {
        server->floors[i].bridge.pages = source;
    }
}

/* A reactor that fails ends the program, in good order: main waits for this signal. */
static void *run_floor(void *argument) {
    struct floor *floor = argument;
    char name[16]; /* for whoever looks with top -H */
    snprintf(name, sizeof name, "loop-%u", (unsigned)(floor - floor->server->floors) % 1000);
    (void)pthread_setname_np(pthread_self(), name);
    int status = reactor_run(floor->bridge.reactor);
    if (status < 0) {
        log_write(CONFIG_LOG_ERROR, "an event loop failed: %s", strerror(-status));
        atomic_store(&floor->server->failed, true);
        kill(getpid(), SIGTERM);
    }
    return NULL;
}

bool server_has_failed(const struct server *server) {
    return atomic_load(&server->failed);
}

static void warn_of_pickle(const struct config_policy *policy, const char *where, const char *which) {
    if ((policy->serdes >> CONFIG_PICKLE & 1U) != 0) {
        log_write(CONFIG_LOG_WARNING,
                  "the policy of %s%s takes pickle: who can send it can run any code in the workers", where,
                  which);
    }
}

void server_warn(const struct config *config) {
    if (config->auth_is_empty) {
        log_write(CONFIG_LOG_WARNING, "\"auth\" names no \"secrets\": pages need no token");
    }
    warn_of_pickle(&config->policy, "the bridge", "");
    for (size_t i = 0; i < config->listeners_count; i++) {
        warn_of_pickle(&config->listeners[i].policy, "the listener ", config->listeners[i].url.text);
    }
    for (size_t i = 0; i < config->upstreams_count; i++) {
        warn_of_pickle(&config->upstreams[i].policy, "the upstream ", config->upstreams[i].name);
    }
}

/* Listeners are bound and keys are read: nothing is left that wants root. */
static int drop_privileges(char *ret_error) {
    static const char user[] = SERVER_USER;
    char error[PRIVILEGES_ERROR_MAX];
    int status = privileges_drop(user, error);
    if (status == 1) {
        log_write(CONFIG_LOG_INFO, "runs as the user %s from here on", user);
    } else if (status == -ENOENT) {
        log_write(CONFIG_LOG_WARNING, "runs as root: there is no user %s to become", user);
    } else if (status < 0) {
        snprintf(ret_error, CONFIG_ERROR_MAX, "%s", error);
        return status;
    }
    return 0;
}

int server_start(struct server *server, char ret_error[CONFIG_ERROR_MAX]) {
    struct generation *generation = server->generation;
    const struct config *config = generation->config;
    const struct pages pages = {.files = &embedded_site,
                                .playground = config->playground,
                                .write_numbers = server_write_numbers,
                                .source = &server->report};
    server_warn(config);
    int status = generation_bind(generation, server, ret_error);
    if (status == 0) {
        status = server_bind_admin(server, config, ret_error);
    }
    if (status == 0 && !config->development) {
        status = drop_privileges(ret_error);
    }
    if (status < 0) {
        return status;
    }
    status = site_start(&pages, &server->site, ret_error, CONFIG_ERROR_MAX);
    if (status < 0) {
        return status;
    }
    for (size_t i = 0; i < server->floors_count; i++) {
        struct floor *floor = &server->floors[i];
        status = forward_route_new(floor->bridge.reactor, site_port(server->site), site_secret(server->site),
                                   &floor->site);
        if (status == 0) {
            status = generation_adopt(&generation->parts[i]);
        }
        if (status < 0) {
            return server_describe(status, "the listeners can't be watched", ret_error);
        }
    }
    for (size_t i = 0; i < server->floors_count; i++) {
        struct floor *floor = &server->floors[i];
        status = -pthread_create(&floor->thread, NULL, run_floor, floor);
        if (status < 0) {
            server_stop(server);
            return server_describe(status, "a thread can't be started", ret_error);
        }
        floor->has_thread = true;
    }
    status = server_start_admin(server, config, ret_error);
    if (status < 0) {
        server_stop(server);
        return status;
    }
    server->files = (struct certificates_watch){.read = generation->files, .seen = generation->files};
    generation_say_listening(generation);
    return 0;
}

/* -- the end: see server_stop.c -- */

static void free_floor(struct floor *floor) {
    struct reactor *reactor = floor->bridge.reactor;
    if (reactor != NULL) {
        timer_clear(reactor_timers(reactor), &floor->stop_deadline);
        timer_clear(reactor_timers(reactor), &floor->stop_step);
    }
    for (size_t i = 0; i < CONFIG_LIST_MAX; i++) {
        door_free(floor->doors[i]);
        upstream_free(floor->upstreams[i]);
    }
    forward_route_free(floor->site);
    reactor_free(reactor);
    call_table_clear(&floor->bridge.call_table);
    roster_clear(&floor->bridge.roster);
    config_drop(floor->bridge.config);
}

void server_free(struct server *server) {
    if (server == NULL) {
        return;
    }
    for (size_t i = 0; i < server->routers_count; i++) {
        router_end(server->routers[i].router);
    }
    for (size_t i = 0; i < server->floors_count; i++) {
        free_floor(&server->floors[i]);
    }
    for (size_t i = 0; i < server->routers_count; i++) {
        router_free(server->routers[i].router);
        free(server->routers[i].branches);
        free(server->routers[i].name);
    }
    generation_free(server->generation);
    config_drop(server->started);
    listener_socket_close(&server->admin_socket);
    site_stop(server->site);
    report_clear(&server->report);
    upstream_health_free(server->health);
    presence_free(server->presence);
    admission_free(server->admission);
    rejoins_free(server->rejoins);
    unanswered_free(server->unanswered);
    names_free(server->names);
    free(server);
}
