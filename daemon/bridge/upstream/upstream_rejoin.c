/* Two connections of one name.
 *
 * A page that exposes other functions joins anew: a second HANDSHAKE would end its connection, but a newcomer of the same
 * name takes the place of the holder, and what is under way to the holder arrives at the newcomer. What the holder has sent is
 * another matter: a Router reads it no more. So first an answer to nobody's question goes that way, which a Router sends back
 * when it has read all before it; a Service doesn't, and is not asked. Until the newcomer is
 * answered the holder serves; what has come for the holder is told before anything that comes for the newcomer, so the
 * newcomer is not read before the holder has ended. Its eviction is our own doing and nobody's news. */
#include "bridge/upstream/upstream_internal.h"

/* For the end of one whose successor is answered: the Router ends it at once. */
enum { PREDECESSOR_MS = 2000, PROBE_MS = 1000 };

int upstream_wait_for_predecessor(struct attachment *attachment) {
    static const char payload[] = "{\"args\":[null],\"kwargs\":{}}";
    struct attachment *predecessor = attachment->predecessor;
    struct reactor *reactor = attachment->upstream->bridge->reactor;
    const struct daffi_message probe = {
        .flag = DAFFI_RESPONSE,
        .decoder = DAFFI_JSON,
        .transmitter = session_name(attachment->session),
        .receiver = session_name(attachment->session),
        .payload = daffi_span_text(payload),
    };
    uint8_t head[DAFFI_HEADER_BYTES + 2 * (DAFFI_NAME_MAX + 1)];
    int length = daffi_message_encode_head(&probe, head, sizeof head);
    int status =
        length < 0 ? length
                   : timer_set(reactor_timers(reactor), &attachment->timer, reactor_now(reactor) + PROBE_MS);
    if (status < 0) {
        return status;
    }
    attachment->state = ATTACHMENT_WAITING;
    attachment->probing = true;
    /* A refused write ends in on_closed, which releases it. */
    const struct stream_piece pieces[] = {{head, (size_t)length}, {probe.payload.data, probe.payload.length}};
    (void)connection_write_pieces(predecessor->connection, pieces, 2);
    return 0;
}

bool upstream_take_probe(const struct attachment *attachment, const struct daffi_message *message) {
    struct attachment *successor = attachment->successor;
    /* Id 0 is no call's: what answers a call of a page to itself looks alike but for that. */
    if (successor == NULL || !successor->probing || message->flag != DAFFI_RESPONSE || message->uuid != 0 ||
        message->decoder != DAFFI_JSON) {
        return false; /* without a successor it may have outlived its session */
    }
    const struct daffi_span name = session_name(attachment->session);
    if (!daffi_span_equal(message->transmitter, name) || !daffi_span_equal(message->receiver, name)) {
        return false;
    }
    upstream_begin(successor);
    return true;
}

void upstream_release_predecessor(struct attachment *attachment) {
    struct attachment *predecessor = attachment->predecessor;
    attachment->predecessor = NULL;
    attachment->owed += predecessor->owed; /* a Service answers whoever has the name */
    predecessor->owed = 0;
    predecessor->successor = NULL;
    upstream_let_go(predecessor);
    if (attachment->held) {
        attachment->held = false;
        connection_resume(attachment->connection);
    } else if (attachment->probing) {
        upstream_begin(attachment);
    }
}

bool upstream_fail_rejoin(struct attachment *attachment, const char *reason) {
    struct attachment *predecessor = attachment->predecessor;
    if (predecessor == NULL) {
        return false;
    }
    attachment->predecessor = NULL;
    predecessor->successor = NULL;
    upstream_let_go(attachment);
    session_on_backend_kept(predecessor->session, predecessor, reason);
    return true;
}

bool upstream_hold_answer(struct attachment *attachment) {
    struct reactor *reactor = attachment->upstream->bridge->reactor;
    if (attachment->predecessor == NULL || attachment->held) {
        return attachment->held;
    }
    if (timer_set(reactor_timers(reactor), &attachment->timer, reactor_now(reactor) + PREDECESSOR_MS) < 0) {
        upstream_release_predecessor(attachment);
        return false;
    }
    attachment->held = true;
    connection_pause(attachment->connection);
    return true;
}

bool upstream_is_own_eviction(const struct attachment *attachment, const struct daffi_message *message) {
    struct daffi_event event;
    struct daffi_fault fault;
    return attachment->successor != NULL && message->flag == DAFFI_EVENTS &&
           daffi_event_parse(message->payload, &event, &fault) == 0 && event.type == DAFFI_EVENT_EVICTED &&
           daffi_span_equal(daffi_span_text(event.member), session_name(attachment->session));
}
