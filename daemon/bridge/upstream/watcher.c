#include "bridge/upstream/watcher.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bridge/members/presence.h"
#include "bridge/upstream/upstream_internal.h"
#include "ops/log.h"

enum {
    REST_MS = 250, /* after the first failure */
    REST_MAX_MS = 30000,
    STEADY_MS = 10000, /* of watching, after which the next failure is a first one */
    RANDOM_BYTES = 12,
    NAME_MAX_BYTES = sizeof PRESENCE_WATCHER + RANDOM_BYTES + RANDOM_BYTES,
    DETAIL_MAX = 256,
    QUOTED_MAX = 128,
};

enum watcher_state {
    WATCHER_RESTING,
    WATCHER_CONNECTING, /* no connection yet */
    WATCHER_OPENING,    /* TLS's handshake */
    WATCHER_GREETING,   /* the other side has not answered yet */
    WATCHER_WATCHING,
    WATCHER_LOST,   /* the connection is on its way to on_closed, then it rests */
    WATCHER_ENDING, /* likewise; then it is no more */
};

struct watcher {
    struct reactor_retired retired;
    enum watcher_state state;
    struct upstream *upstream; /* not while ENDING */
    struct bridge *bridge;
    struct presence_list *list;
    struct connector *connector;   /* CONNECTING */
    struct connection *connection; /* from OPENING on */
    struct timer timer;            /* RESTING; GREETING: for the answer */
    uint64_t rest_ms, since;       /* the next rest; when it began to watch */
    char name[NAME_MAX_BYTES];
};

static void begin_rest(struct watcher *watcher);

/* -- the end -- */

static void release(struct reactor_retired *retired) {
    free((struct watcher *)(void *)((char *)retired - offsetof(struct watcher, retired)));
}

/* It could not be had, or is lost: a sentence says why. */
static void lose(struct watcher *watcher, const char *detail) {
    struct connection *connection = watcher->connection;
    uint64_t now = reactor_now(watcher->bridge->reactor);
    if (watcher->state == WATCHER_WATCHING && now - watcher->since >= STEADY_MS) {
        watcher->rest_ms = REST_MS;
    }
    presence_forget(watcher->list);
    upstream_tell(watcher->upstream, false, detail);
    connector_free(watcher->connector);
    watcher->connector = NULL;
    timer_clear(reactor_timers(watcher->bridge->reactor), &watcher->timer);
    if (connection != NULL) {
        watcher->state = WATCHER_LOST;
        connection_abort(connection, 0, "");
    } else {
        begin_rest(watcher);
    }
}

void watcher_free(struct watcher *watcher) {
    if (watcher == NULL) {
        return;
    }
    presence_close(watcher->list);
    watcher->list = NULL;
    watcher->state = WATCHER_ENDING;
    watcher->upstream = NULL;
    timer_clear(reactor_timers(watcher->bridge->reactor), &watcher->timer);
    connector_free(watcher->connector);
    watcher->connector = NULL;
    if (watcher->connection != NULL) {
        connection_close(watcher->connection, BRIDGE_GOODBYE_MS);
    } else {
        watcher->retired.release = release;
        reactor_retire(watcher->bridge->reactor, &watcher->retired);
    }
}

/* -- what the other side says -- */

static int take_members(struct watcher *watcher, const struct daffi_message *message,
                        const char **ret_wrong) {
    struct daffi_handshake *handshake = NULL;
    struct daffi_fault fault = {.text = "the bridge is out of memory"};
    int status = daffi_handshake_parse_server(message->payload, &handshake, &fault);
    if (status < 0) {
        *ret_wrong = fault.text;
        return status;
    }
    bool is_answer = watcher->state == WATCHER_GREETING &&
                     daffi_span_equal(message->transmitter, daffi_span_text(watcher->name));
    bool is_router = handshake->type == DAFFI_TYPE_ROUTER;
    if (is_answer && handshake->error != NULL) {
        *ret_wrong = "it refused the bridge's own handshake";
        status = -EACCES;
    }
    for (size_t i = 0; i < handshake->members_count && status == 0 && is_router; i++) {
        status = presence_put(watcher->list, &handshake->members[i]);
    }
    daffi_handshake_free(handshake);
    if (status == 0 && is_answer) {
        watcher->state = WATCHER_WATCHING;
        watcher->since = reactor_now(watcher->bridge->reactor);
        timer_clear(reactor_timers(watcher->bridge->reactor), &watcher->timer);
        if (is_router) {
            presence_know(watcher->list);
        }
        upstream_tell(watcher->upstream, true, ""); /* whoever goes by that finds the rest done */
    }
    return status;
}

