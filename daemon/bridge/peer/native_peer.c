#include "bridge/peer/native_peer.h"

#include <errno.h>
#include <stdlib.h>

enum { CLOSE_NORMAL = 1000, REFUSED_MS = 1000 }; /* for a refused peer to read why, see transport_close */

enum native_peer_state {
    NATIVE_PEER_NEW,
    NATIVE_PEER_GREETING, /* its handshake is not answered: what it sent behind it waits unread, as in a real server */
    NATIVE_PEER_OPEN,
    NATIVE_PEER_LEAVING, /* it has been told why; it should end the connection */
    NATIVE_PEER_ENDING,
};

struct native_peer {
    struct reactor_retired retired;
    enum native_peer_state state;
    struct bridge *bridge;
    const struct config *config; /* its session's; held */
    struct session *session;     /* NULL once it has been told of the end */
    struct connection *connection;
    struct admission_ticket ticket;
    struct timer goodbye;
    size_t skip; /* bytes left of a message that is too large */
};

static void end_session(struct native_peer *peer, const char *detail) {
    struct session *session = peer->session;
    peer->session = NULL;
    if (session != NULL) {
        session_on_closed(session, detail);
    }
}

static void end_connection(struct native_peer *peer) {
    peer->state = NATIVE_PEER_ENDING;
    timer_clear(reactor_timers(peer->bridge->reactor), &peer->goodbye);
    connection_close(peer->connection, peer->config->timeouts.drain);
}

/* Who is told last, at three quarters of an end that has to be over sooner, is gone before that is. */
static uint64_t goodbye_of(const struct config *config) {
    const uint64_t part = config->timeouts.drain / 8;
    return part < BRIDGE_GOODBYE_MS ? part : BRIDGE_GOODBYE_MS;
}

static void on_goodbye(struct timer *timer, uint64_t now) {
    (void)now;
    end_connection((struct native_peer *)(void *)((char *)timer - offsetof(struct native_peer, goodbye)));
}

static bool is_listening(const struct native_peer *peer) {
    return peer->state < NATIVE_PEER_LEAVING;
}

static void read_on(struct native_peer *peer) {
    if (peer->state == NATIVE_PEER_GREETING) {
        connection_resume(peer->connection);
    }
}

/* -- what the session calls -- */

static int transport_send(void *owner, struct daffi_span head, struct daffi_span payload) {
    struct native_peer *peer = owner;
    if (!is_listening(peer)) {
        return -EPIPE;
    }
    const struct stream_piece pieces[] = {{head.data, head.length}, {payload.data, payload.length}};
    return connection_write_pieces(peer->connection, pieces, 2);
}

/* daffi has no way to say why, save in the answer to a handshake (session_refuse), which a Python client throws away
 * when it sees the connection's end with it: so the end is left to the client, for a while. */
static void transport_close(void *owner, uint16_t code, const char *reason) {
    (void)code;
    (void)reason;
    struct native_peer *peer = owner;
    struct reactor *reactor = peer->bridge->reactor;
    bool refused = peer->state < NATIVE_PEER_OPEN;
    read_on(peer);
    peer->state = NATIVE_PEER_LEAVING;
    if (!refused ||
        timer_set(reactor_timers(reactor), &peer->goodbye, reactor_now(reactor) + REFUSED_MS) < 0) {
        end_connection(peer);
    }
}

static void transport_ignore(void *owner) {
    (void)owner; /* native peers that are in are always read: they break when they are not */
}

static bool transport_is_congested(const void *owner) {
    const struct native_peer *peer = owner;
    return connection_is_congested(peer->connection);
}

static size_t transport_queued(const void *owner) {
    const struct native_peer *peer = owner;
    return connection_queued(peer->connection);
}

static void transport_on_open(void *owner) {
    struct native_peer *peer = owner;
    read_on(peer);
    peer->state = NATIVE_PEER_OPEN;
    admission_settle(&peer->ticket);
}

static void transport_measure(const void *owner, uint64_t *ret_received, uint64_t *ret_sent) {
    const struct native_peer *peer = owner;
    *ret_received = connection_bytes_read(peer->connection);
    *ret_sent = connection_bytes_written(peer->connection);
}

static void transport_lend(void *owner, size_t bytes) {
    struct native_peer *peer = owner;
    connection_lend(peer->connection, bytes);
}

