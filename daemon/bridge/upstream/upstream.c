#include "bridge/upstream/upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bridge/upstream/upstream_internal.h"
#include "ops/log.h"

enum {
    NAME_QUOTED_MAX = 128,
    CLOSE_INTERNAL = 1011,
    CLOSE_UPSTREAM_LOST = 1012,
    CLOSE_TRY_LATER = 1013,
};

/* -- the end -- */

static void release(struct reactor_retired *retired) {
    struct attachment *attachment =
        (struct attachment *)(void *)((char *)retired - offsetof(struct attachment, retired));
    own_message_clear(&attachment->greeting);
    buffer_clear(reactor_pool(attachment->upstream->bridge->reactor), &attachment->put_by);
    backend_drop(&attachment->upstream->backend);
    free(attachment->name);
    free(attachment);
}

void upstream_retire(struct attachment *attachment) {
    attachment->retired.release = release;
    reactor_retire(attachment->upstream->bridge->reactor, &attachment->retired);
}

/* What a session's connect has told of the upstream. */
static void tell_connect(struct upstream *upstream, bool is_up, const char *detail) {
    counter_up_of_upstream(upstream->backend.counters,
                           is_up ? COUNTER_UPSTREAM_CONNECTS_DONE : COUNTER_UPSTREAM_CONNECTS_FAILED);
    if (!upstream->config->watch) {
        upstream_tell(upstream, is_up, detail);
    }
}

/* Tells the session, which detaches; but of two of one session the other one goes on. */
static void lose(struct attachment *attachment, uint16_t code, const char *what, const char *detail) {
    char reason[SESSION_REASON_MAX];
    snprintf(reason, sizeof reason, "the upstream \"%s\" %s: %s", attachment->upstream->config->name, what,
             detail);
    if (attachment->successor != NULL) {
        upstream_release_predecessor(attachment->successor);
        return;
    }
    if (attachment->rejoin != REJOIN_NONE && upstream_fail_rejoin(attachment, reason)) {
        return;
    }
    session_on_backend_lost(attachment->session, code, reason);
}

static bool is_live(const struct attachment *attachment) {
    return attachment->state == ATTACHMENT_OPEN || attachment->state == ATTACHMENT_LINGERING;
}

/* -- the connection -- */

/* As all of its session goes by the configuration that one was born with. */
static uint64_t connect_ms(const struct attachment *attachment) {
    return session_config(attachment->session)->timeouts.upstream_connect;
}

static void on_open(void *owner) {
    static const uint8_t probe[DAFFI_PROBE_BYTES] = {DAFFI_PROBE, DAFFI_PROBE, DAFFI_PROBE,
                                                     DAFFI_PROBE, DAFFI_PROBE, DAFFI_PROBE,
                                                     DAFFI_PROBE, DAFFI_PROBE, DAFFI_PROBE};
    struct attachment *attachment = owner;
    if (attachment->state != ATTACHMENT_OPENING) {
        return;
    }
    attachment->state = ATTACHMENT_OPEN;
    attachment->owed += session_take_debt(attachment->session); /* from now on it takes them */
    tell_connect(attachment->upstream, true, "");
    if (attachment->rejoin != REJOIN_NONE) {
        const struct upstream *upstream = attachment->upstream;
        rejoins_put(upstream->bridge->rejoins, upstream->config->name, session_name(attachment->session),
                    reactor_now(upstream->bridge->reactor));
    }
    const struct own_message *greeting = &attachment->greeting;
    /* A refused write ends in on_closed. */
    const struct stream_piece pieces[] = {{probe, sizeof probe},
                                          {greeting->head.data, greeting->head.length},
                                          {greeting->payload.data, greeting->payload.length}};
    (void)connection_write_pieces(attachment->connection, pieces, 3);
    own_message_clear(&attachment->greeting);
    struct bridge *bridge = attachment->upstream->bridge;
    if (attachment->rejoin != REJOIN_NONE &&
        timer_set(reactor_timers(bridge->reactor), &attachment->timer,
                  reactor_now(bridge->reactor) + connect_ms(attachment)) < 0) {
        lose(attachment, CLOSE_INTERNAL, "can't be waited for", "the bridge is out of memory");
    }
}

/* The first HANDSHAKE says whether it is a Service. What makes no sense is the session's to find. */
static void learn_type(struct attachment *attachment, const struct daffi_message *message) {
    struct daffi_handshake *handshake = NULL;
    struct daffi_fault fault;
    if (daffi_handshake_parse_server(message->payload, &handshake, &fault) == 0) {
        attachment->type = handshake->type;
        attachment->owed = attachment->type == DAFFI_TYPE_SERVICE ? attachment->owed : 0;
        daffi_handshake_free(handshake);
    }
}

