/* The access log: one line a connection, and one a call where it is asked for (log.access). As the log's other lines it goes to
 * standard error; its rate is bounded (log.access_per_second), what was left out is said. In the text format a line is a
 * sentence; in JSON the same sentence with its parts as fields:
 *
 *   {"time":"…","level":"info","message":"closed page …","event":"connection","who":"page","name":"tab-1",…}
 *
 * Payloads, arguments, tokens and queries are never in it. Any thread. */
#ifndef ACCESS_LOG_H
#define ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

/* Before it, nothing is written. May be called again, for a new configuration. */
void access_log_start(enum config_log_access access, size_t per_second);

bool access_log_wants_connections(void);
bool access_log_wants_calls(void);

/* A connection that is over. */
struct access_connection {
    const char *who;      /* "page", "native peer", "visitor" */
    const char *name;     /* as it called itself; NULL: it has not */
    const char *address;  /* where it came from */
    const char *upstream; /* NULL: none */
    uint64_t duration_ms;
    uint64_t bytes_received, bytes_sent;
    uint64_t messages_received, messages_sent; /* of daffi, or HTTP requests and their answers */
    unsigned code;                             /* of a WebSocket close; 0: there are none on it */
    const char *reason;
};
void access_log_connection(const struct access_connection *connection);

/* A call that has been answered or refused. Names are a peer's bytes. */
struct access_call {
    const char *who, *name, *address, *upstream; /* of its caller, as above */
    const char *receiver, *function;
    size_t receiver_length, function_length;
    const char *
        result; /* "response", "error", "sent" (no answer is waited for), or the code of the bridge's own error */
    uint64_t duration_us;
    unsigned serde;     /* enum config_serde */
    const void *answer; /* its payload; NULL: none, or the bridge's own. Never in the log */
    size_t bytes_sent;  /* of the answer; 0: the bridge's own */
    const void *caller; /* together they name a call that waits: see struct access_watcher */
    unsigned uuid;      /* as it goes up: session_ids.c */
};
void access_log_call(const struct access_call *call);

/* Whoever shows calls otherwise than as a log. Any thread. */
struct access_watcher {
    /* One that waits for its answer, where the router inside carries it: `result` is NULL. */
    void (*begin)(void *owner, const struct access_call *call);
    /* Each that is over; `caller` and `uuid` are those of its beginning, if there was one. */
    void (*end)(void *owner, const struct access_call *call);
    /* That one has gone: of its calls no end will be heard. */
    void (*leave)(void *owner, const void *caller);
    void *owner;
};

/* Calls go to a copy of `watcher` from now on, where calls are wanted at all, and not into the log. Before other threads
 * are there. */
void access_log_redirect(const struct access_watcher *watcher);
bool access_log_wants_beginnings(void);
void access_log_begin(const struct access_call *call);
void access_log_leave(const void *caller);

#endif
