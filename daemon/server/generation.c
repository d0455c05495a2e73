#include "server/generation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/members/name_hash.h"
#include "ops/log.h"

/* -- what stays -- */

static bool same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Whether one socket can be both: the scheme does not matter, nor how the address is written otherwise. */
static bool same_address(const struct config_url *a, const struct config_url *b) {
    return same_text(a->host, b->host) && same_text(a->port, b->port) && same_text(a->path, b->path);
}

static void find_listeners(struct generation *generation, const struct config *before) {
    bool is_taken[CONFIG_LIST_MAX] = {false};
    for (size_t i = 0; i < generation->config->listeners_count; i++) {
        generation->listener_from[i] = SIZE_MAX;
        for (size_t j = 0; before != NULL && j < before->listeners_count; j++) {
            if (!is_taken[j] &&
                same_address(&generation->config->listeners[i].url, &before->listeners[j].url)) {
                generation->listener_from[i] = j;
                is_taken[j] = true;
                break;
            }
        }
    }
}

static void find_upstreams(struct generation *generation, const struct config *before) {
    for (size_t i = 0; i < generation->config->upstreams_count; i++) {
        generation->upstream_from[i] = SIZE_MAX;
        for (size_t j = 0; before != NULL && j < before->upstreams_count; j++) {
            if (upstream_can_stay(&before->upstreams[j], &generation->config->upstreams[i])) {
                generation->upstream_from[i] = j; /* names are there once */
            }
        }
    }
}

/* -- routers -- */

/* Its name and URL are its place, as those of upstreams are: names of its members have nothing to do with others. */
static size_t place_of_router(const char *name) {
    return (size_t)name_hash(name_hash(0, daffi_span_text("router:")), daffi_span_text(name));
}

static int make_router(struct server *server, const char *name) {
    struct server_router *made = &server->routers[server->routers_count];
    made->name = strdup(name);
    made->branches = calloc(server->floors_count + 1, sizeof(struct backend *));
    int status = made->name == NULL || made->branches == NULL
                     ? -ENOMEM
                     : router_new(made->name, server->floors_count, &made->router);
    for (size_t i = 0; i < server->floors_count && status == 0; i++) {
        status = router_add_branch(made->router, &server->floors[i].bridge, &made->branches[i]);
        if (status == 0) {
            made->branches[i]->place = place_of_router(name);
        }
    }
    if (status < 0) {
        router_free(made->router);
        free(made->branches);
        free(made->name);
        *made = (struct server_router){0};
        return status;
    }
    server->routers_count++;
    return 0;
}

static int find_router(struct generation *generation, struct server *server, size_t place, char *ret_error) {
    const char *name = generation->config->upstreams[place].name;
    size_t at = 0;
    while (at < server->routers_count && strcmp(server->routers[at].name, name) != 0) {
        at++;
    }
    if (at == CONFIG_LIST_MAX) {
        snprintf(ret_error, CONFIG_ERROR_MAX,
                 "upstream \"%s\" (router:): the daemon has had %d routers inside by now, under other names; "
                 "a restart is needed for one more",
                 name, CONFIG_LIST_MAX);
        return -ENOSPC;
    }
    if (at == server->routers_count) {
        int status = make_router(server, name);
        if (status < 0) {
            return server_describe(status, "the router can't be made", ret_error);
        }
    }
    generation->routers[place] = at;
    return 0;
}

static int find_routers(struct generation *generation, struct server *server, char *ret_error) {
    for (size_t i = 0; i < generation->config->upstreams_count; i++) {
        generation->routers[i] = SIZE_MAX;
        if (generation->config->upstreams[i].url.scheme == CONFIG_ROUTER) {
            int status = find_router(generation, server, i, ret_error);
            if (status < 0) {
                return status;
            }
        }
    }
    return 0;
}

/* -- certificates -- */

static int load_listener_tls(const struct config_listener *listener, struct tls_context **ret_context,
                             char *ret_error) {
    struct tls_key_pair pairs[1 + CONFIG_CERTIFICATES_MAX] = {{.cert = listener->cert, .key = listener->key}};
    for (size_t i = 0; i < listener->certificates_count; i++) {
        pairs[1 + i] = (struct tls_key_pair){.cert = listener->certificates[i].cert,
                                             .key = listener->certificates[i].key};
    }
    const struct tls_server_setup setup = {
        .pairs = pairs,
        .pairs_count = 1 + listener->certificates_count,
        .client_ca = listener->client_ca,
    };
    return tls_context_new(&setup, ret_context, ret_error, CONFIG_ERROR_MAX);
}

