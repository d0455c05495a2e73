/* What the daemon says of itself: the text of /metrics, and the JSON that the playground draws. Reads what others count, from
 * any thread. */
#ifndef REPORT_H
#define REPORT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "bridge/upstream/upstream_health.h"
#include "config/config.h"
#include "net/buffer.h"
#include "ops/counters.h"
#include "server/certificates.h"

enum { REPORT_REACTORS_MAX = 64 };

/* Made by report_init; what is in it is report.c's. */
struct report {
    const struct counters *counters[REPORT_REACTORS_MAX];
    size_t counters_count;
    struct memory_budget *memory;
    struct upstream_health_table *health;
    _Atomic bool is_stopping;
    /* of the configuration, under the lock */
    pthread_mutex_t lock;
    const struct config *config;      /* held; NULL: none yet */
    struct certificate *certificates; /* of its listeners */
    size_t certificates_count;
    size_t connections_limit;
};

/* The two are borrowed. 0 or -errno. */
int report_init(struct report *report, struct memory_budget *memory, struct upstream_health_table *health);
void report_clear(struct report *report); /* all zero is fine */

/* One reactor's; borrowed. Before anything is told. */
void report_add(struct report *report, const struct counters *counters);

/* From now on it tells of this configuration, which is held, and of these certificates of its listeners, which are copied; of
 * none of them without memory. */
void report_configure(struct report *report, const struct config *config,
                      const struct certificate *certificates, size_t certificates_count,
                      size_t connections_limit);

void report_stopping(struct report *report);
bool report_is_stopping(const struct report *report);

/* Whether a Host without its port, in any case, is a name of the configuration. */
bool report_is_own_host(struct report *report, const char *host);

/* Whether the bridge is ready to be sent pages: it listens, does not stop, and its upstreams are as they should be; with
 * `upstream` (else NULL) that one alone. Says why, a line each, on `out`. -1: there is no such upstream. */
int report_readiness(struct report *report, const char *upstream, FILE *out);

void report_metrics(struct report *report, FILE *out);
void report_json(struct report *report, FILE *out);

#endif
