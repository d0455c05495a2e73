#include "bridge/session/session_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct daffi_span session_name(const struct session *session) {
    return daffi_span_of(session->name, session->name_length);
}

struct guard_session session_guarded(const struct session *session) {
    return (struct guard_session){
        .kind = session->kind,
        .name = session_name(session),
        .answers = session->exposed != NULL,
        .policy = &session->policy,
    };
}

/* -- the end -- */

static void detach(struct session *session) {
    session_leave_ids(session);
    session_drop_calls(session);
    session_forget_answers(session);
    session_forget_members(session);
    if (session->attachment != NULL) {
        struct attachment *attachment = session->attachment;
        session->attachment = NULL;
        session->backend->operations->detach(
            attachment, session->is_evicted ? BACKEND_EVICTED : BACKEND_DISCONNECTED, &session->claim);
    }
    names_leave(&session->claim); /* when the backend knows: whoever is next is not to meet the former */
    daffi_handshake_free(session->handshake);
    session->handshake = NULL;
}

void session_close(struct session *session, uint16_t code, const char *reason) {
    if (session->state == SESSION_CLOSING) {
        return;
    }
    session->state = SESSION_CLOSING;
    session->ending = strndup(reason, ENDING_MAX); /* without memory the log has the connection's words */
    session_note_close(session, code);
    timer_clear(reactor_timers(session->bridge->reactor), &session->deadline);
    timer_clear(reactor_timers(session->bridge->reactor), &session->expiry);
    detach(session);
    session->transport->close(session->transport_owner, code, reason);
}

const char *session_address(const struct session *session) {
    return session->address;
}

enum guard_kind session_kind(const struct session *session) {
    return session->kind;
}

const struct config *session_config(const struct session *session) {
    return session->config;
}

size_t session_calls_limit(const struct session *session) {
    return policy_calls_in_flight(&session->policy, session->config->limits.calls_in_flight);
}

size_t session_queued(const struct session *session) {
    return session->transport->queued(session->transport_owner);
}

void session_close_for_fault(struct session *session, uint16_t code, const char *reason) {
    if (session->state != SESSION_CLOSING) {
        LOG_SESSION(session, CONFIG_LOG_WARNING, "fault of", reason);
    }
    session_close(session, code, reason);
}

static void release(struct reactor_retired *retired) {
    struct session *session = (struct session *)(void *)((char *)retired - offsetof(struct session, retired));
    daffi_handshake_free(session->exposed);
    daffi_handshake_free(session->exposing);
    auth_grant_free(session->grant);
    backend_drop(session->backend);
    config_drop(session->config);
    free(session->no_backend);
    free(session->bound_name);
    free(session->ending);
    free(session->name);
    free(session);
}

void session_on_closed(struct session *session, const char *detail) {
    struct reactor *reactor = session->bridge->reactor;
    session_account_end(session, session->ending == NULL ? detail : session->ending);
    session->state = SESSION_CLOSING;
    timer_clear(reactor_timers(reactor), &session->deadline);
    timer_clear(reactor_timers(reactor), &session->expiry);
    detach(session);
    if (session->next != NULL) {
        session->next->previous = session->previous;
    }
    if (session->previous != NULL) {
        session->previous->next = session->next;
    } else {
        session->bridge->sessions = session->next;
    }
    session->retired.release = release;
    reactor_retire(reactor, &session->retired);
}

/* -- the beginning -- */

int session_set_deadline(struct session *session, uint64_t in_ms) {
    struct reactor *reactor = session->bridge->reactor;
    return timer_set(reactor_timers(reactor), &session->deadline, reactor_now(reactor) + in_ms);
}

int session_new(const struct session_setup *setup, struct session **ret_session) {
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return -ENOMEM;
    }
    session->bridge = setup->bridge;
    session->config = config_hold(setup->bridge->config);
    session->backend = backend_hold(setup->backend);
    session->kind = setup->kind;
    session->wants_offer = setup->wants_offer;
    session->server = DAFFI_TYPE_CLIENT;
    session->transport = setup->transport;
    session->transport_owner = setup->transport_owner;
    session->deadline.on_due = session_on_deadline;
    session->since = reactor_now(setup->bridge->reactor);
    session->probe_timer.on_due = session_on_probes_due;
    session->policy = setup->policy;
    if (setup->grant != NULL) {
        policy_add(&session->policy, &setup->grant->policy);
    }
    session_start_rates(session);
    snprintf(session->address, sizeof session->address, "%s", setup->address);
    snprintf(session->claim.tab, sizeof session->claim.tab, "%s", setup->tab == NULL ? "" : setup->tab);
    int status = -ENOMEM;
    if (setup->backend == NULL && (session->no_backend = strdup(setup->no_backend)) == NULL) {
        goto fail;
    }
    if (setup->bound_name != NULL && (session->bound_name = strdup(setup->bound_name)) == NULL) {
        goto fail;
    }
    status = session_set_deadline(session, session->config->timeouts.handshake);
    if (status == 0) {
        status = session_set_expiry(session, setup->grant);
    }
    if (status < 0) {
        goto fail;
    }
    session->next = setup->bridge->sessions;
    if (session->next != NULL) {
        session->next->previous = session;
    }
    setup->bridge->sessions = session;
    session->grant = setup->grant;
    *ret_session = session;
    return 0;
