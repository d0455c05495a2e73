/* Blocking TLS clients, a thread each, that do one kind of work over and over for a while: what bench_handshakes and bench_fetch
 * share. Prints `measuring` when the time that counts begins and `measured` when it ends, so that the server's CPU time can be
 * looked at then, and a line of JSON last. */
#ifndef CREW_H
#define CREW_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"

struct crew_member {
    struct crew *crew;
    SSL_CTX *context; /* TLS 1.3 alone, the server checked against the CA */
    void *state;      /* the work's own; NULL at first */
    char failure[160];
    struct histogram latency;
    uint64_t done; /* units while measuring */
};

struct crew {
    const char *unit; /* what one unit is called in the JSON, plural */
    /* One unit. Its time in ns, or -1 with the member's `failure` said. */
    int64_t (*work)(struct crew_member *member);
    void (*end)(struct crew_member *member); /* frees the state; may be NULL */

    /* options */
    uint16_t port;
    const char *ca;
    unsigned connections;
    double seconds, warmup;

    atomic_bool measuring, stopping;
};

/* Takes one of the options that all crews have, by getopt_long's letter: p(ort), t(ls), c(onnections), d (seconds), W(armup).
 * False for any other. */
bool crew_option(struct crew *crew, int letter, const char *value);

/* Runs it. The program's exit status. */
int crew_run(struct crew *crew);

uint64_t crew_clock_ns(void);

/* A connection to the server, past the TLS handshake; `session` NULL: a full one. NULL, and `failure` said, on failure. */
SSL *crew_connect(struct crew_member *member, SSL_SESSION *session);

/* Says goodbye, reads until the server's end, frees. False, and `failure` said, when that does not come. */
bool crew_disconnect(struct crew_member *member, SSL *ssl);

#endif
