/* What the service manager's watchdog, and whoever asks for health, is told of: event loops that turn. */
#include "server/server_internal.h"

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

/* -- for /healthz, on the admin listener's thread -- */

static void answer_health(void *argument) {
    struct floor *floor = argument;
    atomic_store_explicit(&floor->is_well, true, memory_order_relaxed);
}

size_t server_count_hanging(struct server *server, uint64_t now) {
    size_t hanging = 0;
    for (size_t i = 0; i < server->floors_count; i++) {
        struct floor *floor = &server->floors[i];
        if (floor->health_asked_at != 0 && !atomic_load_explicit(&floor->is_well, memory_order_relaxed)) {
            hanging += now - floor->health_asked_at >= SERVER_HANG_MS;
            continue;
        }
        atomic_store_explicit(&floor->is_well, false, memory_order_relaxed);
        bool is_asked = reactor_post(floor->bridge.reactor, answer_health, floor) == 0;
        floor->health_asked_at = is_asked ? now : 0;
    }
    return hanging;
}
