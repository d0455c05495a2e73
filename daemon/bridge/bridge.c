#include "bridge/bridge.h"

struct connection_limits bridge_connection_limits(const struct config *config, uint64_t open_ms,
                                                  uint64_t goodbye_ms) {
    return (struct connection_limits){
        .queue_high = config->limits.queue_high,
        .queue_bytes = config->limits.queue_bytes,
        .slow_consumer_ms = config->timeouts.slow_consumer,
        .open_ms = open_ms,
        .goodbye_ms = goodbye_ms,
    };
}

void bridge_limit_connection(struct connection *connection, const struct config *config,
                             uint64_t goodbye_ms) {
    const struct connection_limits limits = bridge_connection_limits(config, 0, goodbye_ms);
    connection_set_limits(connection, &limits);
}

static const struct {
    enum counter open, received, sent;
} kinds[] = {
    [BRIDGE_VISITOR] = {COUNTER_OPEN_VISITORS, COUNTER_VISITOR_BYTES_RECEIVED, COUNTER_VISITOR_BYTES_SENT},
    [BRIDGE_PAGE] = {COUNTER_OPEN_PAGES, COUNTER_PAGE_BYTES_RECEIVED, COUNTER_PAGE_BYTES_SENT},
    [BRIDGE_NATIVE] = {COUNTER_OPEN_NATIVE, COUNTER_NATIVE_BYTES_RECEIVED, COUNTER_NATIVE_BYTES_SENT},
    [BRIDGE_UPSTREAM] = {COUNTER_OPEN_UPSTREAM, COUNTER_UPSTREAM_BYTES_RECEIVED, COUNTER_UPSTREAM_BYTES_SENT},
};

void bridge_enter_kind(struct bridge *bridge, enum bridge_kind kind, struct connection *connection) {
    struct counters *counters = &bridge->counters;
    counter_up(counters, kinds[kind].open);
    connection_set_meters(connection, &counters->cells[kinds[kind].received],
                          &counters->cells[kinds[kind].sent]);
}

void bridge_leave_kind(struct bridge *bridge, enum bridge_kind kind) {
    counter_down(&bridge->counters, kinds[kind].open);
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
