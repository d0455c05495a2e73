#include "bridge/door/door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/door/door_internal.h"
#include "config/config_networks.h"
#include "net/listener.h"
#include "ops/log.h"

void door_release(struct door *door) {
    tls_context_free(door->tls);
    config_drop(door->whole);
    free(door);
}

bool door_trusts(const struct door *door, const char *address) {
    const struct config_listener *config = door->config;
    return config->proxies_count > 0 && config_networks_have(config->proxies, config->proxies_count, address);
}

/* Who asks for many has no account of its own: each that it asks for has one. */
static bool asks_for_many(const struct door *door, const char *peer) {
    return door->config->proxy_header == CONFIG_PROXY_FORWARDED_FOR && door_trusts(door, peer);
}

void door_let_in(struct door *door, int fd, const char *peer) {
    struct admission_ticket ticket = {0};
    const char *reason = NULL;
    struct reactor *reactor = door->bridge->reactor;
    struct counters *counters = &door->bridge->counters;
    const char *account = asks_for_many(door, peer) ? "unix" : peer;
    if (admission_enter(door->bridge->admission, account, reactor, reactor_now(reactor), &ticket, &reason) <
        0) {
        counter_up(counters, COUNTER_REFUSED_LIMIT);
        log_peer(CONFIG_LOG_WARNING, "refused a connection from %s: %s", peer, reason);
        close(fd);
        return;
    }
    int status = door_open_visit(door, fd, peer, &ticket);
    if (status < 0) {
        counter_up(counters, COUNTER_REFUSED_RESOURCES);
        log_peer(CONFIG_LOG_WARNING, "refused a connection from %s: %s", peer, strerror(-status));
        admission_leave(&ticket);
    }
}

static void on_accept(void *owner, int fd, const char *peer) {
    struct door *door = owner;
    counter_up(&door->bridge->counters, COUNTER_ACCEPTED);
    if (door->config->proxy_header == CONFIG_PROXY_PROTOCOL && door_trusts(door, peer)) {
        door_await_arrival(door, fd, peer);
    } else {
        door_let_in(door, fd, peer);
    }
}

static bool is_certificate_name(void *owner, const char *host) {
    const struct door *door = owner;
    return door->tls != NULL && tls_context_names_host(door->tls, host);
}

/* In development pages come over http and https, and may call by either. How many. */
static size_t find_ports(struct door *door) {
    const struct config *config = door->whole;
    size_t count = 0;
    for (size_t i = 0; config->development && i < config->listeners_count; i++) {
        door->ports[count++] = (uint16_t)strtoul(config->listeners[i].url.port, NULL, 10);
    }
    return count;
}

/* The address that the listener was told to bind is its own name, unless it stands for all. */
static void make_rule(struct door *door) {
    const struct config *config = door->whole;
    size_t count = 0;
    while (count < config->hosts_count) {
        door->hosts[count] = config->hosts[count];
        count++;
    }
    if (door->config->url.host != NULL) {
        door->hosts[count++] = door->config->url.host;
    }
    door->rule = (struct origin_rule){
        .hosts = door->hosts,
        .hosts_count = count,
        .allowed = config->allow_origins,
        .allowed_count = config->allow_origins_count,
        .is_certificate_name = is_certificate_name,
        .owner = door,
        .secure = door->tls != NULL,
        .ports = door->ports,
        .ports_count = find_ports(door),
        .hosts_option = config->development ? "--allow-host" : NULL,
    };
}

int door_new(const struct door_setup *setup, struct door **ret_door) {
    struct door *door = calloc(1, sizeof *door);
    if (door == NULL) {
        return -ENOMEM;
    }
    door->bridge = setup->bridge;
    door->whole = config_hold(setup->bridge->config);
    door->config = setup->config;
    door->assets = setup->assets;
    door->site = setup->site;
    int status = listener_new(setup->bridge->reactor, setup->socket, on_accept, door, &door->listener);
    if (status < 0) {
        door_free(door);
        return status;
    }
    listener_on_pause(door->listener, door_on_pause);
    door->tls = setup->tls;
    make_rule(door);
    *ret_door = door;
    return 0;
}

void door_configure(struct door *door, const struct config_listener *config, struct tls_context *tls,
                    const struct assets *assets) {
    const struct config *before = door->whole;
    door->whole = config_hold(door->bridge->config);
    door->config = config;
    tls_context_free(door->tls);
    door->tls = tls;
    door->assets = assets;
    make_rule(door);
    config_drop(before);
}

void door_shut(struct door *door) {
    if (door != NULL) {
        listener_free(door->listener);
        door->listener = NULL;
    }
}

void door_free(struct door *door) {
    if (door == NULL) {
        return;
    }
    door_shut(door);
    door->is_freed = true;
    door_end_arrivals(door);
    door_end_visits_of(door->bridge, door, true);
    if (door->visits == 0) {
        door_release(door);
    }
}
