/* The ids of a member's calls. Where the one before it of that name has left calls without their answers, its own are shifted on
 * their way up, and those of answers back on their way down: see unanswered.h. Ids of handshakes, and those of calls to the member and
 * of its answers, which are their callers', stay. Of pages and native peers alike: a script that is started anew counts from 1. */
#include <stdlib.h>

#include "bridge/members/unanswered.h"
#include "bridge/session/session_internal.h"

const struct call_caller *session_calls(const struct session *session) {
    return session->attachment != NULL && session->backend->operations->calls != NULL
               ? session->backend->operations->calls(session->attachment)
               : &session->waiting;
}

void session_choose_ids(struct session *session) {
    session->id_shift =
        unanswered_shift(session->bridge->unanswered, session->backend->place, session_name(session),
                         session->uuid, reactor_now(session->bridge->reactor));
}

void session_leave_ids(const struct session *session) {
    const size_t count = session_calls(session)->count;
    uint16_t *ids = count == 0 ? NULL : malloc(count * sizeof *ids);
    if (ids == NULL) {
        return;
    }
    size_t at = 0;
    for (const struct call *call = session_calls(session)->oldest; call != NULL;
         call = call->of_caller_next) {
        ids[at++] = call->uuid;
    }
    unanswered_put(session->bridge->unanswered, session->backend->place, session_name(session), ids, at,
                   reactor_now(session->bridge->reactor));
    free(ids);
}

const struct daffi_message *session_on_its_way_up(const struct session *session,
                                                  const struct daffi_message *message,
                                                  struct daffi_message *out) {
    if (session->id_shift == 0 || message->flag != DAFFI_REQUEST) {
        return message;
    }
    *out = *message;
    out->uuid = unanswered_shifted(message->uuid, session->id_shift);
    return out;
}

uint16_t session_id_down(const struct session *session, uint16_t id) {
    return unanswered_unshifted(id, session->id_shift);
}

const struct daffi_message *session_on_its_way_down(const struct session *session,
                                                    const struct daffi_message *message,
                                                    struct daffi_message *out) {
    if (session->id_shift == 0 || message->flag == DAFFI_REQUEST) {
        return message;
    }
    *out = *message;
    out->uuid = session_id_down(session, message->uuid);
    return out;
}

/* 32 KiB of stack, which calls and answers that keep their ids do without. */
static int send_up_anew(struct session *session, const struct daffi_message *message) {
    uint8_t head[DAFFI_HEAD_MAX];
    const int length = daffi_message_encode_head(message, head, sizeof head);
    return length < 0 ? length
                      : session->backend->operations->send(
                            session->attachment, daffi_span_of(head, (size_t)length), message->payload);
}

static int send_down_anew(struct session *session, const struct daffi_message *message) {
    uint8_t head[DAFFI_HEAD_MAX];
    const int length = daffi_message_encode_head(message, head, sizeof head);
    return length < 0 ? length
                      : session_send_down(session, daffi_span_of(head, (size_t)length), message->payload);
}

int session_send_up_as(struct session *session, const struct daffi_message *passed,
                       const struct daffi_message *message, struct daffi_span bytes) {
    return passed != message ? send_up_anew(session, passed)
                             : session->backend->operations->send(
                                   session->attachment, session_head_of(message, bytes), message->payload);
}

int session_send_down_as(struct session *session, const struct daffi_message *told,
                         const struct daffi_message *message, struct daffi_span bytes) {
    return told != message ? send_down_anew(session, told)
                           : session_send_down(session, session_head_of(message, bytes), message->payload);
}
