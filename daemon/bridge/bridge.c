#include "bridge/bridge.h"

#include "bridge/door.h"
#include "bridge/session.h"

enum { CLOSE_GOING_AWAY = 1001 };

struct connection_limits bridge_connection_limits(const struct config *config, uint64_t open_ms) {
    return (struct connection_limits){
        .queue_high = config->limits.queue_high,
        .queue_bytes = config->limits.queue_bytes,
        .slow_consumer_ms = config->timeouts.slow_consumer,
        .open_ms = open_ms,
    };
}

static void stop_when_empty(struct bridge *bridge) {
    if (bridge->stopping && bridge->connections == 0) {
        reactor_stop(bridge->reactor);
    }
}

void bridge_forget_connection(struct bridge *bridge) {
    bridge->connections--;
    stop_when_empty(bridge);
}

void bridge_stop(struct bridge *bridge) {
    bridge->stopping = true;
    struct session *session = NULL;
    while ((session = session_next(bridge, session)) != NULL) {
        session_close(session, CLOSE_GOING_AWAY, "the bridge is shutting down");
    }
    door_end_visits(bridge);
    stop_when_empty(bridge);
}
