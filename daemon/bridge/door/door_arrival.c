/* Connections of proxies that have still to say for whom they are. They are no visits yet: nobody is counted before it is known
 * who it is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bridge/door/door_internal.h"
#include "net/proxy_reader.h"
#include "ops/log.h"

struct door_arrival {
    struct door_arrival *next, *previous; /* of door->arrivals */
    struct door *door;
    struct proxy_reader *reader;
    char peer[ADDRESS_MAX];
};

static void forget(struct door_arrival *arrival) {
    struct door *door = arrival->door;
    if (arrival->next != NULL) {
        arrival->next->previous = arrival->previous;
    }
    if (arrival->previous != NULL) {
        arrival->previous->next = arrival->next;
    } else {
        door->arrivals = arrival->next;
    }
    door->arrivals_count--;
    proxy_reader_free(arrival->reader);
    free(arrival);
    bridge_forget_connection(door->bridge);
}

static void on_done(void *owner, int fd, const struct proxy_header *header, const char *detail) {
    struct door_arrival *arrival = owner;
    struct door *door = arrival->door;
    char address[PROXY_ADDRESS_MAX];
    if (fd < 0) {
        counter_up(&door->bridge->counters, COUNTER_REFUSED_REQUEST);
        log_peer(CONFIG_LOG_WARNING, "refused a connection from the proxy %s: %s", arrival->peer, detail);
        forget(arrival);
        return;
    }
    snprintf(address, sizeof address, "%s", header->address[0] != '\0' ? header->address : arrival->peer);
    door_let_in(door, fd, address);
    forget(arrival);
}

void door_await_arrival(struct door *door, int fd, const char *peer) {
    const struct config *config = door->whole;
    struct door_arrival *arrival =
        door->arrivals_count < config->limits.half_open ? calloc(1, sizeof *arrival) : NULL;
    int status = arrival == NULL ? -EUSERS
                                 : proxy_reader_new(door->bridge->reactor, fd, config->timeouts.head, on_done,
                                                    arrival, &arrival->reader);
    if (status < 0) {
        counter_up(&door->bridge->counters, COUNTER_REFUSED_RESOURCES);
        log_peer(CONFIG_LOG_WARNING, "refused a connection from the proxy %s: %s", peer,
                 status == -EUSERS ? "too many have not yet said for whom they are (limits.half_open)"
                                   : strerror(-status));
        close(fd);
        free(arrival);
        return;
    }
    arrival->door = door;
    snprintf(arrival->peer, sizeof arrival->peer, "%s", peer);
    arrival->next = door->arrivals;
    if (arrival->next != NULL) {
        arrival->next->previous = arrival;
    }
    door->arrivals = arrival;
    door->arrivals_count++;
    door->bridge->connections++;
}

void door_end_arrivals(struct door *door) {
    struct door_arrival *arrival = door->arrivals;
    while (arrival != NULL) {
        struct door_arrival *next = arrival->next;
        proxy_reader_free(arrival->reader);
        free(arrival);
        bridge_forget_connection(door->bridge);
        arrival = next;
    }
    door->arrivals = NULL;
    door->arrivals_count = 0;
}
