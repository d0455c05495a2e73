/* Requests, and who answers them: an upgrade leads to a session, the rest are assets, pages, or refused. */
#include "bridge/door/door_internal.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "bridge/door/door_route.h"
#include "bridge/door/forwarded.h"
#include "bridge/peer/ws_peer.h"
#include "ops/log.h"

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
        .backend = door_backend_at(door, route.upstream),
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
    door_forget_visit(visit);
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

size_t door_take_head(struct door_visit *visit, struct daffi_span in, bool *ret_handed_on) {
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
