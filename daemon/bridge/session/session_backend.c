/* The session's other side: what comes from its backend. */
#include <errno.h>
#include <stdio.h>

#include "bridge/session/session_internal.h"

static void on_backend_fault(struct session *session, const char *text) {
    char reason[SESSION_REASON_MAX];
    snprintf(reason, sizeof reason, "the upstream \"%s\" sent something wrong: %s", session->backend->name,
             text);
    session_on_backend_lost(session, CLOSE_INTERNAL, reason);
}

static void take_refusal(struct session *session, struct daffi_span text) {
    char said[SESSION_REASON_MAX / 2];
    char reason[SESSION_REASON_MAX];
    log_quote(said, sizeof said, text.data, text.length);
    snprintf(reason, sizeof reason, "the upstream \"%s\" refused the handshake: %s", session->backend->name,
             said);
    session_refuse(session, CLOSE_POLICY, reason);
}

void session_attach(struct session *session) {
    struct daffi_handshake *handshake = session->handshake;
    session->handshake = NULL;
    session->state = SESSION_ATTACHING;
    session_choose_ids(session);
    int status = session_set_deadline(session, session->config->timeouts.upstream_connect);
    if (status == 0) {
        status = session->backend->operations->attach(session->backend, session, handshake, session->uuid,
                                                      &session->attachment);
    }
    if (status < 0) {
        char reason[SESSION_REASON_MAX];
        snprintf(reason, sizeof reason, "the upstream \"%s\" can't be reached: %s", session->backend->name,
                 strerror(-status));
        session_refuse(session, CLOSE_TRY_LATER, reason);
    } else if (session->kind == GUARD_BROWSER && handshake->members[0].methods_count > 0) {
        session->exposed = handshake;
        handshake = NULL;
    }
    daffi_handshake_free(handshake);
}

static void open_session(struct session *session) {
    session->state = SESSION_OPEN;
    session->is_let_in = true;
    timer_clear(reactor_timers(session->bridge->reactor), &session->deadline);
    LOG_SESSION(session, CONFIG_LOG_INFO, "open", "attached");
    session_count_handshake(session, true);
    session->transport->on_open(session->transport_owner);
}

static void take_server_handshake(struct session *session, const struct daffi_message *message) {
    struct daffi_handshake *handshake = NULL;
    struct daffi_fault fault = {.text = "out of memory"};
    if (daffi_handshake_parse_server(message->payload, &handshake, &fault) < 0) {
        on_backend_fault(session, fault.text);
        return;
    }
    bool is_awaited = session->state == SESSION_ATTACHING || session->exposing != NULL;
    bool is_own_answer = is_awaited && message->uuid == session->uuid &&
                         daffi_span_equal(message->transmitter, session_name(session));
    if (is_own_answer && handshake->error != NULL) {
        take_refusal(session, daffi_span_text(handshake->error));
        daffi_handshake_free(handshake);
        return;
    }
    handshake->bridge =
        (struct daffi_bridge_offer){0}; /* whatever the upstream is, it does not speak for us */
    if (is_own_answer && session->wants_offer) {
        const struct config *config = session->config;
        handshake->bridge = (struct daffi_bridge_offer){.abi = BRIDGE_ABI,
                                                        .max_message = config->limits.message_bytes,
                                                        .max_batch = bridge_batch_limit(config),
                                                        .heartbeat = (unsigned)config->timeouts.heartbeat};
    }
    session->server = handshake->type;
    size_t told = handshake->members_count;
    if (session_take_members(session, handshake, is_own_answer) < 0) {
        daffi_handshake_free(handshake);
        session_close(session, CLOSE_INTERNAL, "the bridge is out of memory");
        return;
    }
    const struct daffi_message envelope = {
        .uuid = message->uuid, .return_result = message->return_result, .transmitter = message->transmitter};
    struct own_message own = {0};
    if (is_own_answer || told == 0 || handshake->members_count > 0) { /* else nothing is left to tell */
        session_send_own(session, own_message_handshake(&envelope, handshake, &own), &own);
    }
    daffi_handshake_free(handshake);
    if (is_own_answer && session->state == SESSION_ATTACHING) {
        open_session(session);
    } else if (is_own_answer) {
        session_take_functions(session);
    }
}

