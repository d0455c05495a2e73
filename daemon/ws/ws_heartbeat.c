#include "ws/ws_heartbeat.h"

void ws_heartbeat_begin(struct ws_heartbeat *heartbeat, uint64_t interval_ms, uint64_t answer_ms,
                        uint64_t now) {
    *heartbeat = (struct ws_heartbeat){
        .interval_ms = interval_ms, .answer_ms = answer_ms, .heard_at = now, .told_at = now};
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

struct ws_heartbeat_verdict ws_heartbeat_look(struct ws_heartbeat *heartbeat, uint64_t now, bool deaf,
                                              size_t waiting) {
    struct ws_heartbeat_verdict verdict = {0};
    if (deaf || waiting < heartbeat->waiting) {
        heartbeat->heard_at = now;
    }
    heartbeat->waiting = waiting;
    if (heartbeat->state == WS_HEARTBEAT_ASKED && heartbeat->heard_at >= heartbeat->asked_at) {
        heartbeat->state = WS_HEARTBEAT_HEARD;
    }
    bool is_late = now - heartbeat->asked_at >= 2 * heartbeat->answer_ms;
    if (heartbeat->state == WS_HEARTBEAT_ASKED && now - heartbeat->asked_at >= heartbeat->answer_ms &&
        !is_late) {
        verdict.dead = true;
        return verdict;
    }
    if (heartbeat->state == WS_HEARTBEAT_ASKED ? is_late
                                               : now - heartbeat->heard_at >= heartbeat->interval_ms) {
        verdict.ping = true;
        heartbeat->state = WS_HEARTBEAT_ASKED;
        heartbeat->asked_at = now;
    }
    if (now - heartbeat->told_at >= heartbeat->interval_ms) {
        verdict.beat = true;
        heartbeat->told_at = now;
    }
    uint64_t silent_at = heartbeat->state == WS_HEARTBEAT_ASKED
                             ? heartbeat->asked_at + heartbeat->answer_ms
                             : heartbeat->heard_at + heartbeat->interval_ms;
    verdict.again_ms = earlier(silent_at, heartbeat->told_at + heartbeat->interval_ms) - now;
    return verdict;
}
