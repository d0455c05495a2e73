/* What the service manager's watchdog is told of: event loops that turn. */
#include "server_internal.h"

/* On the floor's own thread. */
static void answer(void *argument) {
    struct floor *floor = argument;
    atomic_store_explicit(&floor->has_answered, true, memory_order_relaxed);
}

bool server_is_alive(struct server *server) {
    bool all = true;
    for (size_t i = 0; i < server->floors_count; i++) {
        struct floor *floor = &server->floors[i];
        if (floor->is_asked && !atomic_load_explicit(&floor->has_answered, memory_order_relaxed)) {
            all = false;
            continue;
        }
        atomic_store_explicit(&floor->has_answered, false, memory_order_relaxed);
        floor->is_asked = reactor_post(floor->bridge.reactor, answer, floor) == 0;
    }
    return all;
}