/* A page needs not give up what it has under way to a member that will be there again at once: in place of its eviction it
 * is told that the member exposes nothing for now. */
static void tell_of_rejoin(struct session *session, struct daffi_event *event) {
    struct daffi_member bare = {.name = event->member};
    const struct daffi_handshake handshake = {
        .type = DAFFI_TYPE_ROUTER, .members = &bare, .members_count = 1};
    const struct daffi_message envelope = {0};
    struct own_message own = {0};
    session_send_own(session, own_message_handshake(&envelope, &handshake, &own), &own);
}

static void take_event(struct session *session, const struct daffi_message *message) {
    struct daffi_event event;
    struct daffi_fault fault = {.text = "out of memory"};
    if (daffi_event_parse(message->payload, &event, &fault) < 0) {
        on_backend_fault(session, fault.text);
        return;
    }
    int shown = session_take_news(session, &event);
    if (shown < 0) {
        session_close(session, CLOSE_INTERNAL, "the bridge is out of memory");
    }
    if (shown <= 0 || session->state == SESSION_CLOSING) {
        return;
    }
    if (session->kind == GUARD_BROWSER && session_is_rejoin(session, &event)) {
        tell_of_rejoin(session, &event);
        return;
    }
    const struct daffi_message envelope = {.uuid = message->uuid};
    struct own_message own = {0};
    session_send_own(session, own_message_event(&envelope, &event, &own), &own);
}

/* An ERROR that is no JSON, for a page: as JSON. */
static void translate_error(struct session *session, const struct daffi_message *message) {
    struct daffi_remote_error error = {.type = daffi_span_text("Error"), .module = daffi_span_text("daffi")};
    struct daffi_fault fault;
    if (message->decoder == DAFFI_OPAQUE) {
        error.text = message->payload;
    } else if (daffi_remote_error_from_pickle(message->payload, &error, &fault) < 0) {
        error = own_error(DAFFI_ERROR_REMOTE, "the function raised an error whose PICKLE can't be read");
    }
    struct own_message own = {0};
    session_send_own(session, own_message_error(message, &error, &own), &own);
}

/* To whoever called this peer through the backend. */
static void answer_backend(struct session *session, const struct daffi_message *request,
                           enum daffi_error_code code, const char *text) {
    if (!request->return_result) {
        return;
    }
    const struct daffi_message envelope = session_answer_to(request);
    const struct daffi_remote_error error = own_error(code, text);
    struct own_message answer = {0};
    session_send_up_own(session, own_message_error(&envelope, &error, &answer), &answer);
}

static void replace_answer_down(struct session *session, const struct daffi_message *message,
                                enum daffi_error_code code, const char *text) {
    struct daffi_message envelope = *message;
    const struct daffi_remote_error error = own_error(code, text);
    struct own_message own = {0};
    session_send_own(session, own_message_error(&envelope, &error, &own), &own);
}

static void pass_down(struct session *session, const struct daffi_message *message, struct daffi_span bytes) {
    struct guard_session who = session_guarded(session);
    who.exposes = session_exposes(session, message->function);
    const struct guard_verdict verdict = guard_check_from_upstream(&who, message);
    if (verdict.action != GUARD_CLOSE && !session_take_answer(session, message)) {
        return;
    }
    struct daffi_message renumbered;
    const struct daffi_message *told = session_on_its_way_down(session, message, &renumbered);
    switch (verdict.action) {
    case GUARD_PASS:
        if (message->flag == DAFFI_REQUEST && session_owe_answer(session, message) < 0) {
            answer_backend(session, message, DAFFI_ERROR_BUSY,
                           "too many calls wait for this member's answers: try again later");
            break;
        }
        (void)session_send_down_as(session, told, message, bytes);
        break;
    case GUARD_ANSWER:
        answer_backend(session, message, verdict.error, verdict.text);
        break;
    case GUARD_REPLACE:
        replace_answer_down(session, told, verdict.error, verdict.text);
        break;
    case GUARD_TRANSLATE:
        translate_error(session, told);
        break;
    case GUARD_CLOSE:
        on_backend_fault(session, verdict.text);
        break;
    }
}

