/* The administrator's own listener: /healthz, /readyz and /metrics, over plain HTTP on the loopback or a Unix socket. It has a
 * thread, an event loop and memory of its own: it answers whatever the others are busy with, and they never wait for it.
 *
 *   /healthz        200 as long as all is well with the process, else 503
 *   /readyz         200 when pages may be sent here, else 503; the text says why
 *   /readyz/NAME    the same of one upstream; 404 when there is none of that name
 *   /metrics        numbers in Prometheus' text format
 *
 * Over TCP the numbers are for a Host that is an address, localhost or one's own name, so that no page reads them by a name
 * that was rebound to us. Health is told under any. At most ADMIN_CONNECTIONS_MAX connections at a time. */
#ifndef ADMIN_H
#define ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "net/listener_socket.h"

enum { ADMIN_CONNECTIONS_MAX = 32, ADMIN_HEAD_MAX = 8192, ADMIN_TIMEOUT_MS = 10000 };

struct admin_setup {
    struct listener_socket *socket; /* borrowed */
    void *source;
    bool (*is_own_host)(void *source,
                        const char *host); /* without its port; besides addresses and localhost */
    bool (*write_health)(void *source, uint64_t now, FILE *out); /* `now` in ms, monotonic */
    /* 1: ready, 0: not, -1: no such upstream; NULL: all of them. Why, as text, in each case. */
    int (*write_readiness)(void *source, const char *upstream, FILE *out);
    void (*write_metrics)(void *source, FILE *out);
};

struct admin;

/* Starts its thread. 0 or -errno. */
int admin_start(const struct admin_setup *setup, struct admin **ret_admin);
void admin_stop(struct admin *admin); /* NULL-safe; waits for its thread */

#endif
