/* What may pass: a pure verdict of a policy, a session and a message. No I/O, no clock, no allocation.
 * (ARCHITECTURE.md, "Rules of the house") */
#ifndef GUARD_H
#define GUARD_H

#include "bridge/guard/policy.h"
#include "daffi/errors.h"
#include "daffi/message.h"

enum guard_kind { GUARD_BROWSER, GUARD_NATIVE };

struct guard_policy {
    unsigned nesting; /* levels of arrays and objects in a payload */
};

struct guard_session {
    enum guard_kind kind;
    struct daffi_span name;      /* of the handshake */
    bool answers;                /* a page that exposes functions, or did */
    bool exposes;                /* of a message for the page: the function it names */
    const struct policy *policy; /* pages are held to it; NULL: nothing is said */
};

enum guard_action {
    GUARD_PASS,
    GUARD_ANSWER,  /* its sender is answered with an ERROR of `error` and `text`, if it waits for an answer */
    GUARD_REPLACE, /* an answer: in its place an ERROR of `error` and `text` goes on to whoever waits for it */
    GUARD_TRANSLATE, /* an ERROR of the upstream: what it says goes on as JSON, see daffi/remote_error.h */
    GUARD_CLOSE,     /* end the session with WebSocket close `code` and `text` */
};

enum { GUARD_NO_OFFSET = -1 };

struct guard_verdict {
    enum guard_action action;
    enum daffi_error_code error;
    uint16_t code;
    const char *text;              /* static: a sentence that names what was wrong and what is accepted */
    enum policy_verdict by_policy; /* not POLICY_ALLOWED: policy_explain says more than the text */
    ptrdiff_t offset; /* in the payload, of the first byte that does not fit; or GUARD_NO_OFFSET */
};

/* A message from the peer, after its handshake: REQUESTs of either kind, RESPONSEs and ERRORs of native peers and of pages
 * that expose functions; under the session's name; of a page what its policy allows, PICKLE only where that says so by name;
 * with a payload that every peer can decode. */
struct guard_verdict guard_check_from_peer(const struct guard_policy *policy,
                                           const struct guard_session *session,
                                           const struct daffi_message *message);

/* A message from the peer of which only header and metadata are there, as the whole of it is larger than this bridge takes:
 * never GUARD_PASS. `text` does not name the sizes: the caller knows them. */
struct guard_verdict guard_check_oversize(const struct guard_session *session,
                                          const struct daffi_message *message);

/* A message from the upstream, for the peer; HANDSHAKE and EVENTS are not asked about, they are written anew.
 * Payloads of answers are not looked at: what a worker answers is its caller's to read, and Python writes what is no JSON
 * (NaN). A page that may not send PICKLE is never sent it; it is sent a REQUEST only for a function that it exposes, with a
 * payload that can be decoded. */
struct guard_verdict guard_check_from_upstream(const struct guard_session *session,
                                               const struct daffi_message *message);

#endif
