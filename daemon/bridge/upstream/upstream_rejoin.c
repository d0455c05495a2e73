/* Two connections of one name.
 *
 * A page that exposes other functions joins anew: a second HANDSHAKE would end its connection, but a newcomer of the same
 * name takes the place of the holder, and what is under way to the holder arrives at the newcomer. What the holder has sent is
 * another matter: a Router reads it no more. So first a receipt is asked for that way (own_message_receipt); a Service gives
 * none, and is not asked. Until the newcomer is answered the holder serves; what has come for the holder is told before anything that comes for the newcomer, so the
 * newcomer is not read before the holder has ended. Its eviction is our own doing and nobody's news. */
#include "bridge/upstream/upstream_internal.h"

/* For the end of one whose successor is answered: the Router ends it at once. */
enum { PREDECESSOR_MS = 2000 };

int upstream_wait_for_predecessor(struct attachment *attachment) {
    struct reactor *reactor = attachment->upstream->bridge->reactor;
    const uint64_t patience = session_config(attachment->session)->timeouts.upstream_connect;
    int status = timer_set(reactor_timers(reactor), &attachment->timer, reactor_now(reactor) + patience);
    if (status == 0) {
        attachment->state = ATTACHMENT_WAITING;
        attachment->awaits_receipt = true;
        status = upstream_ask_receipt(attachment->predecessor);
    }
    return status;
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
    } else if (attachment->awaits_receipt) {
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
           daffi_span_equal(daffi_span_text(event.member), daffi_span_text(attachment->name));
}
