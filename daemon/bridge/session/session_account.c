/* What is counted and written down of a session: its messages, its calls and how long they took, its end. */
#include <stdio.h>
#include <string.h>

#include "bridge/session/session_internal.h"
#include "ops/access_log.h"

static struct counters *counters_of(const struct session *session) {
    return &session->bridge->counters;
}

static struct upstream_counters *upstream_of(const struct session *session) {
    return session->backend == NULL ? NULL : session->backend->counters;
}

static const char *who_of(const struct session *session) {
    return session->kind == GUARD_BROWSER ? "page" : "native peer";
}

const char *session_describe(const struct session *session, char *out, size_t size) {
    char name[QUOTED_MAX] = "";
    if (session->name != NULL) {
        log_quote(name, sizeof name, session->name, strlen(session->name));
    }
    snprintf(out, size, "%s \"%s\" from %s, upstream %s", who_of(session), name, session->address,
             session->backend == NULL ? "-" : session->backend->name);
    return out;
}

void session_count_more_sent(struct session *session, size_t count) {
    session->sent += count;
    counter_add(counters_of(session),
                session->kind == GUARD_BROWSER ? COUNTER_PAGE_MESSAGES_SENT : COUNTER_NATIVE_MESSAGES_SENT,
                count);
}

int session_send_down(struct session *session, struct daffi_span head, struct daffi_span payload) {
    session_count_more_sent(session, 1);
    return session->transport->send(session->transport_owner, head, payload);
}

void session_count_received(struct session *session) {
    session->received++;
    counter_up(counters_of(session), session->kind == GUARD_BROWSER ? COUNTER_PAGE_MESSAGES_RECEIVED
                                                                    : COUNTER_NATIVE_MESSAGES_RECEIVED);
}

void session_count_handshake(struct session *session, bool is_accepted) {
    static const enum counter places[2][2] = {{COUNTER_NATIVE_REFUSED, COUNTER_NATIVE_ACCEPTED},
                                              {COUNTER_PAGES_REFUSED, COUNTER_PAGES_ACCEPTED}};
    counter_up(counters_of(session), places[session->kind == GUARD_BROWSER][is_accepted]);
}

void session_count_pause(struct session *session, bool is_paused) {
    (is_paused ? counter_up : counter_down)(counters_of(session), COUNTER_PAUSED_PAGES);
}

/* -- calls -- */

/* `message` is the answer; or the request (names and serde of one) that the bridge answered itself. */
static struct access_call describe_call(const struct session *session, const struct daffi_message *message,
                                        bool is_answer, const char *result, uint64_t took_us) {
    const struct daffi_span receiver = is_answer ? message->transmitter : message->receiver;
    return (struct access_call){
        .who = who_of(session),
        .name = session->name,
        .address = session->address,
        .upstream = session->backend == NULL ? NULL : session->backend->name,
        .receiver = (const char *)receiver.data,
        .receiver_length = receiver.length,
        .function = (const char *)message->function.data,
        .function_length = message->function.length,
        .serde = (unsigned)message->decoder,
        .result = result,
        .duration_us = took_us,
        .answer = is_answer ? message->payload.data : NULL,
        .bytes_sent = is_answer ? message->payload.length : 0,
        .caller = session,
        .uuid = message->uuid,
    };
}

static void tell_call(const struct session *session, const struct daffi_message *message, bool is_answer,
                      const char *result, uint64_t took_us) {
    const struct access_call call = describe_call(session, message, is_answer, result, took_us);
    access_log_call(&call);
}

void session_account_waiting(const struct session *session, const struct daffi_message *request) {
    if (access_log_wants_beginnings()) {
        const struct access_call call = describe_call(session, request, false, NULL, 0);
        access_log_begin(&call);
    }
}

void session_count_refusal(struct session *session, const struct guard_verdict *verdict, bool is_whole) {
    static const enum counter by_policy[] = {
        [POLICY_ALLOWED] = COUNTER_REFUSED_CALL_PAYLOAD,   [POLICY_HIDDEN] = COUNTER_REFUSED_CALL_MEMBER,
        [POLICY_RECEIVER] = COUNTER_REFUSED_CALL_RECEIVER, [POLICY_FUNCTION] = COUNTER_REFUSED_CALL_FUNCTION,
        [POLICY_SERDE] = COUNTER_REFUSED_CALL_SERDE,       [POLICY_PINNED] = COUNTER_REFUSED_CALL_SERDE,
    };
    bool is_size = verdict->by_policy == POLICY_ALLOWED && !is_whole;
    counter_up(counters_of(session), is_size ? COUNTER_REFUSED_CALL_SIZE : by_policy[verdict->by_policy]);
}