fail:
    timer_clear(reactor_timers(session->bridge->reactor), &session->deadline);
    free(session->no_backend);
    free(session->bound_name);
    backend_drop(session->backend);
    config_drop(session->config);
    free(session);
    return status;
}

struct session *session_next(const struct bridge *bridge, struct session *session) {
    return session == NULL ? bridge->sessions : session->next;
}

/* -- sending -- */

/* A failure to send is the transport's to act on: session_on_closed comes. */
void session_send_own(struct session *session, int made, struct own_message *message) {
    if (made < 0) {
        session_close(session, CLOSE_INTERNAL, "the bridge is out of memory");
        return;
    }
    (void)session_send_down(session, message->head, message->payload);
    own_message_clear(message);
}

void session_send_up_own(struct session *session, int made, struct own_message *message) {
    if (made == 0 && session->attachment != NULL) {
        session->backend->operations->send(session->attachment, message->head, message->payload);
        own_message_clear(message);
    }
}

/* The form an answer to `request` has. */
struct daffi_message session_answer_to(const struct daffi_message *request) {
    return (struct daffi_message){
        .uuid = request->uuid,
        .transmitter = request->receiver,
        .receiver = request->transmitter,
        .function = request->function,
    };
}

/* A page that does not read its answers, or feeds an upstream that is behind, is not read until that is over. Native
 * peers are always read: they break when they are not.   (protocol.md, on a peer that stops reading) */
void session_update_reading(struct session *session) {
    if (session->kind != GUARD_BROWSER || session->state == SESSION_CLOSING) {
        return;
    }
    bool congested =
        session->transport->is_congested(session->transport_owner) ||
        (session->attachment != NULL && session->backend->operations->is_congested(session->attachment));
    if (congested == session->paused) {
        return;
    }
    session->paused = congested;
    session_count_pause(session, congested);
    if (congested) {
        session->transport->pause(session->transport_owner);
    } else {
        session->transport->resume(session->transport_owner);
    }
}

void session_on_drained(struct session *session) {
    session_update_reading(session);
}

void session_on_backend_drained(struct session *session) {
    session_update_reading(session);
}

/* -- messages of the peer -- */

/* The verdict as a sentence for whoever waits; *out is used where there is more to say than the text. */
static const char *sentence_of(const struct session *session, const struct guard_verdict *verdict,
                               const struct daffi_message *message, char *out, size_t size) {
    if (verdict->by_policy != POLICY_ALLOWED) {
        return policy_explain(&session->policy, verdict->by_policy, message, out, size);
    }
    if (verdict->offset == GUARD_NO_OFFSET) {
        return verdict->text;
    }
    snprintf(out, size, "%s (at byte %td of the payload)", verdict->text, verdict->offset);
    return out;
}

void session_answer_peer(struct session *session, const struct daffi_message *request,
                         enum daffi_error_code code, const char *text) {
    LOG_SESSION(session, CONFIG_LOG_WARNING, "refused a call of", text);
    struct daffi_message renumbered;
    session_account_own_answer(session, session_on_its_way_up(session, request, &renumbered), code, 0);
    if (!request->return_result) {
        return;
    }
    const struct daffi_message envelope = session_answer_to(request);
    const struct daffi_remote_error error = own_error(code, text);
    struct own_message answer = {0};
    session_send_own(session, own_message_error(&envelope, &error, &answer), &answer);
}

/* In place of an answer that may not pass. */
static void replace_answer_up(struct session *session, const struct daffi_message *message,
                              enum daffi_error_code code, const char *text) {
    LOG_SESSION(session, CONFIG_LOG_WARNING, "replaced an answer of", text);
    struct daffi_message envelope = *message;
    const struct daffi_remote_error error = own_error(code, text);
    struct own_message answer = {0};
    session_send_up_own(session, own_message_error(&envelope, &error, &answer), &answer);
}

