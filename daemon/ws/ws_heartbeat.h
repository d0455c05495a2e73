/* Whether a silent peer is still there, and telling it that we are: what to send, and when to look again. A peer that
 * speaks is not asked, one that is spoken to is told nothing. Times are milliseconds of a clock that is passed in; no
 * socket.                                                                              (RFC 6455 section 5.5.2) */
#ifndef WS_HEARTBEAT_H
#define WS_HEARTBEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ws_heartbeat {
    uint64_t interval_ms; /* of silence before the peer is asked, and between signs of life from us */
    uint64_t answer_ms;   /* for any byte to come, once it has been asked */
    enum { WS_HEARTBEAT_HEARD, WS_HEARTBEAT_ASKED } state;
    uint64_t heard_at, told_at, asked_at;
    /* bytes that the peer had not acknowledged at the last look, before what that look had us send */
    size_t waiting;
};

struct ws_heartbeat_verdict {
    bool ping; /* ask the peer */
    bool beat; /* it was told nothing for an interval: a sign of life is due to those who can't see pings */
    bool dead; /* it was asked, and said nothing: nothing else is set then */
    uint64_t again_ms;
};

/* Begins at `now`: ws_heartbeat_look is to be called in `interval_ms`, then as each verdict says. */
void ws_heartbeat_begin(struct ws_heartbeat *heartbeat, uint64_t interval_ms, uint64_t answer_ms,
                        uint64_t now);

/* A byte of the peer came at `when`. */
static inline void ws_heartbeat_hear(struct ws_heartbeat *heartbeat, uint64_t when) {
    heartbeat->heard_at = when > heartbeat->heard_at ? when : heartbeat->heard_at;
}

/* A message went to the peer. */
static inline void ws_heartbeat_tell(struct ws_heartbeat *heartbeat, uint64_t now) {
    heartbeat->told_at = now;
}

/* What is due is held for done. No silence is held against a peer that is not being read (`deaf`), nor against one that
 * takes what it is sent: a ping stands behind the `waiting` bytes that it has not acknowledged yet. Who looks twice as
 * late as an answer may come was not running itself, and asks anew. */
struct ws_heartbeat_verdict ws_heartbeat_look(struct ws_heartbeat *heartbeat, uint64_t now, bool deaf,
                                              size_t waiting);

#endif