static int load_part_tls(struct generation_part *part, char *ret_error) {
    const struct config *config = part->generation->config;
    int status = 0;
    for (size_t i = 0; i < config->listeners_count && status == 0; i++) {
        const struct config_listener *listener = &config->listeners[i];
        if (listener->url.scheme == CONFIG_HTTPS) {
            status = load_listener_tls(listener, &part->listener_tls[i], ret_error);
        }
    }
    for (size_t i = 0; i < config->upstreams_count && status == 0; i++) {
        if (config->upstreams[i].url.scheme == CONFIG_TLS) {
            status = tls_context_new_client(config->upstreams[i].ca, &part->upstream_tls[i], ret_error,
                                            CONFIG_ERROR_MAX);
        }
    }
    return status;
}

/* Those of one floor: all have the same. */
static int list_certificates(struct generation *generation) {
    const struct config *config = generation->config;
    generation->certificates = calloc(CERTIFICATES_MAX, sizeof *generation->certificates);
    if (generation->certificates == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < config->listeners_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        for (size_t j = 0; j <= listener->certificates_count && generation->parts[0].listener_tls[i] != NULL;
             j++) {
            struct certificate *one = &generation->certificates[generation->certificates_count++];
            one->file = j == 0 ? listener->cert : listener->certificates[j - 1].cert;
            one->listener = listener->url.text;
            tls_context_validity(generation->parts[0].listener_tls[i], j, &one->begins, &one->ends);
        }
    }
    return 0;
}

/* -- assets -- */

static int load_assets(struct generation *generation, char *ret_error) {
    const char *path = generation->config->assets_dir;
    generation->assets = *assets_embedded();
    if (path == NULL) {
        return 0;
    }
    char error[ASSETS_DIR_ERROR_MAX];
    int status = assets_dir_load(path, &generation->assets_dir, error);
    generation->assets.others = generation->assets_dir;
    if (status < 0) {
        snprintf(ret_error, CONFIG_ERROR_MAX, "%s", error);
    }
    return status;
}

int generation_new(struct server *server, const struct config *config, struct generation **ret_generation,
                   char ret_error[CONFIG_ERROR_MAX]) {
    const struct config *before = server->generation != NULL ? server->generation->config : NULL;
    struct generation *generation =
        calloc(1, sizeof *generation + server->floors_count * sizeof generation->parts[0]);
    if (generation == NULL) {
        return server_describe(-ENOMEM, "the configuration can't be prepared", ret_error);
    }
    generation->config = config_hold(config);
    generation->files = certificates_signature(config);
    generation->parts_count = server->floors_count;
    find_listeners(generation, before);
    find_upstreams(generation, before);
    int status = 0;
    for (size_t i = 0; i < server->floors_count && status == 0; i++) {
        generation->parts[i].floor = &server->floors[i];
        generation->parts[i].generation = generation;
        status = load_part_tls(&generation->parts[i], ret_error);
    }
    if (status == 0 && (status = list_certificates(generation)) < 0) {
        server_describe(status, "the configuration can't be prepared", ret_error);
    }
    if (status == 0) {
        status = find_routers(generation, server, ret_error);
    }
    if (status == 0) {
        status = load_assets(generation, ret_error);
    }
    if (status < 0) {
        generation_free(generation);
        return status;
    }
    *ret_generation = generation;
    return 0;
}

/* -- sockets -- */

static int bind_listener(const struct config_listener *listener, struct generation_socket **ret_socket,
                         char *ret_error) {
    const struct config_url *url = &listener->url;
    struct generation_socket *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return server_describe(-ENOMEM, "a listener can't be made", ret_error);
    }
    int status = listener_socket_open(url->host, url->port, url->path, listener->mode, &made->socket,
                                      ret_error, CONFIG_ERROR_MAX);
    if (status < 0) {
        free(made);
        return status;
    }
    *ret_socket = made;
    return 0;
}

int generation_bind(struct generation *generation, struct server *server, char ret_error[CONFIG_ERROR_MAX]) {
    for (size_t i = 0; i < generation->config->listeners_count; i++) {
        size_t from = generation->listener_from[i];
        int status = 0;
        if (from != SIZE_MAX) {
            generation->sockets[i] = server->generation->sockets[from];
        } else {
            status = bind_listener(&generation->config->listeners[i], &generation->sockets[i], ret_error);
        }
        if (status < 0) {
            return status;
        }
        generation->sockets[i]->users++;
    }
    return 0;
}

void generation_say_listening(const struct generation *generation) {
    static const char *const schemes[] = {
        [CONFIG_HTTP] = "http://", [CONFIG_HTTPS] = "https://", [CONFIG_UNIX] = "unix:"};
    for (size_t i = 0; i < generation->config->listeners_count; i++) {
        const struct listener_socket *socket = &generation->sockets[i]->socket;
        char url[sizeof socket->address + 16];
        if (generation->listener_from[i] == SIZE_MAX) {
            snprintf(url, sizeof url, "%s%s", schemes[generation->config->listeners[i].url.scheme],
                     socket->address);
            log_listening(url);
        }
    }
}