static void pass_up(struct session *session, const struct daffi_message *message, struct daffi_span bytes) {
    bool is_call = message->flag == DAFFI_REQUEST;
    struct daffi_message renumbered;
    const struct daffi_message *passed = session_on_its_way_up(session, message, &renumbered);
    if (is_call && !session_open_call(session, passed)) {
        return;
    }
    int status = session_send_up_as(session, passed, message, bytes);
    if (status == -EBUSY && is_call) {
        session_forget_call(session, passed);
        session_answer_peer(session, message, DAFFI_ERROR_BUSY,
                            "too many messages are waiting for the upstream");
    } else if (status == 0 && is_call) {
        session_account_call(session, message);
    }
}

static void apply_to_peer(struct session *session, const struct guard_verdict *verdict,
                          const struct daffi_message *message, struct daffi_span bytes) {
    char text[SESSION_REASON_MAX];
    if (verdict->action != GUARD_CLOSE && message->flag != DAFFI_REQUEST &&
        !session_pay_answer(session, message)) {
        return;
    }
    switch (verdict->action) {
    case GUARD_PASS:
    case GUARD_TRANSLATE:
        pass_up(session, message, bytes);
        break;
    case GUARD_ANSWER:
        session_count_refusal(session, verdict, bytes.length > 0);
        session_answer_peer(session, message, verdict->error,
                            sentence_of(session, verdict, message, text, sizeof text));
        break;
    case GUARD_REPLACE:
        replace_answer_up(session, message, verdict->error,
                          sentence_of(session, verdict, message, text, sizeof text));
        break;
    case GUARD_CLOSE:
        session_close_for_fault(session, verdict->code, verdict->text);
        break;
    }
}

/* As a Router does: another bridge, for which we are one, asks for it when a session of its own leaves. Whether it was that. */
static bool give_receipt(struct session *session, const struct daffi_message *message,
                         struct daffi_span bytes) {
    if (session->kind != GUARD_NATIVE || !own_message_is_receipt(message, session_name(session))) {
        return false;
    }
    session_send_down(session, session_head_of(message, bytes), message->payload);
    return true;
}

void session_on_message(struct session *session, const struct daffi_message *message,
                        struct daffi_span bytes) {
    const struct config_limits *limits = &session->config->limits;
    session_count_received(session);
    switch (session->state) {
    case SESSION_AWAITING_HANDSHAKE:
        session_take_first_message(session, message);
        break;
    case SESSION_CLAIMING:
    case SESSION_ATTACHING:
        session_close_for_fault(session, CLOSE_POLICY,
                                "a message before the HANDSHAKE was answered: wait for the answer");
        break;
    case SESSION_OPEN: {
        if (session_change_functions(session, message)) {
            session_update_reading(session);
            break;
        }
        if (give_receipt(session, message, bytes)) {
            break;
        }
        if (!session_keeps_to_rates(session, message, bytes.length)) {
            session_update_reading(session);
            break;
        }
        const struct guard_policy policy = {.nesting = (unsigned)limits->nesting};
        const struct guard_session who = session_guarded(session);
        const struct guard_verdict verdict = guard_check_from_peer(&policy, &who, message);
        apply_to_peer(session, &verdict, message, bytes);
        session_update_reading(session);
        break;
    }
    case SESSION_CLOSING:
        break;
    }
}

size_t session_message_limit(const struct session *session) {
    size_t limit = session->config->limits.message_bytes;
    size_t first = session->kind == GUARD_BROWSER ? SESSION_HANDSHAKE_PAGE : SESSION_HANDSHAKE_NATIVE;
    bool is_known = session->state == SESSION_OPEN || session->state == SESSION_CLOSING;
    return is_known || limit < first ? limit : first;
}

void session_on_oversize(struct session *session, const struct daffi_message *message, size_t size) {
    if (session->state == SESSION_CLOSING) {
        return;
    }
    session_count_received(session);
    char text[SESSION_REASON_MAX];
    if (session->state != SESSION_OPEN) {
        snprintf(text, sizeof text,
                 "the message has %zu bytes; at most %zu are taken before the HANDSHAKE is answered", size,
                 session_message_limit(session));
        session_close_for_fault(session, CLOSE_TOO_LARGE, text);
        return;
    }
    snprintf(text, sizeof text, "the message has %zu bytes; this bridge takes at most %zu%s", size,
             session_message_limit(session),
             session->config->development ? "" : " (limits.message_bytes)"); /* which has no file */
    rate_charge(&session->byte_rate, size, reactor_now(session->bridge->reactor));
    const struct guard_session who = session_guarded(session);
    struct guard_verdict verdict = guard_check_oversize(&who, message);
    if (verdict.action != GUARD_CLOSE) {
        verdict.text = text;
    }
    apply_to_peer(session, &verdict, message, daffi_span_of(NULL, 0));
    session_update_reading(session);
}

void session_on_malformed(struct session *session, const char *text) {
    session_close_for_fault(session, CLOSE_PROTOCOL, text);
}
