/* How often a page may call, how much it may send, and for how long it may stay. Native peers have no limits. */
#include <stdio.h>

#include "bridge/session/session_internal.h"

void session_start_rates(struct session *session) {
    const uint64_t now = reactor_now(session->bridge->reactor);
    const struct policy_rate calls = policy_call_rate(&session->policy);
    const struct policy_rate bytes = policy_byte_rate(&session->policy);
    rate_init(&session->call_rate, calls.per_second, calls.burst, now);
    rate_init(&session->byte_rate, bytes.per_second, bytes.burst, now);
}

/* A page that calls more often, or sends more, than its policy says is answered at once; what it sent counts. Only calls
 * can be refused: an answer is owed. */
bool session_keeps_to_rates(struct session *session, const struct daffi_message *message, size_t size) {
    const uint64_t now = reactor_now(session->bridge->reactor);
    char text[SESSION_REASON_MAX];
    if (message->flag != DAFFI_REQUEST) {
        rate_charge(&session->byte_rate, size, now);
        return true;
    }
    if (!rate_take(&session->call_rate, 1, now)) {
        snprintf(
            text, sizeof text,
            "the policy of this bridge takes %zu calls a second from a page (calls_per_second), %zu at once: "
            "call less often",
            (size_t)session->call_rate.per_second, (size_t)session->call_rate.burst);
    } else if (!rate_take(&session->byte_rate, size, now)) {
        snprintf(
            text, sizeof text,
            "the policy of this bridge takes %zu bytes a second from a page (bytes_per_second), %zu at once: "
            "send less",
            (size_t)session->byte_rate.per_second, (size_t)session->byte_rate.burst);
    } else {
        return true;
    }
    session_count_rate_refusal(session);
    session_answer_peer(session, message, DAFFI_ERROR_REFUSED, text);
    return false;
}

/* Whoever may stay has a new one, and comes again with it. */
static void on_expired(struct timer *timer, uint64_t now) {
    (void)now;
    struct session *session = (struct session *)(void *)((char *)timer - offsetof(struct session, expiry));
    session_close(session, CLOSE_POLICY, "the token has expired: connect with a new one");
}

int session_set_expiry(struct session *session, const struct auth_grant *grant) {
    struct reactor *reactor = session->bridge->reactor;
    session->expiry.on_due = on_expired;
    return grant == NULL
               ? 0
               : timer_set(reactor_timers(reactor), &session->expiry, reactor_now(reactor) + grant->lasts_ms);
}
