/* A session: one named peer, whatever its transport, and its attachment to one backend.
 *                                                                        (design.md, "Contracts between rooms")
 * AWAITING_HANDSHAKE -> ATTACHING -> OPEN -> CLOSING. One reactor; the transport owns the session's
 * end of the wire, the backend the other; both know the session by these calls alone. */
#ifndef SESSION_H
#define SESSION_H

#include "bridge/guard.h"
#include "config/config.h"
#include "daffi/handshake.h"
#include "net/reactor.h"

struct session;

/* How a session reaches its peer: made by ws/ws_peer.c and bridge/native_peer.c. */
struct session_transport {
    /* Queues one whole daffi message, head and payload. 0; a negative errno: the transport is closing itself. */
    int (*send)(void *transport, struct daffi_span head, struct daffi_span payload);
    /* Ends it: `code` and `reason` are a WebSocket close's; native transports say what they can. After this the
     * transport calls session_on_closed, never from within. */
    void (*close)(void *transport, uint16_t code, const char *reason);
    void (*pause)(void *transport);  /* stop reading the peer (browsers only), counted */
    void (*resume)(void *transport);
    bool (*is_congested)(void *transport);
};

/* How a session reaches the rest of the world: upstream.c, later router.c. Upward calls come by the
 * session_on_attached ... functions, never from within a downward call. */
struct backend;
struct attachment;
struct backend_operations {
    /* Joins as the handshake's member. 0 and *ret_attachment; the answer comes later. -errno at once. */
    int (*attach)(struct backend *backend, struct session *session, const struct daffi_handshake *handshake,
                  uint16_t uuid, struct attachment **ret_attachment);
    /* Queues one whole checked message. 0, or -EBUSY (answer `busy`), or another -errno: it is being lost. */
    int (*send)(struct attachment *attachment, struct daffi_span head, struct daffi_span payload);
    void (*detach)(struct attachment *attachment); /* NULL-safe; no upward call comes after it */
    bool (*is_congested)(const struct attachment *attachment);
};
struct backend {
    const struct backend_operations *operations;
    const char *name;
};

#endif
