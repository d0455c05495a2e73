/* Visits: the connections that a door has let in, until they are somebody else's. */
#include "bridge/door/door_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bridge/door/door_route.h"
#include "bridge/door/forwarded.h"
#include "bridge/peer/native_peer.h"
#include "bridge/peer/ws_peer.h"
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

/* The visitor stays, with somebody else; or has gone. */
static void forget_visit(struct door_visit *visit) {
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
    forget_visit(visit);
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

static struct backend *backend_at(const struct door *door, size_t place) {
    return place == SIZE_MAX ? NULL : door->bridge->backends[place];
}

/* What holds for pages that come in here, for the upstream at `place`. */
static struct policy policy_at(const struct door *door, size_t place) {
    const struct config *config = door->bridge->config;
    struct policy policy = {0};
    policy_add(&policy, &config->policy);
    policy_add(&policy, &door->config->policy);
    if (place != SIZE_MAX) {
        policy_add(&policy, &config->upstreams[place].policy);
    }
    return policy;
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
    } else if (native_peer_new(door->bridge, backend_at(door, door->config->upstreams[0]), &visit->visitor) <
               0) {
        wrong = "out of memory";
    }
    if (wrong == NULL) {
        forget_visit(visit);
        return DAFFI_PROBE_BYTES;
    }
    log_peer(CONFIG_LOG_WARNING, "refused a connection from %s: %s", visit->visitor.address, wrong);
    visit->state = VISIT_ENDING;
    connection_abort(visit->visitor.connection, -EACCES, wrong);
    return in.length;
}

/* -- HTTP -- */

int door_sink_write(void *owner, const void *bytes, size_t length) {
    return connection_write(owner, bytes, length);
}

static struct response_sink sink_of(const struct door_visit *visit) {
    return (struct response_sink){.write = door_sink_write, .owner = visit->visitor.connection};
}

void door_refuse(struct door_visit *visit, const struct request_refusal *refusal, bool to_head) {
    const struct response_sink sink = sink_of(visit);
    (void)response_refuse(refusal, to_head, &sink);
    door_end_visit(visit);
}

static void take_upgrade(struct door_visit *visit, const struct request_head *head) {
    struct door *door = visit->door;
    struct door_route route;
    struct request_refusal refusal;
    int status = door_route_find(door->bridge->config, door->config, &door->rule, head, &route, &refusal);
    if (status < 0) {
        if (status == -EACCES) {
            door_count(visit, COUNTER_REFUSED_ORIGIN);
            log_peer(CONFIG_LOG_WARNING, "refused a page from %s: %s", visit->visitor.address, route.text);
        }
        door_refuse(visit, &refusal, false);
        return;
    }
    struct auth_grant *grant = NULL;
    door_route_check_token(door->bridge->config, head, (uint64_t)time(NULL), &route, &grant);
    const struct response_sink sink = sink_of(visit);
    (void)response_switch_protocols(route.accept, &sink);
    const struct ws_peer_setup setup = {
        .bridge = door->bridge,
        .backend = backend_at(door, route.upstream),
        .no_backend = route.text,
        .wants_offer = route.wants_offer,
        .policy = policy_at(door, route.upstream),
        .grant = grant,
        .tab = route.tab,
    };
    status = ws_peer_new(&setup, &visit->visitor);
    if (status < 0) {
        auth_grant_free(grant);
        visit->state = VISIT_ENDING;
        connection_abort(visit->visitor.connection, status, "out of memory");
        return;
    }
    forget_visit(visit);
}

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

static void on_forwarded(void *owner, int r, bool keeps) {
    struct door_visit *visit = owner;
    forward_free(visit->forward);
    visit->forward = NULL;
    if (visit->state != VISIT_FORWARDING) {
        return;
    }
    connection_resume(visit->visitor.connection);
    door_go_on(visit, keeps && r >= 0);
}

static void forward_to_site(struct door_visit *visit, const struct request_head *head) {
    const struct response_sink sink = sink_of(visit);
    int status = visit->door->site == NULL
                     ? -ENOENT
                     : forward_new(visit->door->site, head, &sink, on_forwarded, visit, &visit->forward);
    if (status < 0) {
        const struct request_refusal refusal =
            status == -ENOENT
                ? (struct request_refusal){.status = 404, .text = "there is no such page here"}
                : (struct request_refusal){.status = 503, .text = "the bridge can't serve this now"};
        door_refuse(visit, &refusal, head->method == REQUEST_HEAD);
        return;
    }
    visit->state = VISIT_FORWARDING;
    timer_clear(reactor_timers(visit->door->bridge->reactor), &visit->deadline);
    connection_pause(visit->visitor.connection);
}