static void take_message(struct attachment *attachment, const struct daffi_message *message,
                         struct daffi_span bytes) {
    if (message->flag == DAFFI_HANDSHAKE && attachment->type == DAFFI_TYPE_CLIENT) {
        learn_type(attachment, message);
    }
    if ((message->flag == DAFFI_RESPONSE || message->flag == DAFFI_ERROR) && attachment->owed > 0) {
        attachment->owed--;
        if (attachment->state == ATTACHMENT_LINGERING) {
            upstream_pay_successor(attachment);
        }
    }
    bool is_receipt = upstream_take_receipt(attachment, message);
    if (attachment->state == ATTACHMENT_LINGERING) {
        upstream_take_while_lingering(attachment, message);
        return;
    }
    if (is_receipt || upstream_is_own_eviction(attachment, message)) {
        return; /* its end follows an eviction at once; what stands before that is still for the session */
    }
    if (attachment->rejoin != REJOIN_NONE) {
        attachment->rejoin = REJOIN_NONE;
        timer_clear(reactor_timers(attachment->upstream->bridge->reactor), &attachment->timer);
        upstream_send_put_by(attachment, attachment);
        session_on_backend_message(attachment->session, message, bytes);
        if (attachment->state == ATTACHMENT_OPEN) {
            session_on_backend_drained(attachment->session);
        }
    } else {
        session_on_backend_message(attachment->session, message, bytes);
    }
}

static ssize_t on_input(void *owner, uint8_t *bytes, size_t length) {
    struct attachment *attachment = owner;
    size_t at = 0;
    while (at < length && is_live(attachment)) {
        struct daffi_message message;
        struct daffi_fault fault;
        size_t size = 0;
        int status = daffi_message_decode(daffi_span_of(bytes + at, length - at), &message, &size, &fault);
        if (status == -EAGAIN) {
            connection_expect(attachment->connection, size);
            return (ssize_t)at;
        }
        if (status < 0 && attachment->state == ATTACHMENT_LINGERING) {
            upstream_end_lingering(attachment);
            break;
        }
        if (status < 0) {
            attachment->owed = 0;
            attachment->is_over = true;
            lose(attachment, CLOSE_INTERNAL, "sent what is no daffi message", fault.text);
            break;
        }
        if (attachment->rejoin != REJOIN_NONE && upstream_hold_answer(attachment)) {
            break;
        }
        take_message(attachment, &message, daffi_span_of(bytes + at, size));
        at += size;
    }
    return (ssize_t)(is_live(attachment) ? at : length);
}

static void on_drained(void *owner) {
    struct attachment *attachment = owner;
    if (attachment->state == ATTACHMENT_OPEN) {
        session_on_backend_drained(attachment->session);
    }
}

/* Nothing comes on this connection any more; but what it was owed goes to its successor. */
static void forget_owed(struct attachment *attachment) {
    if (attachment->successor == NULL) {
        attachment->owed = 0;
    }
}

static void on_end(void *owner) {
    struct attachment *attachment = owner;
    attachment->is_over = true;
    forget_owed(attachment);
    if (attachment->state == ATTACHMENT_LINGERING) {
        upstream_end_lingering(attachment);
    } else if (attachment->state != ATTACHMENT_ENDING) {
        counter_up_of_upstream(attachment->upstream->backend.counters, COUNTER_UPSTREAM_LOSSES);
        lose(attachment, CLOSE_UPSTREAM_LOST, "closed the connection", "it ended, or dropped this member");
    }
}

static void on_closed(void *owner, int reason, const char *detail) {
    (void)reason;
    struct attachment *attachment = owner;
    bridge_leave_kind(attachment->upstream->bridge, BRIDGE_UPSTREAM);
    bridge_forget_connection(attachment->upstream->bridge);
    upstream_forget_leaving(attachment);
    enum attachment_state state = attachment->state;
    attachment->connection = NULL;
    forget_owed(attachment);
    if (state == ATTACHMENT_OPENING) {
        tell_connect(attachment->upstream, false, detail);
        lose(attachment, CLOSE_TRY_LATER, "can't be reached", detail);
    } else if (state == ATTACHMENT_OPEN) {
        counter_up_of_upstream(attachment->upstream->backend.counters, COUNTER_UPSTREAM_LOSSES);
        lose(attachment, CLOSE_UPSTREAM_LOST, "was lost", detail);
    }
    if (state == ATTACHMENT_ENDING) {
        upstream_retire(attachment);
    }
}

