/* A session: one named peer, whatever its transport, and its attachment to one backend.
 * (ARCHITECTURE.md, "Rules of the house")
 * AWAITING_HANDSHAKE -> CLAIMING -> ATTACHING -> OPEN -> CLOSING. One reactor; the transport owns the session's end of the
 * wire, the backend the other; both know the session by these calls alone. */
#ifndef SESSION_H
#define SESSION_H

#include "bridge/bridge.h"
#include "bridge/guard/auth.h"
#include "bridge/guard/guard.h"
#include "bridge/session/call_table.h"
#include "daffi/handshake.h"

enum { SESSION_REASON_MAX = 512 };

/* Bytes of a peer's first message: what nobody knows yet may not fill our memory. A page brings its name, a native peer
 * the names of its functions. */
enum { SESSION_HANDSHAKE_PAGE = 65536, SESSION_HANDSHAKE_NATIVE = 2097152 };

/* How a session reaches its peer: made by ws_peer.c and native_peer.c. */
struct session_transport {
    /* Queues one whole daffi message, head and payload. 0; a negative errno: the transport is closing itself. */
    int (*send)(void *transport, struct daffi_span head, struct daffi_span payload);
    /* Ends it: `code` and `reason` are a WebSocket close's; native transports say what they can. After this the
     * transport calls session_on_closed, never from within. */
    void (*close)(void *transport, uint16_t code, const char *reason);
    void (*pause)(void *transport); /* stop reading the peer: browsers only */
    void (*resume)(void *transport);
    bool (*is_congested)(const void *transport);
    void (*on_open)(void *transport);        /* the peer has proved itself and is attached */
    size_t (*queued)(const void *transport); /* bytes that wait to go out to the peer */
    void (*ping)(void *transport);           /* asks for a sign of life: session_on_alive. Browsers only */
    /* Bytes of its connection; NULL: nobody knows. */
    void (*measure)(const void *transport, uint64_t *ret_received, uint64_t *ret_sent);
    /* So many of the bytes sent last are others' doing; NULL: they count as its own.                   (connection_lend) */
    void (*lend)(void *transport, size_t bytes);
};

struct session_setup {
    struct bridge *bridge;
    enum guard_kind kind;
    /* NULL: there is none of that name; its handshake will be refused with `no_backend` */
    struct backend *backend;
    const char *no_backend;   /* copied */
    bool wants_offer;         /* our own client: it may be told of the bridge */
    struct policy policy;     /* of a page */
    struct auth_grant *grant; /* of its token, taken over where session_new returns 0; NULL: none is needed */
    const char *tab;          /* copied; the secret of its tab, NAMES_TAB_BYTES; NULL: none was sent */
    const char *address;      /* copied */
    const char *bound_name; /* copied; its peer has to be called so, empty: it can't be. NULL: as it likes */
    const struct session_transport *transport;
    void *transport_owner;
};

/* 0 or -ENOMEM. The session ends with session_on_closed, after which it may not be used. */
int session_new(const struct session_setup *setup, struct session **ret_session);

/* Ends it: the program stops, or some other reason of our own. Nothing where it is closing already. */
void session_close(struct session *session, uint16_t code, const char *reason);

/* Likewise, unless it waits for answers: whether it closes with this. */
bool session_dismiss(struct session *session, uint16_t code, const char *reason);

bool session_is_closing(const struct session *session);

/* -- from the transport -- */

/* Bytes of a message that the transport should take now: less before the handshake than behind it. What is larger is
 * to be told by session_on_oversize. */
size_t session_message_limit(const struct session *session);

/* One whole message; `bytes` are all of its bytes. */
void session_on_message(struct session *session, const struct daffi_message *message,
                        struct daffi_span bytes);
/* A message of `size` bytes, past the limit: header and metadata alone. The rest is swallowed. */
void session_on_oversize(struct session *session, const struct daffi_message *message, size_t size);
/* Bytes that are no message: the session ends with 1002. */
void session_on_malformed(struct session *session, const char *text);
void session_on_drained(struct session *session);
void session_on_alive(struct session *session); /* the peer has answered a ping */
/* The close code that the peer gave, for the books: before session_on_closed. Ours is known. */
void session_note_close(struct session *session, uint16_t code);
/* The peer is gone, or about to go: nothing can be sent to it any more. `detail` says why, for the log. The session
 * is freed at the end of the turn. */
void session_on_closed(struct session *session, const char *detail);

/* -- between session and backend -- */

/* How a session reaches the rest of the world: upstream.c, router.c. Upward calls come by session_on_backend_...,
 * never from within a downward call. */
