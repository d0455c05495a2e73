#include "bridge/bridge.h"

struct connection_limits bridge_connection_limits(const struct config *config, uint64_t open_ms) {
    return (struct connection_limits){
        .queue_high = config->limits.queue_high,
        .queue_bytes = config->limits.queue_bytes,
        .slow_consumer_ms = config->timeouts.slow_consumer,
        .open_ms = open_ms,
    };
}

void bridge_stop_when_empty(struct bridge *bridge) {
    if (bridge->stopping && bridge->connections == 0) {
        reactor_stop(bridge->reactor);
    }
}

void bridge_forget_connection(struct bridge *bridge) {
    bridge->connections--;
    bridge_stop_when_empty(bridge);
}

size_t bridge_batch_limit(const struct config *config) {
    const struct config_limits *limits = &config->limits;
    return limits->batch_bytes < limits->message_bytes ? limits->batch_bytes : limits->message_bytes;
}
