/* Visits: the connections that a door has let in, until they are somebody else's. */
#include "bridge/door/door_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bridge/door/door_route.h"
#include "bridge/peer/native_peer.h"
#include "ops/log.h"

/* -- the end -- */

static void release(struct reactor_retired *retired) {
    struct door_visit *visit =
        (struct door_visit *)(void *)((char *)retired - offsetof(struct door_visit, retired));
    struct door *door = visit->door;
    free(visit);
    if (--door->visits == 0 && door->is_freed) {
        door_release(door);
    }
}

void door_forget_visit(struct door_visit *visit) {
    struct bridge *bridge = visit->door->bridge;
    door_close_body(visit);
    timer_clear(reactor_timers(bridge->reactor), &visit->deadline);
    forward_free(visit->forward);
    visit->forward = NULL;
    if (visit->next != NULL) {
        visit->next->previous = visit->previous;
    }
    if (visit->previous != NULL) {
        visit->previous->next = visit->next;
    } else {
        bridge->visits = visit->next;
    }
    bridge_leave_kind(bridge, BRIDGE_VISITOR);
    visit->retired.release = release;
    reactor_retire(bridge->reactor, &visit->retired);
}

static void on_closed(void *owner, int reason, const char *detail) {
    struct door_visit *visit = owner;
    struct bridge *bridge = visit->door->bridge;
    if (reason < 0 && visit->state != VISIT_ENDING) {
        bool is_told = reason == -ECANCELED || (reason == -EPROTO && visit->door->config->client_ca != NULL);
        log_peer(is_told ? CONFIG_LOG_WARNING : CONFIG_LOG_DEBUG, "connection from %s ended: %s",
                 visit->visitor.address, detail);
    }
    door_account_end(visit, detail);
    visit->state = VISIT_ENDING;
    admission_leave(&visit->visitor.ticket);
    bridge_forget_connection(bridge);
    door_forget_visit(visit);
}

/* What is queued still goes out. */
void door_end_visit(struct door_visit *visit) {
    struct bridge *bridge = visit->door->bridge;
    if (visit->state == VISIT_LISTENING) {
        door_dismiss_listener(visit);
    }
    visit->state = VISIT_ENDING;
    timer_clear(reactor_timers(bridge->reactor), &visit->deadline);
    connection_close(visit->visitor.connection, bridge->config->timeouts.drain);
}

static void on_deadline(struct timer *timer, uint64_t now) {
    (void)now;
    door_end_visit((struct door_visit *)(void *)((char *)timer - offsetof(struct door_visit, deadline)));
}

/* For the next request, or the first bytes. */
static void set_deadline(struct door_visit *visit) {
    struct reactor *reactor = visit->door->bridge->reactor;
    uint64_t due = reactor_now(reactor) + visit->door->bridge->config->timeouts.head;
    if (timer_set(reactor_timers(reactor), &visit->deadline, due) < 0) {
        connection_abort(visit->visitor.connection, -ENOMEM, "out of memory");
    }
}

/* -- native peers -- */

static bool takes_native(const struct door *door, const char *address) {
    switch (door->config->native) {
    case CONFIG_NATIVE_ALL:
        return true;
    case CONFIG_NATIVE_LOOPBACK:
        return door_is_local(address);
    case CONFIG_NATIVE_NONE:
        break;
    }
    return false;
}

struct backend *door_backend_at(const struct door *door, size_t place) {
    return place == SIZE_MAX ? NULL : door->bridge->backends[place];
}

/* Bytes dealt with. */
static size_t take_native(struct door_visit *visit, struct daffi_span in) {
    struct door *door = visit->door;
    size_t probes = 0;
    while (probes < in.length && probes < DAFFI_PROBE_BYTES && in.data[probes] == DAFFI_PROBE) {
        probes++;
    }
    if (probes == in.length && probes < DAFFI_PROBE_BYTES) {
        return 0;
    }
    const char *wrong = NULL;
    if (probes < DAFFI_PROBE_BYTES) {
        wrong = "its first bytes are neither HTTP nor daffi's probe";
        door_count(visit, COUNTER_REFUSED_PROTOCOL);
    } else if (!takes_native(door, visit->visitor.address)) {
        wrong = door->whole->development
                    ? "Python peers come in by localhost alone" /* there is no option for more */
                    : "this listener takes no native daffi peers from there (--native)";
        door_count(visit, COUNTER_REFUSED_NATIVE);
    } else if (native_peer_new(door->bridge, door_backend_at(door, door->config->upstreams[0]),
                               &visit->visitor) < 0) {
        wrong = "out of memory";
    }
    if (wrong == NULL) {
        door_forget_visit(visit);
        return DAFFI_PROBE_BYTES;
    }
    log_peer(CONFIG_LOG_WARNING, "refused a connection from %s: %s", visit->visitor.address, wrong);
    visit->state = VISIT_ENDING;
    connection_abort(visit->visitor.connection, -EACCES, wrong);
    return in.length;
}

/* -- from request to request -- */