void session_count_rate_refusal(struct session *session) {
    counter_up(counters_of(session), COUNTER_REFUSED_CALL_RATE);
}

/* One that waits for no answer is over with this. */
void session_account_call(struct session *session, const struct daffi_message *request) {
    counter_up_of_upstream(upstream_of(session), COUNTER_UPSTREAM_CALLS);
    if (!request->return_result && access_log_wants_calls()) {
        tell_call(session, request, false, "sent", 0);
    }
}

static uint64_t time_since(const struct session *session, uint64_t since_us) {
    const uint64_t now_us = reactor_now_us(session->bridge->reactor);
    return now_us > since_us ? now_us - since_us : 0;
}

void session_account_answer(struct session *session, const struct daffi_message *answer, uint64_t since_us) {
    struct upstream_counters *upstream = upstream_of(session);
    const uint64_t took_us = time_since(session, since_us);
    bool is_error = answer->flag == DAFFI_ERROR;
    counter_up_of_upstream(upstream, is_error ? COUNTER_UPSTREAM_ERRORS : COUNTER_UPSTREAM_RESPONSES);
    if (upstream != NULL) {
        histogram_add(&upstream->latency, took_us);
    }
    if (access_log_wants_calls()) {
        tell_call(session, answer, true, is_error ? "error" : "response", took_us);
    }
}

void session_account_own_answer(struct session *session, const struct daffi_message *request,
                                enum daffi_error_code code, uint64_t since_us) {
    counter_up(counters_of(session), (enum counter)(COUNTER_CALL_ERROR_REMOTE + (int)code));
    if (access_log_wants_calls()) {
        tell_call(session, request, false, daffi_error_code_name(code),
                  since_us == 0 ? 0 : time_since(session, since_us));
    }
}

void session_count_dropped_answer(struct session *session) {
    counter_up(counters_of(session), COUNTER_DROPPED_ANSWERS);
}

/* -- the end -- */

void session_note_close(struct session *session, uint16_t code) {
    if (session->close_code == 0) {
        session->close_code = code;
    }
}

static enum counter closed_counter(unsigned code) {
    static const struct {
        unsigned code;
        enum counter counter;
    } known[] = {
        {1000, COUNTER_CLOSED_1000}, {1001, COUNTER_CLOSED_1001}, {1002, COUNTER_CLOSED_1002},
        {1003, COUNTER_CLOSED_1003}, {1005, COUNTER_CLOSED_1005}, {1006, COUNTER_CLOSED_1006},
        {1007, COUNTER_CLOSED_1007}, {1008, COUNTER_CLOSED_1008}, {1009, COUNTER_CLOSED_1009},
        {1011, COUNTER_CLOSED_1011}, {1012, COUNTER_CLOSED_1012}, {1013, COUNTER_CLOSED_1013},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].code == code) {
            return known[i].counter;
        }
    }
    return COUNTER_CLOSED_OTHER;
}

void session_account_end(struct session *session, const char *reason) {
    const unsigned code = session->close_code == 0 ? CLOSE_NONE : session->close_code;
    counter_up(counters_of(session), closed_counter(code));
    if (session->paused) {
        session_count_pause(session, false);
    }
    access_log_leave(session);
    if (!access_log_wants_connections()) {
        LOG_SESSION(session, CONFIG_LOG_DEBUG, "closed", reason);
        return;
    }
    struct access_connection connection = {
        .who = who_of(session),
        .name = session->name,
        .address = session->address,
        .upstream = session->backend == NULL ? NULL : session->backend->name,
        .duration_ms = reactor_now(session->bridge->reactor) - session->since,
        .messages_received = session->received,
        .messages_sent = session->sent,
        .code = code,
        .reason = reason,
    };
    if (session->transport->measure != NULL) {
        session->transport->measure(session->transport_owner, &connection.bytes_received,
                                    &connection.bytes_sent);
    }
    access_log_connection(&connection);
}
