/* Two connections of one name.
 *
 * A page that exposes other functions joins anew: a second HANDSHAKE would end its connection, but a newcomer of the same
 * name takes the place of the holder, and what is under way to the holder arrives at the newcomer. What the holder has sent is
 * another matter: nobody reads it any more, and a server that is at work on it dies of the eviction (upstream_leave.c). So the newcomer
 * waits until all has been read (upstream_receipt.c), and from then on nothing more is sent that way: what the session sends
 * before the newcomer is answered is put by for it. What has come for the holder is told before anything that comes for the
 * newcomer, so the newcomer is not read before the holder has ended. Its eviction is our own doing and nobody's news. */
#include <errno.h>

#include "bridge/upstream/upstream_internal.h"

/* For the end of one whose successor is answered: the Router ends it at once. */
enum { PREDECESSOR_MS = 2000 };

int upstream_wait_for_predecessor(struct attachment *attachment) {
    struct reactor *reactor = attachment->upstream->bridge->reactor;
    struct attachment *predecessor = attachment->predecessor;
    const uint64_t patience = session_config(attachment->session)->timeouts.upstream_connect;
    uint64_t due = upstream_service_reads_by(predecessor);
    if (predecessor->type == DAFFI_TYPE_ROUTER) {
        int status = upstream_ask_receipt(predecessor);
        if (status < 0) {
            return status;
        }
        due = reactor_now(reactor) + patience;
    }
    /* Last, as the attachment is freed where this fails; a receipt that was asked for in vain is nobody's. */
    int status = timer_set(reactor_timers(reactor), &attachment->timer, due);
    if (status == 0) {
        attachment->state = ATTACHMENT_WAITING;
        attachment->rejoin = REJOIN_READING;
    }
    return status;
}

/* A page is not read meanwhile: what comes is the rest of a batch, and refusals of calls to it. */
int upstream_put_by(struct attachment *attachment, struct daffi_span head, struct daffi_span payload) {
    struct buffer_pool *pool = reactor_pool(attachment->upstream->bridge->reactor);
    const size_t length = head.length + payload.length;
    const size_t limit = session_config(attachment->session)->limits.queue_bytes;
    if (buffer_length(&attachment->put_by) + length > limit ||
        buffer_reserve(pool, &attachment->put_by, length) < 0) {
        return -EBUSY;
    }
    buffer_put(&attachment->put_by, head.data, head.length);
    buffer_put(&attachment->put_by, payload.data, payload.length);
    return 0;
}

void upstream_send_put_by(struct attachment *attachment, struct attachment *by) {
    struct buffer *put_by = &attachment->put_by;
    struct buffer_pool *pool = reactor_pool(attachment->upstream->bridge->reactor);
    while (buffer_length(put_by) > 0) {
        const struct daffi_span left = daffi_span_of(buffer_bytes(put_by), buffer_length(put_by));
        struct daffi_message message;
        struct daffi_fault fault;
        size_t size = 0;
        if (daffi_message_decode(left, &message, &size, &fault) != 0) {
            break; /* it was checked before */
        }
        /* A refused write ends in on_closed. */
        (void)upstream_send_now(by, daffi_span_of(left.data, size - message.payload.length), message.payload);
        buffer_consume(pool, put_by, size);
    }
    buffer_clear(pool, put_by);
}

void upstream_release_predecessor(struct attachment *attachment) {
    struct attachment *predecessor = attachment->predecessor;
    attachment->predecessor = NULL;
    attachment->owed += predecessor->owed; /* a Service answers whoever has the name */
    predecessor->owed = 0;
    predecessor->successor = NULL;
    upstream_let_go(predecessor);
    if (attachment->rejoin == REJOIN_HELD) {
        attachment->rejoin = REJOIN_JOINING;
        connection_resume(attachment->connection);
    } else if (attachment->rejoin == REJOIN_READING) {
        upstream_begin(attachment);
    }
}

bool upstream_fail_rejoin(struct attachment *attachment, const char *reason) {
    struct attachment *predecessor = attachment->predecessor;
    if (predecessor == NULL || attachment->state == ATTACHMENT_OPEN) {
        return false; /* it has sent its handshake, which evicts the other whenever it is read */
    }
    attachment->predecessor = NULL;
    predecessor->successor = NULL;
    upstream_send_put_by(attachment, predecessor);
    upstream_let_go(attachment);
    session_on_backend_kept(predecessor->session, predecessor, reason);
    return true;
}

bool upstream_hold_answer(struct attachment *attachment) {
    struct reactor *reactor = attachment->upstream->bridge->reactor;
    if (attachment->predecessor == NULL || attachment->rejoin == REJOIN_HELD) {
        return attachment->rejoin == REJOIN_HELD;
    }
    if (timer_set(reactor_timers(reactor), &attachment->timer, reactor_now(reactor) + PREDECESSOR_MS) < 0) {
        upstream_release_predecessor(attachment);
        return false;
    }
    attachment->rejoin = REJOIN_HELD;
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
