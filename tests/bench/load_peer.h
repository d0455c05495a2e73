/* One simulated daffi client: connects, shakes hands, keeps a number of echo calls in flight.
 *
 * Life: CONNECTING (TCP, TLS) -> UPGRADING (WebSocket only) -> GREETING (daffi handshake) -> CALLING or IDLE -> DONE.
 * Every answer is compared with what was sent; a wrong one fails the run. */
#ifndef LOAD_PEER_H
#define LOAD_PEER_H

#include "histogram.h"
#include "net/connection.h"
#include "net/tls_context.h"

enum load_mode {
    LOAD_CALLS,    /* echo calls, `in_flight` at a time */
    LOAD_CONNECTS, /* a whole connect, handshake included, then close, again and again */
    LOAD_IDLE,     /* connect, then say nothing */
};

enum { LOAD_IN_FLIGHT_MAX = 1024, LOAD_BATCH_MAX = 65536 };

struct load {
    struct reactor *reactor;
    struct tls_context *tls; /* NULL: none */
    const char *unix_path;   /* NULL: TCP to 127.0.0.1:port */
    uint16_t port;
    const char *path;     /* WebSocket request target; NULL: native */
    const char *receiver; /* the member that echoes */
    unsigned receivers;   /* as many of them, called in turn: "echo", "echo-1", "echo-2", ... */
    enum load_mode mode;
    unsigned in_flight; /* calls at a time and connection, 1 to LOAD_IN_FLIGHT_MAX */
    bool batches;     /* calls of one turn go in one WebSocket message, as between daffi.js and the bridge */
    uint8_t *payload; /* what is echoed */
    size_t payload_size;
    bool measuring; /* latencies count */
    bool stopping;  /* no new calls or connects */

    struct {
        uint8_t bytes[LOAD_BATCH_MAX];
        size_t length;
    } batch; /* of the peer whose turn it is */

    struct histogram latency;
    uint64_t calls;    /* answered while measuring */
    uint64_t connects; /* handshakes answered while measuring */
    unsigned greeted;  /* connections past their handshake now */
    unsigned open;     /* connections not yet DONE */
    char failure[256]; /* "" or why the run is worthless */
    void (*on_greeted)(struct load *load);
    void (*on_done)(
        struct load *load); /* the last connection is gone, or one that should not be: a failure */
};

struct load_peer;

/* Starts client number `number`. 0 or -errno. It frees itself when DONE. */
int load_peer_start(struct load *load, unsigned number);

#endif