/* An answer is queued: another request, when there is room for another answer. */
void door_go_on(struct door_visit *visit, bool keeps) {
    if (!keeps || visit->door->bridge->stopping || visit->door->is_freed) {
        door_end_visit(visit);
        return;
    }
    visit->state = VISIT_READING;
    if (connection_is_congested(visit->visitor.connection)) {
        visit->state = VISIT_DRAINING;
        timer_clear(reactor_timers(visit->door->bridge->reactor), &visit->deadline);
        connection_pause(visit->visitor.connection);
    } else {
        set_deadline(visit);
    }
}

static void on_drained(void *owner) {
    struct door_visit *visit = owner;
    if (visit->state == VISIT_SENDING) {
        door_send_body(visit);
    } else if (visit->state == VISIT_DRAINING) {
        visit->state = VISIT_READING;
        set_deadline(visit);
        connection_resume(visit->visitor.connection);
    }
}

static ssize_t on_input(void *owner, uint8_t *bytes, size_t length) {
    struct door_visit *visit = owner;
    size_t at = 0;
    bool handed_on = false;
    if (visit->state == VISIT_LISTENING) {
        door_end_visit(visit);
    }
    while (at < length && (visit->state == VISIT_NEW || visit->state == VISIT_READING)) {
        const struct daffi_span rest = daffi_span_of(bytes + at, length - at);
        size_t taken;
        if (visit->state == VISIT_NEW && rest.data[0] == DAFFI_PROBE) {
            taken = take_native(visit, rest);
            handed_on = visit->retired.release != NULL;
        } else {
            taken = door_take_head(visit, rest, &handed_on);
        }
        at += taken;
        if (taken == 0 || handed_on) {
            return (ssize_t)at;
        }
    }
    return (ssize_t)(visit->state == VISIT_ENDING ? length : at);
}

static void on_open(void *owner) {
    struct door_visit *visit = owner;
    visit->is_open = true;
    if (visit->is_tls) {
        door_count(visit, COUNTER_TLS_DONE);
    }
    if (visit->door->config->client_name) {
        (void)connection_peer_name(visit->visitor.connection, visit->bound_name, sizeof visit->bound_name);
        visit->visitor.bound_name = visit->bound_name;
    }
    if (visit->state == VISIT_NEW) {
        set_deadline(visit);
    }
}

/* What was asked before is still answered. */
static void on_end(void *owner) {
    struct door_visit *visit = owner;
    if (visit->state == VISIT_NEW || visit->state == VISIT_READING || visit->state == VISIT_LISTENING) {
        door_end_visit(visit);
    }
}

static const struct connection_handler handler = {.on_open = on_open,
                                                  .on_input = on_input,
                                                  .on_end = on_end,
                                                  .on_drained = on_drained,
                                                  .on_closed = on_closed};

/* -- the beginning -- */

int door_open_visit(struct door *door, int fd, const char *address, const struct admission_ticket *ticket) {
    struct bridge *bridge = door->bridge;
    struct stream *stream = NULL;
    struct door_visit *visit = calloc(1, sizeof *visit);
    int status = -ENOMEM;
    if (visit == NULL) {
        goto fail;
    }
    status = door->tls == NULL ? stream_tcp_new(fd, &stream) : stream_tls_accept(door->tls, fd, &stream);
    if (status < 0) {
        goto fail;
    }
    fd = -1;
    visit->door = door;
    visit->visitor.ticket = *ticket;
    visit->deadline.on_due = on_deadline;
    visit->body.fd = -1;
    snprintf(visit->visitor.address, sizeof visit->visitor.address, "%s", address);
    snprintf(visit->peer, sizeof visit->peer, "%s", address);
    const struct connection_limits limits = bridge_connection_limits(
        bridge->config, door->tls == NULL ? bridge->config->timeouts.head : bridge->config->timeouts.tls, 0);
    status = connection_new(bridge->reactor, stream, &limits, &handler, visit, &visit->visitor.connection);
    if (status < 0) {
        goto fail;
    }
    visit->next = bridge->visits;
    if (visit->next != NULL) {
        visit->next->previous = visit;
    }
    bridge->visits = visit;
    door->visits++;
    admission_bind(&visit->visitor.ticket, visit->visitor.connection);
    visit->since = reactor_now(bridge->reactor);
    visit->is_tls = door->tls != NULL;
    bridge_enter_kind(bridge, BRIDGE_VISITOR, visit->visitor.connection);
    bridge->connections++;
    return 0;
fail:
    if (fd >= 0) {
        close(fd);
    }
    free(visit);
    return status;
}

/* What the site is being asked is still answered. */
void door_end_visits_of(struct bridge *bridge, const struct door *door, bool all) {
    for (struct door_visit *visit = bridge->visits; visit != NULL; visit = visit->next) {
        bool is_awaited = visit->state == VISIT_FORWARDING || visit->state == VISIT_SENDING ||
                          (visit->state == VISIT_NEW && !all);
        if ((door == NULL || visit->door == door) && visit->state != VISIT_ENDING && !is_awaited) {
            door_end_visit(visit);
        }
    }
}

void door_end_visits(struct bridge *bridge, bool all) {
    door_end_visits_of(bridge, NULL, all);
}
