/* What a session offers to others: the functions of a page, which it may change while it is connected, and the answers that
 * the session owes to those who call. */
#include <errno.h>
#include <stdio.h>

#include "bridge/session/session_internal.h"

enum {
    PAGE_FUNCTIONS_MAX = 256,
    OWED_BY_NATIVE_MAX = 65536, /* a worker is called by many; a page owes as many as it may call itself */
};

/* -- the functions of a page -- */

/* Whether this page may expose that function. All that is to be said about whose a function is belongs here. */
static const char *check_function(const struct session *session, struct daffi_span page,
                                  struct daffi_span function, char *out, size_t size) {
    char name[QUOTED_MAX], other[DAFFI_NAME_MAX + 1], quoted[QUOTED_MAX];
    struct daffi_fault fault;
    if (daffi_name_check(function, &fault) < 0) {
        snprintf(out, size, "\"%s\" can't be exposed: %s",
                 log_quote(name, sizeof name, function.data, function.length), fault.text);
        return out;
    }
    if (!policy_may_expose(&session->policy, function)) {
        snprintf(out, size, "the policy of this bridge does not let a page expose \"%s\" (policy.expose)",
                 log_quote(name, sizeof name, function.data, function.length));
        return out;
    }
    const struct backend *backend = session->backend;
    if (backend != NULL && backend->operations->serves != NULL && !policy_shares_exposed(&session->policy) &&
        backend->operations->serves(backend, function, page, other)) {
        snprintf(out, size,
                 "\"%s\" can't be exposed: it is a function of the member \"%s\" "
                 "(policy.expose_shared lets pages share them)",
                 log_quote(name, sizeof name, function.data, function.length),
                 log_quote(quoted, sizeof quoted, other, strlen(other)));
        return out;
    }
    return NULL;
}

const char *session_check_functions(const struct session *session, const struct daffi_member *member,
                                    char *out, size_t size) {
    if (session->kind == GUARD_NATIVE) {
        return NULL;
    }
    if (member->methods_count > PAGE_FUNCTIONS_MAX) {
        snprintf(out, size, "%zu functions are too many for a page: it may expose %d", member->methods_count,
                 PAGE_FUNCTIONS_MAX);
        return out;
    }
    const char *wrong = NULL;
    for (size_t i = 0; wrong == NULL && i < member->methods_count; i++) {
        wrong = check_function(session, daffi_span_text(member->name), daffi_span_text(member->methods[i]),
                               out, size);
    }
    return wrong;
}

/* The answer that says no; the connection stays as it was. */
static void refuse_change(struct session *session, uint16_t uuid, enum daffi_error_code code,
                          const char *reason) {
    const struct daffi_message envelope = {.uuid = uuid, .transmitter = session_name(session)};
    const struct daffi_remote_error error = own_error(code, reason);
    struct own_message answer = {0};
    LOG_SESSION(session, CONFIG_LOG_WARNING, "refused a change of functions of", reason);
    session_send_own(session, own_message_error(&envelope, &error, &answer), &answer);
}

static void rejoin(struct session *session, struct daffi_handshake *handshake, uint16_t uuid) {
    session->uuid = uuid;
    session->exposing = handshake;
    int status =
        session->backend->operations->rejoin(session->attachment, handshake, uuid, &session->attachment);
    if (status < 0) {
        session->exposing = NULL;
        daffi_handshake_free(handshake);
        refuse_change(session, uuid, DAFFI_ERROR_BUSY,
                      "the upstream can't be told of other functions just now: try again");
    }
}

bool session_change_functions(struct session *session, const struct daffi_message *message) {
    struct daffi_handshake *handshake = NULL;
    struct daffi_fault fault;
    if (session->kind != GUARD_BROWSER || message->flag != DAFFI_HANDSHAKE ||
        !daffi_span_equal(message->transmitter, session_name(session)) || message->decoder != DAFFI_JSON ||
        session->backend->operations->rejoin == NULL ||
        daffi_handshake_parse_client(message->payload, &handshake, &fault) < 0) {
        return false;
    }
    const struct daffi_member *member = &handshake->members[0];
    if (!daffi_span_equal(daffi_span_text(member->name), session_name(session)) ||
        (member->methods_count == 0 && session->exposed == NULL)) {
        daffi_handshake_free(handshake);
        return false;
    }
    char text[SESSION_REASON_MAX];
    const char *wrong = session_check_functions(session, member, text, sizeof text);
    if (wrong == NULL && session->exposing == NULL) {
        rejoin(session, handshake, message->uuid);
        return true;
    }
    refuse_change(session, message->uuid, wrong == NULL ? DAFFI_ERROR_BUSY : DAFFI_ERROR_REFUSED,
                  wrong == NULL ? "the last change of functions is under way: wait for its answer" : wrong);
    daffi_handshake_free(handshake);
    return true;
}

void session_take_functions(struct session *session) {
    daffi_handshake_free(session->exposed);
    session->exposed = session->exposing;
    session->exposing = NULL;
    LOG_SESSION(session, CONFIG_LOG_INFO, "other functions of", "the upstream knows them");
}

void session_on_backend_kept(struct session *session, struct attachment *attachment, const char *reason) {
    session->attachment = attachment;
    daffi_handshake_free(session->exposing);
    session->exposing = NULL;
    refuse_change(session, session->uuid, DAFFI_ERROR_BUSY, reason);
    session_update_reading(session);
}

static bool holds(const struct daffi_handshake *handshake, struct daffi_span function) {
    const struct daffi_member *member = handshake == NULL ? NULL : &handshake->members[0];
    for (size_t i = 0; member != NULL && i < member->methods_count; i++) {
        if (daffi_span_equal(daffi_span_text(member->methods[i]), function)) {
            return true;
        }
    }
    return false;
}

bool session_exposes(const struct session *session, struct daffi_span function) {
    return holds(session->exposed, function);
}

/* -- what others make it hold, and what it owes them -- */

void session_lend(struct session *session, size_t bytes) {
    if (session->state != SESSION_CLOSING && session->transport->lend != NULL) {
        session->transport->lend(session->transport_owner, bytes);
    }
}

int session_owe_answer(struct session *session, const struct daffi_message *request) {
    if (session->backend->answers || !request->return_result) {
        return 0;
    }
    const size_t limit = session->kind == GUARD_BROWSER ? session_calls_limit(session) : OWED_BY_NATIVE_MAX;
    return answers_open(&session->owed, &session->bridge->call_table, request->transmitter, request->uuid,
                        limit, reactor_now(session->bridge->reactor));
}

bool session_pay_answer(struct session *session, const struct daffi_message *answer) {
    if (session->backend->answers ||
        answers_take(&session->owed, &session->bridge->call_table, answer->receiver, answer->uuid)) {
        return true;
    }
    LOG_SESSION(session, CONFIG_LOG_WARNING, "dropped an answer of", "no call waits for it");
    session_count_dropped_answer(session);
    return false;
}

void session_forget_answers(struct session *session) {
    answers_clear(&session->owed, &session->bridge->call_table);
}
