#include "bridge/guard/guard.h"

#include <errno.h>

#include "daffi/payload.h"

enum { CLOSE_PROTOCOL = 1002, CLOSE_POLICY = 1008, CLOSE_INTERNAL = 1011 };

static const struct guard_verdict PASS = {.action = GUARD_PASS, .text = "", .offset = GUARD_NO_OFFSET};

static struct guard_verdict close_with(uint16_t code, const char *text) {
    return (struct guard_verdict){
        .action = GUARD_CLOSE, .code = code, .text = text, .offset = GUARD_NO_OFFSET};
}

/* What becomes of a message that is well formed but may not pass: who waits for it hears why. */
static struct guard_verdict refuse(const struct daffi_message *message, enum daffi_error_code error,
                                   const char *text, ptrdiff_t offset) {
    return (struct guard_verdict){
        .action = message->flag == DAFFI_REQUEST ? GUARD_ANSWER : GUARD_REPLACE,
        .error = error,
        .text = text,
        .offset = offset,
    };
}

static bool holds_nul(struct daffi_span name) {
    return name.length > 0 && memchr(name.data, 0, name.length) != NULL;
}

/* The checks of each message are inline: a verdict that lets it pass is then no struct that is made and copied. */

/* What a worker written in Python does not survive: it asserts that the call it answers has an id, and hands the
 * names of a call to C as strings. */
static inline struct guard_verdict check_call(const struct daffi_message *message) {
    if (message->uuid == 0 && message->return_result) {
        return refuse(message, DAFFI_ERROR_REFUSED,
                      "a call has id 0, which is the servers' own: take 1 to 65535", GUARD_NO_OFFSET);
    }
    if (holds_nul(message->receiver) || holds_nul(message->function)) {
        return refuse(message, DAFFI_ERROR_REFUSED,
                      "the receiver or the function of a message holds a zero byte: no name does",
                      GUARD_NO_OFFSET);
    }
    return PASS;
}

/* Flag and transmitter: what ends the session. */
static inline struct guard_verdict check_sender(const struct guard_session *session,
                                                const struct daffi_message *message) {
    switch (message->flag) {
    case DAFFI_REQUEST:
        break;
    case DAFFI_RESPONSE:
    case DAFFI_ERROR:
        if (session->kind == GUARD_BROWSER && !session->answers) {
            return close_with(CLOSE_POLICY,
                              "this page exposes no functions: it may send REQUESTs, not answers");
        }
        break;
    case DAFFI_HANDSHAKE:
        return close_with(CLOSE_POLICY,
                          "a second HANDSHAKE on a connection: only the first message may be one");
    case DAFFI_EVENTS:
        return close_with(CLOSE_POLICY, "EVENTS are sent by servers only: a client may send REQUESTs");
    }
    if (!daffi_span_equal(message->transmitter, session->name)) {
        return close_with(CLOSE_POLICY,
                          "the transmitter of a message must be the name of this connection's handshake");
    }
    return PASS;
}

static const struct policy *policy_of(const struct guard_session *session) {
    static const struct policy says_nothing;
    return session->policy != NULL ? session->policy : &says_nothing;
}

/* A call has to be allowed as a whole, an answer to be in a serde that is taken. */
static inline struct guard_verdict check_policy(const struct guard_session *session,
                                                const struct daffi_message *message) {
    enum policy_verdict by_policy = POLICY_ALLOWED;
    if (message->flag == DAFFI_REQUEST) {
        by_policy = policy_check(policy_of(session), message);
    } else if (message->decoder == DAFFI_PICKLE && !policy_takes_pickle(policy_of(session))) {
        by_policy = POLICY_SERDE;
    }
    if (by_policy == POLICY_ALLOWED) {
        return PASS;
    }
    struct guard_verdict verdict =
        refuse(message, by_policy == POLICY_HIDDEN ? DAFFI_ERROR_NO_SUCH_MEMBER : DAFFI_ERROR_REFUSED,
               "the policy of this bridge does not let pages do that", GUARD_NO_OFFSET);
    verdict.by_policy = by_policy;
    return verdict;
}

struct guard_verdict guard_check_from_peer(const struct guard_policy *policy,
                                           const struct guard_session *session,
                                           const struct daffi_message *message) {
    struct guard_verdict verdict = check_sender(session, message);
    if (verdict.action != GUARD_PASS) {
        return verdict;
    }
    verdict = check_call(message);
    if (verdict.action != GUARD_PASS) {
        return verdict;
    }
    if (session->kind == GUARD_BROWSER) {
        verdict = check_policy(session, message);
        if (verdict.action != GUARD_PASS) {
            return verdict;
        }
    }
    struct daffi_fault fault;
    if (daffi_payload_check(message, policy->nesting, &fault) < 0) {
        return refuse(message, DAFFI_ERROR_REFUSED, fault.text, (ptrdiff_t)fault.offset);
    }
    return PASS;
}

struct guard_verdict guard_check_oversize(const struct guard_session *session,
                                          const struct daffi_message *message) {
    struct guard_verdict verdict = check_sender(session, message);
    if (verdict.action != GUARD_PASS) {
        return verdict;
    }
    return refuse(message, DAFFI_ERROR_REFUSED, "the message is larger than this bridge takes",
                  GUARD_NO_OFFSET);
}

/* A call for a page. */
static struct guard_verdict check_call_of_page(const struct guard_session *session,
                                               const struct daffi_message *message) {
    struct daffi_fault fault;
    if (!session->exposes) {
        return refuse(message, DAFFI_ERROR_NO_SUCH_METHOD, "the page does not expose that function",
                      GUARD_NO_OFFSET);
    }
    if (message->decoder == DAFFI_PICKLE && !policy_takes_pickle(policy_of(session))) {
        return refuse(message, DAFFI_ERROR_REFUSED,
                      "pages are never sent PICKLE: call them with serde JSON, MSGPACK or OPAQUE",
                      GUARD_NO_OFFSET);
    }
    if (daffi_payload_check(message, DAFFI_NESTING_MAX, &fault) < 0) {
        return refuse(message, DAFFI_ERROR_REFUSED, fault.text, (ptrdiff_t)fault.offset);
    }
    return check_call(message);
}

struct guard_verdict guard_check_from_upstream(const struct guard_session *session,
                                               const struct daffi_message *message) {
    if (!daffi_span_equal(message->receiver, session->name)) {
        return close_with(CLOSE_INTERNAL, "the upstream sent a message for somebody else");
    }
    if (session->kind == GUARD_NATIVE) {
        return PASS;
    }
    switch (message->flag) {
    case DAFFI_REQUEST:
        return check_call_of_page(session, message);
    case DAFFI_RESPONSE:
        if (message->decoder == DAFFI_PICKLE && !policy_takes_pickle(policy_of(session))) {
            return refuse(message, DAFFI_ERROR_REFUSED, "the answer is PICKLE, which pages are never sent",
                          GUARD_NO_OFFSET);
        }
        return PASS;
    case DAFFI_ERROR:
        if (message->decoder == DAFFI_PICKLE || message->decoder == DAFFI_OPAQUE) {
            struct guard_verdict translate = PASS;
            translate.action = GUARD_TRANSLATE;
            return translate;
        }
        return PASS;
    case DAFFI_HANDSHAKE:
    case DAFFI_EVENTS:
        break;
    }
    return close_with(CLOSE_INTERNAL, "HANDSHAKE and EVENTS are written anew, never passed on");
}
