#include "bridge/peer/ws_peer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/peer/ws_outbox.h"
#include "ws/ws_heartbeat.h"
#include "ws/ws_reader.h"

enum {
    NOTICED_MIN = 65536,  /* bytes of a message whose coming is told before */
    CLOSE_ECHO_MS = 2000, /* for the peer's own close frame to come */
};

enum ws_peer_state {
    WS_PEER_OPEN,
    WS_PEER_CLOSE_SENT, /* waiting for the peer's close frame */
    WS_PEER_ENDING,     /* the connection is closing: nothing is read, nothing written */
};

struct ws_peer {
    struct reactor_retired retired;
    enum ws_peer_state state;
    bool paused;
    struct bridge *bridge;
    const struct config *config; /* its session's; held */
    struct session *session;     /* NULL once it has been told of the end */
    struct connection *connection;
    struct admission_ticket ticket;
    struct ws_reader reader;
    struct timer timer; /* OPEN: the heartbeat's next look; CLOSE_SENT: the end */
    struct ws_heartbeat heartbeat;
    bool wants_offer;        /* our own client */
    struct ws_outbox outbox; /* its bound of a batch holds either way */
};

static void end_session(struct ws_peer *peer, const char *detail) {
    struct session *session = peer->session;
    peer->session = NULL;
    if (session != NULL) {
        session_on_closed(session, detail);
    }
}

static void end_connection(struct ws_peer *peer) {
    peer->state = WS_PEER_ENDING;
    ws_outbox_clear(&peer->outbox);
    timer_clear(reactor_timers(peer->bridge->reactor), &peer->timer);
    connection_close(peer->connection, peer->config->timeouts.drain);
}

/* -- the heartbeat -- */

static int set_timer(struct ws_peer *peer, uint64_t in_ms) {
    struct reactor *reactor = peer->bridge->reactor;
    return timer_set(reactor_timers(reactor), &peer->timer, reactor_now(reactor) + in_ms);
}

/* An empty message: pages can't see pings. */
static void send_beat(struct ws_peer *peer) {
    if (peer->wants_offer && !connection_is_congested(peer->connection)) {
        ws_outbox_send_empty(&peer->outbox, WS_BINARY);
    }
}

/* The peer is beyond reach: nothing more is sent, nobody's goodbye waited for. */
static void give_up(struct ws_peer *peer) {
    char reason[WS_REASON_MAX];
    snprintf(reason, sizeof reason, "the page gave no sign of life for %" PRIu64 " ms",
             peer->heartbeat.interval_ms + peer->heartbeat.answer_ms);
    end_session(peer, reason);
    peer->state = WS_PEER_ENDING;
    ws_outbox_clear(&peer->outbox);
    connection_abort(peer->connection, -ETIMEDOUT, reason);
}

static void look_for_life(struct ws_peer *peer, uint64_t now) {
    ws_heartbeat_hear(&peer->heartbeat, connection_read_at(peer->connection));
    const struct ws_heartbeat_verdict verdict =
        ws_heartbeat_look(&peer->heartbeat, now, peer->paused, connection_unacknowledged(peer->connection));
    if (verdict.dead) {
        give_up(peer);
        return;
    }
    if (verdict.ping) {
        ws_outbox_send_empty(&peer->outbox, WS_PING);
    }
    if (verdict.beat) {
        send_beat(peer);
    }
    (void)set_timer(peer, verdict.again_ms); /* it was set a moment ago: there is room for it */
}

static void on_timer(struct timer *timer, uint64_t now) {
    struct ws_peer *peer = (struct ws_peer *)(void *)((char *)timer - offsetof(struct ws_peer, timer));
    switch (peer->state) {
    case WS_PEER_OPEN:
        look_for_life(peer, now);
        break;
    case WS_PEER_CLOSE_SENT:
        end_connection(peer);
        break;
    case WS_PEER_ENDING:
        break;
    }
}

