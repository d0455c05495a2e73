/* What session.c and session_backend.c share: nobody else looks into a session. */
#ifndef SESSION_INTERNAL_H
#define SESSION_INTERNAL_H

#include "bridge/own_message.h"
#include "bridge/rate.h"
#include "bridge/session.h"
#include "ops/log.h"

enum {
    CLOSE_PROTOCOL = 1002,
    CLOSE_POLICY = 1008,
    CLOSE_TOO_LARGE = 1009,
    CLOSE_INTERNAL = 1011,
    CLOSE_TRY_LATER = 1013,
    QUOTED_MAX = 128, /* of a peer's text in a log line */
    WHO_MAX = 512,
    ENDING_MAX = 192,
    BRIDGE_ABI = 1, /* of what our client is told about the bridge */
};

enum session_state {
    SESSION_AWAITING_HANDSHAKE,
    SESSION_ATTACHING, /* its handshake is with the backend */
    SESSION_OPEN,
    SESSION_CLOSING, /* detached; the transport is on its way to session_on_closed */
};

struct session {
    struct reactor_retired retired;
    struct session *next, *previous; /* of bridge->sessions */
    struct bridge *bridge;
    enum session_state state;
    enum guard_kind kind;
    bool wants_offer;
    bool paused;   /* the peer is not read: see update_reading */
    uint16_t uuid; /* of the peer's handshake */
    char *name;    /* of its member; NULL until then */
    struct timer deadline;
    struct policy policy;
    struct rate calls, bytes; /* that its peer may send; no limit for native peers */
    struct backend *backend;
    struct attachment *attachment;
    const struct session_transport *transport;
    void *transport_owner;
    char address[ADDRESS_MAX];
    char *no_backend;        /* NULL where there is one */
    char ending[ENDING_MAX]; /* why it closes, for the log */
};

/* A macro, as the log's rate is bounded by format: `what` is a literal. */
#define LOG_SESSION(session, level, what, detail)                                                            \
    do {                                                                                                     \
        char who[WHO_MAX];                                                                                   \
        log_peer(level, what " %s: %s", session_describe(session, who, sizeof who), detail);                 \
    } while (0)

/* `page "name" from 192.0.2.1, upstream default` */
const char *session_describe(const struct session *session, char *out, size_t size);

struct daffi_span session_name(const struct session *session); /* empty before the handshake */
struct guard_session session_guarded(const struct session *session);

/* Sends one of the bridge's own, made with the result `made`, down to the peer or up to the backend; clears it. A
 * failure to send is the other's to act on: it ends by itself. */
void session_send_own(struct session *session, int made, struct own_message *message);
void session_send_up_own(struct session *session, int made, struct own_message *message);

/* Header and metadata of a message of which `bytes` are all. */
static inline struct daffi_span session_head_of(const struct daffi_message *message,
                                                struct daffi_span bytes) {
    return daffi_span_of(bytes.data, bytes.length - message->payload.length);
}

/* The form that an answer to `request` has. */
struct daffi_message session_answer_to(const struct daffi_message *request);

/* The answer to the handshake that says no, and the end. */
void session_refuse(struct session *session, uint16_t code, const char *reason);

/* Pauses or resumes the peer, as both sides' queues are. */
void session_update_reading(struct session *session);

#endif