static void take_page(struct door_visit *visit, const struct request_head *head) {
    char text[DOOR_ROUTE_TEXT_MAX];
    struct request_refusal refusal;
    if (door_route_check_page(&visit->door->rule, head, text, &refusal) < 0) {
        door_count(visit, COUNTER_REFUSED_ORIGIN);
        log_peer(CONFIG_LOG_WARNING, "refused a request from %s: %s", visit->visitor.address, text);
        door_refuse(visit, &refusal, head->method == REQUEST_HEAD);
        return;
    }
    const struct page_source *pages = visit->door->bridge->pages;
    const struct response_sink sink = sink_of(visit);
    struct page_body body = {.fd = -1};
    int status = pages != NULL ? pages->answer(pages->owner, head, &sink, &body) : -ENOENT;
    if (status == -ENOENT) {
        forward_to_site(visit, head);
    } else if (body.fd >= 0) {
        door_begin_body(visit, &body, response_keeps_alive(head));
    } else {
        door_go_on(visit, status == 0 && response_keeps_alive(head));
    }
}

/* Assets are for everybody, under any name: there is nothing in them that is not public. */
static void take_request(struct door_visit *visit, const struct request_head *head) {
    visit->requests++;
    if (ws_upgrade_is_asked(head)) {
        door_count(visit, COUNTER_HTTP_UPGRADES);
        if (door_is_listener(visit->door, head)) {
            door_take_listener(visit, head);
        } else {
            take_upgrade(visit, head);
        }
        return;
    }
    admission_serve(&visit->visitor.ticket);
    const struct response_sink sink = sink_of(visit);
    int status = assets_answer(visit->door->assets, head, &sink);
    door_count(visit, status == -ENOENT ? COUNTER_HTTP_PAGES : COUNTER_HTTP_ASSETS);
    if (status == -ENOENT) {
        take_page(visit, head);
    } else {
        door_go_on(visit, status == 0 && response_keeps_alive(head));
    }
}

/* For whom a trusted proxy asks: each request may be another's. 0, or -errno and *ret_refusal. */
static int learn_client(struct door_visit *visit, const struct request_head *head,
                        struct request_refusal *ret_refusal) {
    const struct door *door = visit->door;
    const struct config_listener *config = door->config;
    char address[FORWARDED_ADDRESS_MAX];
    if (config->proxy_header != CONFIG_PROXY_FORWARDED_FOR || !door_trusts(door, visit->peer)) {
        return 0;
    }
    int status = forwarded_find(head, config->proxies, config->proxies_count, address);
    if (status == -EPROTO) {
        *ret_refusal = (struct request_refusal){
            .status = 400, .text = "X-Forwarded-For names no address where the client's is expected"};
        return status;
    }
    if (status < 0) {
        snprintf(address, sizeof address, "%s", visit->peer);
    }
    const char *reason = NULL;
    status = admission_move(&visit->visitor.ticket, address, reactor_now(door->bridge->reactor), &reason);
    if (status < 0) {
        *ret_refusal = (struct request_refusal){.status = 503, .text = reason};
        return status;
    }
    snprintf(visit->visitor.address, sizeof visit->visitor.address, "%s", address);
    return 0;
}

/* Bytes dealt with, as take_native. The visit may be somebody else's behind it: it says so. */
static size_t take_head(struct door_visit *visit, struct daffi_span in, bool *ret_handed_on) {
    const struct config_limits *limits = &visit->door->bridge->config->limits;
    const struct request_limits head_limits = {.head_bytes = limits->head_bytes, .headers = limits->headers};
    struct request_head head;
    struct request_refusal refusal;
    size_t size = 0;
    int status = request_head_parse(in, &head_limits, &head, &size, &refusal);
    if (status == -EAGAIN) {
        return 0;
    }
    if (status < 0) {
        door_count(visit, COUNTER_REFUSED_REQUEST);
        log_peer(CONFIG_LOG_INFO, "refused a request from %s: %d %s", visit->visitor.address, refusal.status,
                 refusal.text);
        door_refuse(visit, &refusal, false);
        return in.length;
    }
    if (learn_client(visit, &head, &refusal) < 0) {
        door_count(visit, COUNTER_REFUSED_REQUEST);
        log_peer(CONFIG_LOG_WARNING, "refused a request from %s: %d %s", visit->visitor.address,
                 refusal.status, refusal.text);
        door_refuse(visit, &refusal, head.method == REQUEST_HEAD);
        return in.length;
    }
    take_request(visit, &head);
    *ret_handed_on = visit->retired.release != NULL;
    return size;
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
            taken = take_head(visit, rest, &handed_on);
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
        bridge->config, door->tls == NULL ? bridge->config->timeouts.head : bridge->config->timeouts.tls);
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