static const struct connection_handler handler = {.on_open = on_open,
                                                  .on_input = on_input,
                                                  .on_end = on_end,
                                                  .on_drained = on_drained,
                                                  .on_closed = on_closed};

int upstream_open_stream(const struct upstream *upstream, int fd, struct stream **ret_stream) {
    const struct config_url *url = &upstream->config->url;
    int status = url->scheme == CONFIG_TLS ? stream_tls_connect(upstream->tls, fd, url->host, ret_stream)
                                           : stream_tcp_new(fd, ret_stream);
    if (status < 0) {
        close(fd);
    }
    return status;
}

/* Takes `fd` over in every case. */
static int open_connection(struct attachment *attachment, int fd) {
    struct upstream *upstream = attachment->upstream;
    struct bridge *bridge = upstream->bridge;
    struct stream *stream = NULL;
    int status = upstream_open_stream(upstream, fd, &stream);
    if (status < 0) {
        return status;
    }
    const struct connection_limits limits = bridge_connection_limits(
        session_config(attachment->session), connect_ms(attachment), BRIDGE_GOODBYE_MS);
    status = connection_new(bridge->reactor, stream, &limits, &handler, attachment, &attachment->connection);
    if (status == 0) {
        bridge->connections++;
        bridge_enter_kind(bridge, BRIDGE_UPSTREAM, attachment->connection);
        attachment->state = ATTACHMENT_OPENING;
    }
    return status;
}

static void on_connected(void *owner, int fd, const char *detail) {
    struct attachment *attachment = owner;
    connector_free(attachment->connector);
    attachment->connector = NULL;
    if (fd < 0) {
        tell_connect(attachment->upstream, false, detail);
        lose(attachment, CLOSE_TRY_LATER, "can't be reached", detail);
        return;
    }
    int status = open_connection(attachment, fd);
    if (status < 0) {
        lose(attachment, CLOSE_INTERNAL, "can't be reached", strerror(-status));
    }
}

/* -- what sessions call -- */

static int start_connecting(struct attachment *attachment) {
    struct upstream *upstream = attachment->upstream;
    attachment->state = ATTACHMENT_CONNECTING;
    return connector_new(upstream->endpoint, connect_ms(attachment), on_connected, attachment,
                         &attachment->connector);
}

static void on_due(struct timer *timer, uint64_t now) {
    (void)now;
    struct attachment *attachment =
        (struct attachment *)(void *)((char *)timer - offsetof(struct attachment, timer));
    if (attachment->state == ATTACHMENT_LINGERING) {
        upstream_end_lingering(attachment);
    } else if (attachment->rejoin == REJOIN_HELD) {
        upstream_release_predecessor(attachment);
    } else if (attachment->rejoin == REJOIN_READING &&
               !upstream_insists_on_receipts(attachment->predecessor)) {
        upstream_begin(attachment);
    } else if (attachment->rejoin == REJOIN_READING) {
        lose(attachment, CLOSE_TRY_LATER, "is slow", "it has not read yet what the page has sent before");
    } else if (attachment->state == ATTACHMENT_OPEN) {
        lose(attachment, CLOSE_TRY_LATER, "is slow", "it did not answer the new handshake in time");
    } else if (attachment->refusal != NULL) {
        lose(attachment, CLOSE_TRY_LATER, "is busy", attachment->refusal);
    } else {
        int status = start_connecting(attachment);
        if (status < 0) {
            lose(attachment, CLOSE_INTERNAL, "can't be reached", strerror(-status));
        }
    }
}

/* Connects as soon as it may: a moment's rush is worth a moment's patience, and half the time is left for connecting. */
static int wait_turn(struct attachment *attachment) {
    struct bridge *bridge = attachment->upstream->bridge;
    const uint64_t now = reactor_now(bridge->reactor);
    uint64_t wait = 0;
    int status = admission_pass_on(bridge->admission, session_address(attachment->session), now,
                                   connect_ms(attachment) / 2, &wait, &attachment->refusal);
    if (status == 0 && wait == 0) {
        return start_connecting(attachment);
    }
    attachment->state = ATTACHMENT_WAITING;
    char name[NAME_QUOTED_MAX];
    const struct daffi_span waits = session_name(attachment->session);
    log_peer(CONFIG_LOG_DEBUG, "upstream %s: \"%s\" waits for its turn to connect, %u ms",
             attachment->upstream->config->name, log_quote(name, sizeof name, waits.data, waits.length),
             (unsigned)wait);
    return timer_set(reactor_timers(bridge->reactor), &attachment->timer, now + wait);
}