/* -- what the session calls -- */

/* Our own client, which hears of our signs of life. */
static bool takes_beats(const struct ws_peer *peer) {
    return peer->wants_offer && peer->heartbeat.interval_ms > 0;
}

static int transport_send(void *owner, struct daffi_span head, struct daffi_span payload) {
    struct ws_peer *peer = owner;
    if (peer->state != WS_PEER_OPEN) {
        return -EPIPE;
    }
    ws_heartbeat_tell(&peer->heartbeat, reactor_now(peer->bridge->reactor));
    if (head.length + payload.length >= NOTICED_MIN && takes_beats(peer)) {
        ws_outbox_send_notice(&peer->outbox, head.length + payload.length);
    }
    return ws_outbox_send_message(&peer->outbox, head, payload);
}

static void transport_close(void *owner, uint16_t code, const char *reason) {
    struct ws_peer *peer = owner;
    if (peer->state != WS_PEER_OPEN) {
        return;
    }
    ws_outbox_flush(&peer->outbox);
    ws_outbox_send_close(&peer->outbox, code, reason);
    peer->state = WS_PEER_CLOSE_SENT;
    if (peer->paused) {
        peer->paused = false;
        connection_resume(peer->connection);
    }
    if (set_timer(peer, CLOSE_ECHO_MS) < 0) {
        end_connection(peer);
    }
}

static void transport_pause(void *owner) {
    struct ws_peer *peer = owner;
    if (peer->state == WS_PEER_OPEN && !peer->paused) {
        peer->paused = true;
        connection_pause(peer->connection);
    }
}

static void transport_resume(void *owner) {
    struct ws_peer *peer = owner;
    if (peer->state == WS_PEER_OPEN && peer->paused) {
        peer->paused = false;
        connection_resume(peer->connection);
    }
}

static bool transport_is_congested(const void *owner) {
    const struct ws_peer *peer = owner;
    return peer->state == WS_PEER_OPEN && connection_is_congested(peer->connection);
}

static size_t transport_queued(const void *owner) {
    const struct ws_peer *peer = owner;
    return ws_outbox_queued(&peer->outbox);
}

static void transport_ping(void *owner) {
    struct ws_peer *peer = owner;
    if (peer->state == WS_PEER_OPEN) {
        ws_outbox_send_empty(&peer->outbox, WS_PING);
    }
}

static void transport_on_open(void *owner) {
    struct ws_peer *peer = owner;
    const struct config *config = peer->config;
    admission_settle(&peer->ticket);
    ws_reader_raise_limit(&peer->reader, session_message_limit(peer->session));
    peer->outbox.batch_limit = peer->wants_offer ? bridge_batch_limit(config) : 0;
    ws_heartbeat_begin(&peer->heartbeat, config->timeouts.heartbeat, config->timeouts.heartbeat_answer,
                       reactor_now(peer->bridge->reactor));
    if (config->timeouts.heartbeat > 0 && set_timer(peer, config->timeouts.heartbeat) < 0) {
        session_close(peer->session, WS_CODE_INTERNAL, "the bridge is out of memory");
    }
}

static void transport_measure(const void *owner, uint64_t *ret_received, uint64_t *ret_sent) {
    const struct ws_peer *peer = owner;
    *ret_received = connection_bytes_read(peer->connection);
    *ret_sent = connection_bytes_written(peer->connection);
}

static const struct session_transport transport = {
    .send = transport_send,
    .close = transport_close,
    .pause = transport_pause,
    .resume = transport_resume,
    .is_congested = transport_is_congested,
    .on_open = transport_on_open,
    .queued = transport_queued,
    .ping = transport_ping,
    .measure = transport_measure,
};

/* -- what comes -- */

