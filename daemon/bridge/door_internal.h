/* What door.c (the door itself) and door_visit.c (who is inside) share. */
#ifndef DOOR_INTERNAL_H
#define DOOR_INTERNAL_H

#include "bridge/door.h"
#include "http/origin.h"

struct door {
    struct bridge *bridge;
    const struct config *whole; /* held: the one that `config` and `rule` are of */
    const struct config_listener *config;
    struct tls_context *tls;
    const struct assets *assets;
    struct forward_route *site;
    struct origin_rule rule;
    char *hosts[CONFIG_LIST_MAX + 1]; /* those of the configuration, and the listener's own address */
    struct listener *listener;
    size_t visits;
    bool is_freed; /* as soon as there are none */
};

/* Frees it. */
void door_release(struct door *door);

/* Takes `fd` over in every case, the ticket where 0 is returned; or -errno. */
int door_open_visit(struct door *door, int fd, const char *address, const struct admission_ticket *ticket);

/* Ends the connections of `door` that are not sessions, or of all doors for NULL. */
void door_end_visits_of(struct bridge *bridge, const struct door *door);

#endif