void upstream_begin(struct attachment *attachment) {
    if (attachment->rejoin == REJOIN_READING) {
        attachment->rejoin = REJOIN_JOINING;
    }
    timer_clear(reactor_timers(attachment->upstream->bridge->reactor), &attachment->timer);
    int status = wait_turn(attachment);
    if (status < 0) {
        lose(attachment, CLOSE_INTERNAL, "can't be reached", strerror(-status));
    }
}

/* Joins in place of `predecessor`, where there is one. */
static int attach(struct backend *backend, struct session *session, const struct daffi_handshake *handshake,
                  uint16_t uuid, struct attachment *predecessor, struct attachment **ret_attachment) {
    struct upstream *upstream =
        (struct upstream *)(void *)((char *)backend - offsetof(struct upstream, backend));
    if (!upstream_has_room(upstream, session_address(session))) {
        return -EBUSY; /* who leaves now would harm the other side, or use up our descriptors */
    }
    struct attachment *attachment = calloc(1, sizeof *attachment);
    if (attachment == NULL) {
        return -ENOMEM;
    }
    attachment->timer.on_due = on_due;
    attachment->type = DAFFI_TYPE_CLIENT;
    attachment->upstream = upstream;
    backend_hold(&upstream->backend);
    attachment->session = session;
    const struct daffi_message envelope = {
        .uuid = uuid, .return_result = true, .transmitter = daffi_span_text(handshake->members[0].name)};
    attachment->rejoin = predecessor != NULL ? REJOIN_JOINING : REJOIN_NONE;
    attachment->predecessor = predecessor;
    attachment->name = strdup(handshake->members[0].name);
    int status = attachment->name == NULL
                     ? -ENOMEM
                     : own_message_handshake(&envelope, handshake, &attachment->greeting);
    if (status == 0) {
        status = predecessor != NULL ? upstream_wait_for_predecessor(attachment) : wait_turn(attachment);
    }
    if (status < 0) {
        release(&attachment->retired);
        return status;
    }
    *ret_attachment = attachment;
    return 0;
}

static int upstream_attach(struct backend *backend, struct session *session,
                           const struct daffi_handshake *handshake, uint16_t uuid,
                           struct attachment **ret_attachment) {
    return attach(backend, session, handshake, uuid, NULL, ret_attachment);
}

static int upstream_rejoin(struct attachment *attachment, const struct daffi_handshake *handshake,
                           uint16_t uuid, struct attachment **ret_attachment) {
    struct attachment *newcomer = NULL;
    if (attachment->state != ATTACHMENT_OPEN || attachment->rejoin != REJOIN_NONE) {
        return -EBUSY;
    }
    int status =
        attach(&attachment->upstream->backend, attachment->session, handshake, uuid, attachment, &newcomer);
    if (status < 0) {
        return status;
    }
    attachment->successor = newcomer;
    *ret_attachment = newcomer;
    return 0;
}

int upstream_send_now(struct attachment *attachment, struct daffi_span head, struct daffi_span payload) {
    if (attachment->state != ATTACHMENT_OPEN || attachment->connection == NULL) {
        return -EPIPE;
    }
    attachment->sent_at = reactor_now(attachment->upstream->bridge->reactor);
    attachment->is_owed_last = attachment->type != DAFFI_TYPE_ROUTER && daffi_message_is_awaited(head);
    if (attachment->is_owed_last) {
        attachment->owed++;
    }
    const struct stream_piece pieces[] = {{head.data, head.length}, {payload.data, payload.length}};
    return connection_write_pieces(attachment->connection, pieces, 2);
}

static int upstream_send(struct attachment *attachment, struct daffi_span head, struct daffi_span payload) {
    return attachment->rejoin != REJOIN_NONE ? upstream_put_by(attachment, head, payload)
                                             : upstream_send_now(attachment, head, payload);
}

static bool upstream_is_congested(const struct attachment *attachment) {
    return attachment->rejoin != REJOIN_NONE ||
           (attachment->state == ATTACHMENT_OPEN && connection_is_congested(attachment->connection));
}

const struct backend_operations upstream_operations = {
    .attach = upstream_attach,
    .send = upstream_send,
    .detach = upstream_detach,
    .is_congested = upstream_is_congested,
    .rejoin = upstream_rejoin,
    .serves = upstream_serves,
};