/* -- adopting -- */

/* Takes over what is at `place`: of a floor's list, so that what is left in it is what nobody wants any more. */
#define TAKE(list, place) take((void **)(list), place)
static void *take(void **list, size_t place) {
    void *taken = place == SIZE_MAX ? NULL : list[place];
    if (taken != NULL) {
        list[place] = NULL;
    }
    return taken;
}

static int adopt_upstream(struct generation_part *part, struct upstream **before, size_t place) {
    struct floor *floor = part->floor;
    const struct generation *generation = part->generation;
    const struct config_upstream *config = &generation->config->upstreams[place];
    if (generation->routers[place] != SIZE_MAX) {
        size_t floor_place = (size_t)(floor - floor->server->floors);
        floor->bridge.backends[place] =
            floor->server->routers[generation->routers[place]].branches[floor_place];
        return 0;
    }
    struct upstream *upstream = TAKE(before, generation->upstream_from[place]);
    if (upstream != NULL) {
        upstream_configure(upstream, config, part->upstream_tls[place]);
    } else {
        int status = upstream_new(&floor->bridge, config, part->upstream_tls[place], &upstream);
        if (status < 0) {
            return status;
        }
    }
    part->upstream_tls[place] = NULL;
    floor->upstreams[place] = upstream;
    floor->bridge.backends[place] = upstream_backend(upstream);
    return 0;
}

/* What comes without TLS to a router inside is spoken with on one floor: it costs so little that a hop to another, two for
 * each call, would be most of it; one floor has 200,000 such calls a second. TLS is worth all the cores there are. */
static bool is_shared(const struct config *config, const struct config_listener *listener) {
    return listener->url.scheme == CONFIG_HTTPS ||
           config->upstreams[listener->upstreams[0]].url.scheme != CONFIG_ROUTER;
}

static int adopt_listener(struct generation_part *part, struct door **before, size_t place) {
    struct floor *floor = part->floor;
    const struct generation *generation = part->generation;
    const struct config_listener *config = &generation->config->listeners[place];
    if (floor != floor->server->floors && !is_shared(generation->config, config)) {
        return 0;
    }
    struct door *door = TAKE(before, generation->listener_from[place]);
    if (door != NULL) {
        door_configure(door, config, part->listener_tls[place], &generation->assets);
    } else {
        const struct door_setup setup = {
            .bridge = &floor->bridge,
            .config = config,
            .socket = &generation->sockets[place]->socket,
            .tls = part->listener_tls[place],
            .assets = &generation->assets,
            .site = floor->site,
        };
        int status = door_new(&setup, &door);
        if (status < 0) {
            return status;
        }
    }
    part->listener_tls[place] = NULL;
    floor->doors[place] = door;
    return 0;
}

int generation_adopt(struct generation_part *part) {
    struct floor *floor = part->floor;
    const struct config *config = part->generation->config;
    const struct config *config_before = floor->bridge.config;
    struct upstream *upstreams[CONFIG_LIST_MAX];
    struct door *doors[CONFIG_LIST_MAX];
    int result = 0;
    memcpy(upstreams, floor->upstreams, sizeof upstreams);
    memcpy(doors, floor->doors, sizeof doors);
    memset(floor->upstreams, 0, sizeof floor->upstreams);
    memset(floor->doors, 0, sizeof floor->doors);
    memset(floor->bridge.backends, 0, sizeof floor->bridge.backends);
    floor->bridge.config = config_hold(config);
    for (size_t i = 0; i < config->upstreams_count; i++) {
        int status = adopt_upstream(part, upstreams, i);
        result = status < 0 ? status : result;
    }
    for (size_t i = 0; i < config->listeners_count; i++) {
        int status = adopt_listener(part, doors, i);
        result = status < 0 ? status : result;
    }
    for (size_t i = 0; i < CONFIG_LIST_MAX; i++) {
        door_free(doors[i]);
        upstream_free(upstreams[i]);
    }
    config_drop(config_before);
    return result;
}

void generation_free(struct generation *generation) {
    if (generation == NULL) {
        return;
    }
    for (size_t i = 0; i < generation->parts_count; i++) {
        for (size_t j = 0; j < CONFIG_LIST_MAX; j++) {
            tls_context_free(generation->parts[i].listener_tls[j]);
            tls_context_free(generation->parts[i].upstream_tls[j]);
        }
    }
    for (size_t i = 0; i < CONFIG_LIST_MAX; i++) {
        struct generation_socket *socket = generation->sockets[i];
        if (socket != NULL && --socket->users == 0) {
            listener_socket_close(&socket->socket);
            free(socket);
        }
    }
    free(generation->certificates);
    assets_dir_free(generation->assets_dir);
    config_drop(generation->config);
    free(generation);
}
