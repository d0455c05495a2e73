/* What is counted and written down of connections that are nobody's yet, or ask for assets and pages. */
#include <string.h>

#include "bridge/door/door_internal.h"
#include "ops/access_log.h"
#include "ops/log.h"

void door_count(const struct door_visit *visit, enum counter which) {
    counter_up(&visit->door->bridge->counters, which);
}

void door_account_end(const struct door_visit *visit, const char *detail) {
    const struct access_connection connection = {
        .who = "visitor",
        .address = visit->visitor.address,
        .duration_ms = reactor_now(visit->door->bridge->reactor) - visit->since,
        .bytes_received = connection_bytes_read(visit->visitor.connection),
        .bytes_sent = connection_bytes_written(visit->visitor.connection),
        .messages_received = visit->requests,
        .messages_sent = visit->requests,
        .reason = detail,
    };
    access_log_connection(&connection);
    if (visit->is_tls && !visit->is_open) {
        door_count(visit, COUNTER_TLS_FAILED);
    }
}

void door_on_pause(void *owner, int error) {
    struct door *door = owner;
    counter_up(&door->bridge->counters, COUNTER_ACCEPT_PAUSES);
    log_peer(CONFIG_LOG_WARNING, "no connection is accepted for a moment: %s; raise LimitNOFILE or ulimit -n",
             strerror(error));
}