struct attachment;
enum backend_leaving { BACKEND_DISCONNECTED, BACKEND_EVICTED };
struct backend_operations {
    /* Joins as the handshake's only member; the peer's call id stays. What the other side answers comes by
     * session_on_backend_message. 0 and *ret_attachment, or -errno (then nothing comes). */
    int (*attach)(struct backend *backend, struct session *session, const struct daffi_handshake *handshake,
                  uint16_t uuid, struct attachment **ret_attachment);
    /* Queues one whole checked message. 0, or -EBUSY (its caller is answered `busy`), or another -errno: it is being
     * lost, session_on_backend_lost comes. */
    int (*send)(struct attachment *attachment, struct daffi_span head, struct daffi_span payload);
    /* What is queued still goes; no upward call comes after it. Others are told how it left, where the backend tells them. A
     * backend that can't bear a newcomer of that name as yet takes `claim` over (names_hand_over). */
    void (*detach)(struct attachment *attachment, enum backend_leaving how, struct names_entry *claim);
    bool (*is_congested)(const struct attachment *attachment);
    /* The page exposes other functions from now on: the handshake is its new one, its answer comes by
     * session_on_backend_message or _welcome. *ret_attachment, which may be the same one, takes the place of `attachment` at
     * once, congested until the answer has come; where that fails session_on_backend_kept gives the old one back. 0; -EBUSY:
     * the last change is under way; another -errno: nothing comes of it. */
    int (*rejoin)(struct attachment *attachment, const struct daffi_handshake *handshake, uint16_t uuid,
                  struct attachment **ret_attachment);
    /* Whether a member that is not called `except` is known to serve the function; its name is copied, DAFFI_NAME_MAX bytes and
     * a NUL at most. May be NULL: nothing is known. */
    bool (*serves)(const struct backend *backend, struct daffi_span function, struct daffi_span except,
                   char *ret_name);
    /* Calls of the session that wait for their answer, where the backend keeps account of them; NULL: the session does. */
    const struct call_caller *(*calls)(const struct attachment *attachment);
};
struct backend {
    const struct backend_operations *operations;
    const char *name;
    struct upstream_counters *counters; /* on this reactor; NULL: nobody counts */
    bool answers; /* calls that can't be delivered, and those whose member has left; else the session does */
    size_t place; /* names of members: of backends with the same place they are the same */
    size_t users; /* sessions and attachments; the backend's reactor's alone */
    void (*on_unused)(struct backend *backend); /* the last of them has gone; or NULL */
};

/* Both take NULL for none. backend_hold returns `backend`. */
static inline struct backend *backend_hold(struct backend *backend) {
    if (backend != NULL) {
        backend->users++;
    }
    return backend;
}
static inline void backend_drop(struct backend *backend) {
    if (backend != NULL && --backend->users == 0 && backend->on_unused != NULL) {
        backend->on_unused(backend);
    }
}

/* One whole message, HANDSHAKE and EVENTS included. The session may detach within it. */
void session_on_backend_message(struct session *session, const struct daffi_message *message,
                                struct daffi_span bytes);
/* What the bridge has written itself, in the form it goes out in. The answer that accepts this session's handshake, or its change
 * of functions: `bytes` are the whole message. `count` messages of HANDSHAKE or EVENTS, one behind the other, which are nothing
 * while the session is not open. */
void session_on_backend_welcome(struct session *session, const struct daffi_message *message,
                                struct daffi_span bytes);
void session_on_backend_news(struct session *session, struct daffi_span bytes, size_t count);
/* No attachment can be had (WebSocket close `code`: 1013 not there, 1011 our fault), or it is lost (1012), or it
 * spoke nonsense (1011). The session detaches within this call. */
void session_on_backend_lost(struct session *session, uint16_t code, const char *reason);
void session_on_backend_drained(struct session *session);
/* A rejoin came to nothing: `attachment`, the one before it, holds as it did. */
void session_on_backend_kept(struct session *session, struct attachment *attachment, const char *reason);

/* For the books: an answer to a call of the peer, passed on at `since_us`; and one that the bridge gives itself, with what
 * is known of the call. */
void session_account_waiting(const struct session *session, const struct daffi_message *request);
void session_account_answer(struct session *session, const struct daffi_message *answer, uint64_t since_us);
void session_account_own_answer(struct session *session, const struct daffi_message *request,
                                enum daffi_error_code code, uint64_t since_us);

/* The one it was born with, whatever is reloaded meanwhile; not held. */
const struct config *session_config(const struct session *session);
const char *session_address(const struct session *session);    /* of its peer */
struct daffi_span session_name(const struct session *session); /* of its peer; empty before the handshake */
/* Answers to those who had its name before; once.    (names.h) */
size_t session_take_debt(struct session *session);
enum guard_kind session_kind(const struct session *session);
size_t session_calls_limit(const struct session *session); /* of its calls in flight */
size_t session_queued(const struct session *session);      /* bytes that wait for its peer to read them */
void session_lend(struct session *session, size_t bytes);  /* others' doing, of what waits */

/* Of a bridge, for its end: the next session of the list, or the first for NULL. */
struct session *session_next(const struct bridge *bridge, struct session *session);

#endif
