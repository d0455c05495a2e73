/* The handshake of a session's peer: read, refused, waited for. What is accepted goes on to session_name.c. */
#include <stdio.h>
#include <string.h>

#include "bridge/session/session_internal.h"

/* An ERROR, or to native peers, whose users see it so, a HANDSHAKE with meta.error. */
void session_refuse(struct session *session, uint16_t code, const char *reason) {
    const struct daffi_message envelope = {.uuid = session->uuid,
                                           .return_result = session->kind == GUARD_NATIVE,
                                           .transmitter = session_name(session)};
    struct own_message answer = {0};
    int made;
    if (session->kind == GUARD_NATIVE) {
        char text[SESSION_REASON_MAX];
        snprintf(text, sizeof text, "%s", reason);
        const struct daffi_handshake refusal = {.type = DAFFI_TYPE_ROUTER, .error = text};
        made = own_message_handshake(&envelope, &refusal, &answer);
    } else {
        const struct daffi_remote_error error = own_error(DAFFI_ERROR_REFUSED, reason);
        made = own_message_error(&envelope, &error, &answer);
    }
    LOG_SESSION(session, CONFIG_LOG_WARNING, "refused", reason);
    session_count_handshake(session, false);
    session_send_own(session, made, &answer);
    session_close(session, code, reason);
}

/* A slow handshake is the peer's fault, a slow answer to it the backend's. */
void session_on_deadline(struct timer *timer, uint64_t now) {
    (void)now;
    struct session *session = (struct session *)(void *)((char *)timer - offsetof(struct session, deadline));
    char reason[SESSION_REASON_MAX];
    const struct config_timeouts *timeouts = &session->config->timeouts;
    if (session->state == SESSION_AWAITING_HANDSHAKE) {
        snprintf(reason, sizeof reason, "no HANDSHAKE came within %llu ms",
                 (unsigned long long)timeouts->handshake);
        session_close_for_fault(session, CLOSE_POLICY, reason);
    } else if (session->state == SESSION_CLAIMING || session->state == SESSION_OPEN) {
        session_end_claim(session);
    } else if (session->state == SESSION_ATTACHING) {
        snprintf(reason, sizeof reason, "the upstream \"%s\" did not answer within %llu ms",
                 session->backend->name, (unsigned long long)timeouts->upstream_connect);
        session_refuse(session, CLOSE_TRY_LATER, reason);
    }
}

/* What is wrong with a first message, or NULL; *ret_handshake is set in the latter case. */
static const char *read_handshake(const struct session *session, const struct daffi_message *message,
                                  char out[SESSION_REASON_MAX], struct daffi_handshake **ret_handshake) {
    struct daffi_handshake *handshake = NULL;
    struct daffi_fault fault = {.text = "the bridge is out of memory"};
    if (message->decoder != DAFFI_JSON) {
        return "a HANDSHAKE must be JSON";
    }
    if (daffi_handshake_parse_client(message->payload, &handshake, &fault) < 0) {
        return fault.text;
    }
    const struct daffi_member *member = &handshake->members[0];
    const char *wrong = NULL;
    if (!daffi_span_equal(message->transmitter, daffi_span_text(member->name))) {
        wrong = "the transmitter of a HANDSHAKE must be the name of its member";
    } else if (session->bound_name != NULL && strcmp(session->bound_name, member->name) != 0) {
        wrong = "the name is not that of the certificate that was shown (client_name)";
    } else {
        wrong = session_check_functions(session, member, out, SESSION_REASON_MAX);
    }
    if (wrong != NULL) {
        daffi_handshake_free(handshake);
        return wrong;
    }
    *ret_handshake = handshake;
    return NULL;
}

void session_take_first_message(struct session *session, const struct daffi_message *message) {
    if (message->flag != DAFFI_HANDSHAKE) {
        session_close_for_fault(session, CLOSE_POLICY, "the first message must be a HANDSHAKE");
        return;
    }
    session->uuid = message->uuid;
    struct daffi_handshake *handshake = NULL;
    char text[SESSION_REASON_MAX];
    const char *wrong = read_handshake(session, message, text, &handshake);
    struct daffi_fault ignored;
    struct daffi_span name =
        handshake == NULL ? message->transmitter : daffi_span_text(handshake->members[0].name);
    if (daffi_name_check(name, &ignored) == 0) {
        session->name = daffi_span_copy(name);
        session->name_length = session->name == NULL ? 0 : name.length;
    }
    if (wrong != NULL) {
        session_refuse(session, CLOSE_POLICY, wrong);
    } else if (session->name == NULL) {
        session_close(session, CLOSE_INTERNAL, "the bridge is out of memory");
    } else if (session->backend == NULL) {
        session_refuse(session, CLOSE_POLICY, session->no_backend);
    } else {
        session->handshake = handshake;
        session_claim_name(session);
        return;
    }
    daffi_handshake_free(handshake);
}