/* The reference refuses a handshake by an ERROR of its uuid, with a plain text. */
static bool is_refusal(const struct session *session, const struct daffi_message *message) {
    return session->state == SESSION_ATTACHING && message->flag == DAFFI_ERROR &&
           message->uuid == session->uuid &&
           (message->transmitter.length == 0 ||
            daffi_span_equal(message->transmitter, session_name(session)));
}

void session_on_backend_message(struct session *session, const struct daffi_message *message,
                                struct daffi_span bytes) {
    if (session->state == SESSION_CLOSING) {
        return;
    }
    if (is_refusal(session, message)) {
        take_refusal(session, message->payload);
        return;
    }
    if (session_is_probe(session, message)) {
        session_take_probe(session, message);
        session_update_reading(session);
        return;
    }
    switch (message->flag) {
    case DAFFI_HANDSHAKE:
        take_server_handshake(session, message);
        break;
    case DAFFI_EVENTS:
        take_event(session, message);
        break;
    case DAFFI_REQUEST:
    case DAFFI_RESPONSE:
    case DAFFI_ERROR:
        pass_down(session, message, bytes);
        break;
    }
    session_update_reading(session);
}

static void send_whole(struct session *session, struct daffi_span bytes) {
    const struct daffi_span nothing = daffi_span_of(bytes.data + bytes.length, 0);
    (void)session_send_down(session, bytes, nothing);
}

void session_on_backend_welcome(struct session *session, const struct daffi_message *message,
                                struct daffi_span bytes) {
    bool is_change = session->state == SESSION_OPEN && session->exposing != NULL;
    if (session->state != SESSION_ATTACHING && !is_change) {
        return;
    }
    if (session->wants_offer || !session_shows_all(session)) {
        take_server_handshake(session, message);
    } else {
        send_whole(session, bytes);
        if (is_change) {
            session_take_functions(session);
        } else {
            open_session(session);
        }
    }
    session_update_reading(session);
}

/* Native peers read a stream: for them all is one piece of it. */
void session_on_backend_news(struct session *session, struct daffi_span bytes, size_t count) {
    if (session->kind == GUARD_NATIVE && session->state == SESSION_OPEN) {
        session_count_more_sent(session, count - 1);
        send_whole(session, bytes);
        return;
    }
    while (bytes.length > 0 && session->state == SESSION_OPEN) {
        struct daffi_message message;
        struct daffi_fault fault;
        size_t size = 0;
        if (daffi_message_decode(bytes, &message, &size, &fault) != 0) {
            return; /* it is our own */
        }
        const struct daffi_span whole = daffi_span_of(bytes.data, size);
        if (session_shows_all(session)) {
            send_whole(session, whole);
            session_update_reading(session);
        } else {
            session_on_backend_message(session, &message, whole);
        }
        bytes = daffi_span_of(bytes.data + size, bytes.length - size);
    }
}

void session_on_backend_lost(struct session *session, uint16_t code, const char *reason) {
    session->is_let_in = false;
    switch (session->state) {
    case SESSION_ATTACHING:
        session_refuse(session, code, reason);
        break;
    case SESSION_OPEN:
        LOG_SESSION(session, CONFIG_LOG_WARNING, "upstream lost by", reason);
        session_close(session, code, reason);
        break;
    case SESSION_AWAITING_HANDSHAKE:
    case SESSION_CLAIMING:
    case SESSION_CLOSING:
        break;
    }
}