static int take_event(struct watcher *watcher, const struct daffi_message *message, const char **ret_wrong) {
    struct daffi_event event;
    struct daffi_fault fault = {.text = "the bridge is out of memory"};
    int status = daffi_event_parse(message->payload, &event, &fault);
    if (status < 0) {
        *ret_wrong = fault.text;
        return status;
    }
    const struct daffi_span name = daffi_span_text(event.member);
    bool has_come = event.type == DAFFI_EVENT_CONNECTED;
    if (has_come) {
        status = presence_come(watcher->list, name);
    } else {
        presence_leave(watcher->list, name);
    }
    char quoted[QUOTED_MAX];
    log_peer(CONFIG_LOG_DEBUG, "upstream %s: \"%s\" has %s", watcher->upstream->config->name,
             log_quote(quoted, sizeof quoted, event.member, name.length), has_come ? "come" : "gone");
    return status;
}

/* Answers and calls are nothing to it. */
static int take_message(struct watcher *watcher, const struct daffi_message *message,
                        const char **ret_wrong) {
    if (message->flag == DAFFI_HANDSHAKE) {
        return take_members(watcher, message, ret_wrong);
    }
    if (message->flag == DAFFI_EVENTS) {
        return take_event(watcher, message, ret_wrong);
    }
    if (message->flag == DAFFI_ERROR && watcher->state == WATCHER_GREETING) {
        *ret_wrong = "it refused the bridge's own handshake";
        return -EACCES;
    }
    return 0;
}

/* -- the connection -- */

static bool is_live(const struct watcher *watcher) {
    return watcher->state == WATCHER_GREETING || watcher->state == WATCHER_WATCHING;
}

static ssize_t on_input(void *owner, uint8_t *bytes, size_t length) {
    struct watcher *watcher = owner;
    size_t at = 0;
    while (at < length && is_live(watcher)) {
        struct daffi_message message;
        struct daffi_fault fault;
        size_t size = 0;
        int status = daffi_message_decode(daffi_span_of(bytes + at, length - at), &message, &size, &fault);
        if (status == -EAGAIN) {
            connection_expect(watcher->connection, size);
            return (ssize_t)at;
        }
        const char *wrong = status < 0 ? fault.text : "the bridge is out of memory";
        if (status == 0) {
            status = take_message(watcher, &message, &wrong);
            at += size;
        }
        if (status < 0) {
            char detail[DETAIL_MAX];
            snprintf(detail, sizeof detail, "it sent something wrong: %s", wrong);
            lose(watcher, detail);
        }
    }
    return (ssize_t)(is_live(watcher) ? at : length);
}

static void on_end(void *owner) {
    struct watcher *watcher = owner;
    if (is_live(watcher)) {
        lose(watcher, "it closed the bridge's own connection");
    }
}

static void on_closed(void *owner, int reason, const char *detail) {
    (void)reason;
    struct watcher *watcher = owner;
    bridge_forget_connection(watcher->bridge);
    watcher->connection = NULL;
    if (watcher->state == WATCHER_ENDING) {
        watcher->retired.release = release;
        reactor_retire(watcher->bridge->reactor, &watcher->retired);
    } else if (watcher->state == WATCHER_LOST) {
        begin_rest(watcher);
    } else {
        lose(watcher, detail);
    }
}

static int greet(struct watcher *watcher) {
    static const uint8_t probe[DAFFI_PROBE_BYTES] = {DAFFI_PROBE, DAFFI_PROBE, DAFFI_PROBE,
                                                     DAFFI_PROBE, DAFFI_PROBE, DAFFI_PROBE,
                                                     DAFFI_PROBE, DAFFI_PROBE, DAFFI_PROBE};
    uint8_t random[RANDOM_BYTES];
    if (RAND_bytes(random, sizeof random) != 1) {
        return -EIO;
    }
    size_t used = (size_t)snprintf(watcher->name, sizeof watcher->name, "%s", PRESENCE_WATCHER);
    for (size_t i = 0; i < sizeof random; i++) {
        used += (size_t)snprintf(watcher->name + used, sizeof watcher->name - used, "%02x", random[i]);
    }
    struct daffi_member self = {.name = watcher->name};
    const struct daffi_handshake handshake = {
        .type = DAFFI_TYPE_CLIENT, .members = &self, .members_count = 1};
    const struct daffi_message envelope = {
        .uuid = 1, .return_result = true, .transmitter = daffi_span_text(watcher->name)};
    struct own_message own = {0};
    int status = own_message_handshake(&envelope, &handshake, &own);
    if (status == 0) {
        /* A refused write ends in on_closed. */
        const struct stream_piece pieces[] = {
            {probe, sizeof probe}, {own.head.data, own.head.length}, {own.payload.data, own.payload.length}};
        (void)connection_write_pieces(watcher->connection, pieces, 3);
        own_message_clear(&own);
    }
    return status;
}

