/* How often a page may call, and how much it may send. Native peers have no limits. */
#include <stdio.h>

#include "bridge/session_internal.h"

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
    session_answer_peer(session, message, DAFFI_ERROR_REFUSED, text);
    return false;
}