/* Whether the first message of `data` was taken; its length then is in *ret_size. */
static bool take_first_message(struct ws_peer *peer, struct daffi_span data, size_t *ret_size) {
    struct daffi_message message;
    struct daffi_fault fault;
    int status = daffi_message_decode(data, &message, ret_size, &fault);
    if (status == -EPROTO) {
        session_on_malformed(peer->session, fault.text);
    } else if (status == -EAGAIN) {
        session_on_malformed(peer->session, "the message is shorter than its header says, or than a header");
    } else if (*ret_size != data.length && peer->outbox.batch_limit == 0) {
        session_on_malformed(peer->session, "the message is longer than its header says");
    } else if (*ret_size != data.length && data.length > peer->outbox.batch_limit) {
        char text[WS_REASON_MAX];
        snprintf(text, sizeof text,
                 "a batch of messages has %zu bytes; at most %zu are taken (bridge.maxBatch)", data.length,
                 peer->outbox.batch_limit);
        session_on_malformed(peer->session, text);
    } else {
        session_on_message(peer->session, &message, daffi_span_of(data.data, *ret_size));
        return true;
    }
    return false;
}

/* One message, or a batch of them; an empty one asks for a sign of life. */
static void take_messages(struct ws_peer *peer, struct daffi_span data) {
    if (data.length == 0 && peer->wants_offer && peer->heartbeat.interval_ms > 0) {
        send_beat(peer);
        return;
    }
    size_t size = 0;
    do {
        if (!take_first_message(peer, data, &size)) {
            break;
        }
        data = daffi_span_of(data.data + size, data.length - size);
    } while (data.length > 0 && peer->state == WS_PEER_OPEN);
}

static void take_oversize(struct ws_peer *peer, struct daffi_span data) {
    struct daffi_message message;
    struct daffi_fault fault;
    size_t size = 0;
    int status = daffi_message_decode_head(data, &message, &size, &fault);
    if (status == -EPROTO) {
        session_on_malformed(peer->session, fault.text);
    } else if (status == -EAGAIN || size <= session_message_limit(peer->session)) {
        session_on_malformed(peer->session, "the message is longer than its header says");
    } else {
        session_on_oversize(peer->session, &message, size);
    }
}

/* The peer says goodbye first: its session is over before the answer is out. */
static void take_close(struct ws_peer *peer, uint16_t code) {
    if (peer->state == WS_PEER_OPEN) {
        ws_outbox_send_close(&peer->outbox, code, "");
    }
    if (peer->session != NULL) {
        session_note_close(peer->session, code);
    }
    end_session(peer, "by the page");
    end_connection(peer);
}

static void take_event(struct ws_peer *peer, const struct ws_event *event) {
    if (event->type == WS_EVENT_CLOSE) {
        take_close(peer, event->code);
        return;
    }
    if (peer->state != WS_PEER_OPEN) {
        return;
    }
    switch (event->type) {
    case WS_EVENT_MESSAGE:
    case WS_EVENT_OVERSIZE:
        if (event->text) {
            session_close(peer->session, WS_CODE_UNSUPPORTED,
                          "text messages are not taken: daffi messages are binary");
        } else if (event->type == WS_EVENT_MESSAGE) {
            take_messages(peer, event->data);
        } else {
            take_oversize(peer, event->data);
        }
        break;
    case WS_EVENT_PING:
        /* A peer that does not read its pongs gets no more of them (RFC 6455, 5.5.3 lets us answer the last alone). */
        if (!connection_is_congested(peer->connection)) {
            (void)ws_outbox_send_frame(&peer->outbox, WS_PONG, event->data, daffi_span_of(NULL, 0));
        }
        break;
    case WS_EVENT_PONG:
        session_on_alive(peer->session);
        break;
    case WS_EVENT_CLOSE:
        break;
    }
}

/* A fault of framing: what comes behind it can't be told apart any more, so no close frame is waited for. */
static void end_for_fault(struct ws_peer *peer, uint16_t code, const char *text) {
    if (peer->state == WS_PEER_OPEN) {
        session_close(peer->session, code, text);
    }
    end_connection(peer);
}

