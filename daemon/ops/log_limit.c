#include "ops/log_limit.h"

static bool is_over(const struct log_limit_kind *kind, uint64_t now_ms) {
    return now_ms - kind->began_ms >= LOG_LIMIT_WINDOW_MS;
}

/* The place of `kind`: its own, a free one, or that of the kind whose window is the oldest. A place that still has to
 * say what it left out gives way only where all have: then the new kind inherits the debt rather than hide it. */
static struct log_limit_kind *place_of(struct log_limit *limit, const char *kind, uint64_t now_ms) {
    struct log_limit_kind *best = NULL;
    for (size_t i = 0; i < LOG_LIMIT_KINDS; i++) {
        struct log_limit_kind *place = &limit->kinds[i];
        if (place->kind == kind) {
            return place;
        }
        bool indebted = place->left_out > 0;
        bool best_indebted = best != NULL && best->left_out > 0;
        if (best == NULL || (best_indebted && !indebted) ||
            (best_indebted == indebted && best->kind != NULL &&
             (place->kind == NULL || place->began_ms < best->began_ms))) {
            best = place;
        }
    }
    best->kind = kind;
    best->began_ms = now_ms;
    best->passed = 0;
    return best;
}

bool log_limit_pass(struct log_limit *limit, const char *kind, unsigned burst, uint64_t now_ms) {
    struct log_limit_kind *place = place_of(limit, kind, now_ms);
    if (is_over(place, now_ms)) {
        place->began_ms = now_ms;
        place->passed = 0;
    }
    if (place->passed < burst) {
        place->passed++;
        return true;
    }
    place->left_out++;
    return false;
}

bool log_limit_take_left_out(struct log_limit *limit, uint64_t now_ms, bool any, const char **ret_kind,
                             uint64_t *ret_left_out) {
    for (size_t i = 0; i < LOG_LIMIT_KINDS; i++) {
        struct log_limit_kind *place = &limit->kinds[i];
        if (place->left_out > 0 && (any || is_over(place, now_ms))) {
            *ret_kind = place->kind;
            *ret_left_out = place->left_out;
            place->left_out = 0;
            return true;
        }
    }
    return false;
}
