/* The end, in good order: nobody is accepted any more, pages are told a few at a time, calls that wait get their answers, and
 * what is not done by then is cut after timeouts.drain. */
#include <errno.h>

#include "bridge/session/session.h"
#include "ops/log.h"
#include "server/generation.h"
#include "server/server_internal.h"
#include "ws/ws_frame.h"

enum {
    STEP_MS = 50,
    SLACK_MS = 5000,    /* for what comes behind the last connection */
    TOLD_AT_LEAST = 32, /* in a step, however long they may take in all */
};

static void on_deadline(struct timer *timer, uint64_t now) {
    (void)now;
    struct floor *floor = (struct floor *)(void *)((char *)timer - offsetof(struct floor, stop_deadline));
    log_write(CONFIG_LOG_WARNING, "%zu connections did not end in time and are cut",
              floor->bridge.connections);
    connection_abort_all(floor->bridge.reactor, -ETIMEDOUT, "the bridge has shut down");
    reactor_stop(floor->bridge.reactor);
}

/* Native peers are who does the work: they stay while there are pages, which may wait for them. */
static bool has_pages_here(const struct bridge *bridge) {
    for (struct session *session = session_next(bridge, NULL); session != NULL;
         session = session_next(bridge, session)) {
        if (session_kind(session) == GUARD_BROWSER && !session_is_closing(session)) {
            return true;
        }
    }
    return false;
}

static bool has_pages(struct floor *floor) {
    const struct server *server = floor->server;
    bool any = has_pages_here(&floor->bridge);
    atomic_store(&floor->has_pages, any);
    for (size_t i = 0; i < server->floors_count && !any; i++) {
        any = atomic_load(&server->floors[i].has_pages);
    }
    return any;
}

static void tell_some(struct floor *floor, bool is_late) {
    static const char reason[] = "the bridge is shutting down";
    struct bridge *bridge = &floor->bridge;
    const bool only_pages = has_pages(floor) && !is_late;
    size_t told = 0;
    for (struct session *session = session_next(bridge, NULL);
         session != NULL && (told < floor->told_each || is_late); session = session_next(bridge, session)) {
        if (only_pages && session_kind(session) != GUARD_BROWSER) {
            continue;
        }
        if (is_late) {
            session_close(session, WS_CODE_GOING_AWAY, reason);
        } else {
            told += session_dismiss(session, WS_CODE_GOING_AWAY, reason);
        }
    }
}

static void on_step(struct timer *timer, uint64_t now) {
    struct floor *floor = (struct floor *)(void *)((char *)timer - offsetof(struct floor, stop_step));
    struct bridge *bridge = &floor->bridge;
    const uint64_t drain = bridge->config->timeouts.drain, passed = now - floor->stopped_at;
    const bool is_late = passed >= drain / 4 * 3; /* a goodbye takes its time, too */
    tell_some(floor, is_late);
    /* Those just accepted have a while to ask for something. */
    door_end_visits(bridge, is_late || passed >= drain / 4);
    if (timer_set(reactor_timers(bridge->reactor), &floor->stop_step, now + STEP_MS) < 0) {
        tell_some(floor, true);
    }
    if (bridge->connections == 0) {
        atomic_store(&floor->has_pages, false);
    }
    bridge_stop_when_empty(bridge);
}

static size_t count_sessions(const struct bridge *bridge) {
    size_t count = 0;
    for (struct session *session = session_next(bridge, NULL); session != NULL;
         session = session_next(bridge, session)) {
        count++;
    }
    return count;
}

/* On the floor's own thread. */
static void stop_floor(void *argument) {
    struct floor *floor = argument;
    struct bridge *bridge = &floor->bridge;
    const struct config_timeouts *timeouts = &bridge->config->timeouts;
    const uint64_t now = reactor_now(bridge->reactor);
    for (size_t i = 0; i < CONFIG_LIST_MAX; i++) {
        door_shut(floor->doors[i]);
    }
    bridge->stopping = true;
    for (size_t i = 0; i < CONFIG_LIST_MAX; i++) {
        upstream_stop(floor->upstreams[i]);
    }
    const uint64_t spread = timeouts->spread < timeouts->drain / 2 ? timeouts->spread : timeouts->drain / 2;
    const size_t share = count_sessions(bridge) / (size_t)(spread / STEP_MS + 1) + 1;
    floor->told_each = share > TOLD_AT_LEAST ? share : TOLD_AT_LEAST;
    floor->stopped_at = now;
    floor->stop_deadline.on_due = on_deadline;
    floor->stop_step.on_due = on_step;
    if (timer_set(reactor_timers(bridge->reactor), &floor->stop_deadline, now + timeouts->drain) < 0) {
        on_deadline(&floor->stop_deadline, now);
    } else {
        on_step(&floor->stop_step, now);
    }
}

uint64_t server_stop_ms(const struct server *server) {
    return server->generation->config->timeouts.drain + SLACK_MS;
}

void server_stop(struct server *server) {
    report_stopping(&server->report);
    for (size_t i = 0; i < server->floors_count; i++) {
        atomic_store(&server->floors[i].has_pages, server->floors[i].has_thread);
    }
    for (size_t i = 0; i < server->floors_count; i++) {
        struct floor *floor = &server->floors[i];
        if (floor->has_thread && reactor_post(floor->bridge.reactor, stop_floor, floor) < 0) {
            reactor_stop(floor->bridge.reactor);
        }
    }
    for (size_t i = 0; i < server->floors_count; i++) {
        struct floor *floor = &server->floors[i];
        if (floor->has_thread) {
            pthread_join(floor->thread, NULL);
            floor->has_thread = false;
        }
    }
    server_stop_admin(server); /* until now it has told that the bridge stops */
}
