/* What may pass: a pure verdict of a policy, a session and a message.           (design contracts 1 to 3) */
#ifndef GUARD_H
#define GUARD_H

#include "daffi/errors.h"
#include "daffi/message.h"

enum guard_kind { GUARD_BROWSER, GUARD_NATIVE };

struct guard_policy {
    unsigned nesting;
    size_t message_bytes;
};

struct guard_session {
    enum guard_kind kind;
    struct daffi_span name; /* of the handshake */
};

enum guard_action {
    GUARD_PASS,
    GUARD_ANSWER, /* answer the call with an ERROR of `error` and `text`; nothing when it does not wait for one */
    GUARD_CLOSE,  /* end the session with WebSocket close `code` and `text` */
};

struct guard_verdict {
    enum guard_action action;
    enum daffi_error_code error;
    uint16_t code;
    const char *text; /* static: a sentence that names what was wrong and what is accepted */
};

/* A message from the peer, after its handshake. */
struct guard_verdict guard_check_from_peer(const struct guard_policy *policy, const struct guard_session *session,
                                           const struct daffi_message *message);

/* A message from the upstream, for the peer. */
struct guard_verdict guard_check_from_upstream(const struct guard_policy *policy, const struct guard_session *session,
                                               const struct daffi_message *message);

#endif