static const struct session_transport transport = {
    .send = transport_send,
    .close = transport_close,
    .pause = transport_ignore,
    .resume = transport_ignore,
    .is_congested = transport_is_congested,
    .on_open = transport_on_open,
    .queued = transport_queued,
    .ping = transport_ignore,
    .measure = transport_measure,
    .lend = transport_lend,
};

/* -- what comes -- */

/* Bytes dealt with; 0 when more are needed. */
static size_t take_oversize(struct native_peer *peer, struct daffi_span in) {
    struct daffi_message message;
    struct daffi_fault fault;
    size_t size = 0;
    int status = daffi_message_decode_head(in, &message, &size, &fault);
    if (status == -EAGAIN) {
        connection_expect(peer->connection, in.length + 1);
        return 0;
    }
    if (status < 0) {
        session_on_malformed(peer->session, fault.text);
        return in.length;
    }
    peer->skip = size;
    session_on_oversize(peer->session, &message, size);
    return 0;
}

static size_t skip(struct native_peer *peer, size_t available) {
    size_t taken = peer->skip < available ? peer->skip : available;
    peer->skip -= taken;
    return taken;
}

/* Likewise. */
static size_t take_message(struct native_peer *peer, struct daffi_span in) {
    struct daffi_message message;
    struct daffi_fault fault;
    size_t size = 0;
    int status = daffi_message_decode(in, &message, &size, &fault);
    if (status == -EAGAIN && size > session_message_limit(peer->session)) {
        return take_oversize(peer, in);
    }
    if (status == -EAGAIN) {
        connection_expect(peer->connection, size);
        return 0;
    }
    if (status < 0) {
        session_on_malformed(peer->session, fault.text);
        return in.length;
    }
    if (size > session_message_limit(peer->session)) {
        return take_oversize(peer, in);
    }
    session_on_message(peer->session, &message, daffi_span_of(in.data, size));
    if (peer->state == NATIVE_PEER_NEW) {
        peer->state = NATIVE_PEER_GREETING;
        connection_pause(peer->connection);
    }
    return size;
}

static ssize_t on_input(void *owner, uint8_t *bytes, size_t length) {
    struct native_peer *peer = owner;
    size_t at = 0;
    while (at < length && is_listening(peer) && peer->state != NATIVE_PEER_GREETING) {
        at += skip(peer, length - at);
        size_t taken = at < length ? take_message(peer, daffi_span_of(bytes + at, length - at)) : 0;
        if (taken == 0 && peer->skip == 0) {
            break;
        }
        at += taken;
    }
    return (ssize_t)(is_listening(peer) ? at : length);
}

static void on_end(void *owner) {
    struct native_peer *peer = owner;
    if (peer->session != NULL) {
        session_note_close(peer->session, CLOSE_NORMAL);
    }
    end_session(peer, "by the peer");
    end_connection(peer);
}

static void release(struct reactor_retired *retired) {
    struct native_peer *peer =
        (struct native_peer *)(void *)((char *)retired - offsetof(struct native_peer, retired));
    config_drop(peer->config);
    free(peer);
}

static void on_closed(void *owner, int reason, const char *detail) {
    (void)reason;
    struct native_peer *peer = owner;
    peer->state = NATIVE_PEER_ENDING;
    end_session(peer, detail);
    bridge_leave_kind(peer->bridge, BRIDGE_NATIVE);
    timer_clear(reactor_timers(peer->bridge->reactor), &peer->goodbye);
    admission_leave(&peer->ticket);
    bridge_forget_connection(peer->bridge);
    peer->retired.release = release;
    reactor_retire(peer->bridge->reactor, &peer->retired);
}

static const struct connection_handler handler = {
    .on_input = on_input, .on_end = on_end, .on_closed = on_closed};

int native_peer_new(struct bridge *bridge, struct backend *backend, const struct visitor *visitor) {
    struct native_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
        return -ENOMEM;
    }
    const struct session_setup session = {
        .bridge = bridge,
        .kind = GUARD_NATIVE,
        .backend = backend,
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
    peer->bridge = bridge;
    peer->connection = visitor->connection;
    peer->ticket = visitor->ticket;
    peer->goodbye.on_due = on_goodbye;
    bridge_enter_kind(bridge, BRIDGE_NATIVE, visitor->connection);
    bridge_limit_connection(visitor->connection, peer->config, goodbye_of(peer->config));
    connection_set_handler(visitor->connection, &handler, peer);
    return 0;
}