static ssize_t on_input(void *owner, uint8_t *bytes, size_t length) {
    struct ws_peer *peer = owner;
    size_t at = 0;
    while (peer->state != WS_PEER_ENDING && !peer->paused) {
        struct ws_event event;
        size_t consumed = 0;
        size_t needed = 0;
        uint16_t code = 0;
        struct daffi_fault fault;
        int status =
            ws_reader_next(&peer->reader, bytes + at, length - at, &event, &consumed, &needed, &code, &fault);
        if (status < 0) {
            end_for_fault(peer, code, fault.text);
            break;
        }
        if (status == 1) {
            take_event(peer, &event);
        }
        at += consumed;
        if (status == 0) {
            connection_expect(peer->connection, needed);
            return (ssize_t)at;
        }
    }
    return (ssize_t)(peer->state == WS_PEER_ENDING ? length : at);
}

static void on_drained(void *owner) {
    struct ws_peer *peer = owner;
    if (peer->session != NULL) {
        session_on_drained(peer->session);
    }
}

static void on_end(void *owner) {
    struct ws_peer *peer = owner;
    end_session(peer, "the connection ended without a close frame");
    end_connection(peer);
}

static void release(struct reactor_retired *retired) {
    struct ws_peer *peer = (struct ws_peer *)(void *)((char *)retired - offsetof(struct ws_peer, retired));
    config_drop(peer->config);
    free(peer);
}

static void on_closed(void *owner, int reason, const char *detail) {
    (void)reason;
    struct ws_peer *peer = owner;
    struct reactor *reactor = peer->bridge->reactor;
    peer->state = WS_PEER_ENDING;
    end_session(peer, detail);
    bridge_leave_kind(peer->bridge, BRIDGE_PAGE);
    timer_clear(reactor_timers(reactor), &peer->timer);
    ws_outbox_clear(&peer->outbox);
    admission_leave(&peer->ticket);
    bridge_forget_connection(peer->bridge);
    peer->retired.release = release;
    reactor_retire(reactor, &peer->retired);
}

static const struct connection_handler handler = {
    .on_input = on_input, .on_end = on_end, .on_drained = on_drained, .on_closed = on_closed};

int ws_peer_new(const struct ws_peer_setup *setup, const struct visitor *visitor) {
    struct ws_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
        return -ENOMEM;
    }
    const struct session_setup session = {
        .bridge = setup->bridge,
        .kind = GUARD_BROWSER,
        .backend = setup->backend,
        .no_backend = setup->no_backend,
        .wants_offer = setup->wants_offer,
        .policy = setup->policy,
        .grant = setup->grant,
        .tab = setup->tab,
        .address = visitor->address,
        .bound_name = visitor->bound_name,
        .transport = &transport,
        .transport_owner = peer,
    };
    int status = session_new(&session, &peer->session);
    if (status < 0) {
        free(peer);
        return status;
    }
    peer->config = config_hold(session_config(peer->session));
    const struct ws_reader_limits limits = {
        .limit = session_message_limit(peer->session),
        .wire_limit = DAFFI_MESSAGE_MAX,
        .oversize_head = DAFFI_HEAD_MAX,
    };
    ws_reader_init(&peer->reader, WS_SERVER, &limits);
    peer->bridge = setup->bridge;
    peer->connection = visitor->connection;
    peer->ticket = visitor->ticket;
    peer->wants_offer = setup->wants_offer;
    peer->timer.on_due = on_timer;
    ws_outbox_init(&peer->outbox, setup->bridge->reactor, visitor->connection);
    bridge_enter_kind(setup->bridge, BRIDGE_PAGE, visitor->connection);
    bridge_limit_connection(visitor->connection, peer->config, 0);
    connection_set_handler(visitor->connection, &handler, peer);
    return 0;
}