static void on_open(void *owner) {
    struct watcher *watcher = owner;
    if (watcher->state != WATCHER_OPENING) {
        return;
    }
    struct reactor *reactor = watcher->bridge->reactor;
    watcher->state = WATCHER_GREETING;
    int status = greet(watcher);
    if (status == 0) {
        status = timer_set(reactor_timers(reactor), &watcher->timer,
                           reactor_now(reactor) + watcher->upstream->whole->timeouts.upstream_connect);
    }
    if (status < 0) {
        lose(watcher, strerror(-status));
    }
}

static const struct connection_handler handler = {
    .on_open = on_open, .on_input = on_input, .on_end = on_end, .on_closed = on_closed};

/* Takes `fd` over in every case. */
static int open_connection(struct watcher *watcher, int fd) {
    const struct upstream *upstream = watcher->upstream;
    struct bridge *bridge = watcher->bridge;
    struct stream *stream = NULL;
    int status = upstream_open_stream(upstream, fd, &stream);
    if (status < 0) {
        return status;
    }
    const struct connection_limits limits = bridge_connection_limits(
        upstream->whole, upstream->whole->timeouts.upstream_connect, BRIDGE_GOODBYE_MS);
    status = connection_new(bridge->reactor, stream, &limits, &handler, watcher, &watcher->connection);
    if (status == 0) {
        bridge->connections++;
        watcher->state = WATCHER_OPENING;
    }
    return status;
}

static void on_connected(void *owner, int fd, const char *detail) {
    struct watcher *watcher = owner;
    connector_free(watcher->connector);
    watcher->connector = NULL;
    int status = fd < 0 ? fd : open_connection(watcher, fd);
    if (status < 0) {
        lose(watcher, fd < 0 ? detail : strerror(-status));
    }
}

/* -- its turns -- */

static void on_due(struct timer *timer, uint64_t now) {
    (void)now;
    struct watcher *watcher = (struct watcher *)(void *)((char *)timer - offsetof(struct watcher, timer));
    if (watcher->state != WATCHER_RESTING) {
        lose(watcher, "it did not answer the bridge's own handshake in time");
        return;
    }
    watcher->state = WATCHER_CONNECTING;
    int status =
        connector_new(watcher->upstream->endpoint, watcher->upstream->whole->timeouts.upstream_connect,
                      on_connected, watcher, &watcher->connector);
    if (status < 0) {
        lose(watcher, strerror(-status));
    }
}

/* Some time between half of it and all, so that bridges do not come back all at once. */
static void begin_rest(struct watcher *watcher) {
    struct reactor *reactor = watcher->bridge->reactor;
    uint32_t random = 0;
    (void)RAND_bytes((unsigned char *)&random, sizeof random);
    uint64_t rest = watcher->rest_ms / 2 + random % (watcher->rest_ms / 2 + 1);
    watcher->rest_ms = watcher->rest_ms * 2 < REST_MAX_MS ? watcher->rest_ms * 2 : REST_MAX_MS;
    watcher->state = WATCHER_RESTING;
    if (watcher->bridge->stopping ||
        timer_set(reactor_timers(reactor), &watcher->timer, reactor_now(reactor) + rest) < 0) {
        return; /* without memory it rests until the next reload */
    }
}

int watcher_new(struct upstream *upstream, struct watcher **ret_watcher) {
    struct watcher *watcher = calloc(1, sizeof *watcher);
    if (watcher == NULL) {
        return -ENOMEM;
    }
    struct reactor *reactor = upstream->bridge->reactor;
    watcher->upstream = upstream;
    watcher->bridge = upstream->bridge;
    watcher->rest_ms = REST_MS;
    watcher->timer.on_due = on_due;
    int status = presence_open(upstream->bridge->presence, upstream->backend.place, &watcher->list);
    if (status == 0) {
        status = timer_set(reactor_timers(reactor), &watcher->timer, reactor_now(reactor));
    }
    if (status < 0) {
        presence_close(watcher->list);
        free(watcher);
        return status;
    }
    upstream_health_watch(upstream->health);
    *ret_watcher = watcher;
    return 0;
}
