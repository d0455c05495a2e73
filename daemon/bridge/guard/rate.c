#include "bridge/guard/rate.h"

enum { MS = 1000, DEBT_SECONDS_MAX = 3600 };

void rate_init(struct rate *rate, size_t per_second, size_t burst, uint64_t now) {
    *rate = (struct rate){
        .per_second = (int64_t)per_second, .burst = (int64_t)(burst != 0 ? burst : per_second), .since = now};
    rate->level = rate->burst * MS;
}

/* A thousandth for each millisecond and one per second. */
static void fill(struct rate *rate, uint64_t now) {
    const int64_t full = rate->burst * MS;
    const uint64_t passed = now > rate->since ? now - rate->since : 0;
    const int64_t missing = full - rate->level;
    rate->since = now > rate->since ? now : rate->since;
    if (passed > (uint64_t)(missing / rate->per_second)) {
        rate->level = full;
    } else {
        rate->level += (int64_t)passed * rate->per_second;
    }
}

bool rate_take(struct rate *rate, size_t amount, uint64_t now) {
    if (rate->per_second == 0) {
        return true;
    }
    fill(rate, now);
    const int64_t needed = (int64_t)amount < rate->burst ? (int64_t)amount : rate->burst;
    if (rate->level < needed * MS) {
        return false;
    }
    rate->level -= (int64_t)amount * MS;
    return true;
}

void rate_charge(struct rate *rate, size_t amount, uint64_t now) {
    if (rate->per_second == 0) {
        return;
    }
    fill(rate, now);
    const int64_t least = -rate->per_second * MS * DEBT_SECONDS_MAX;
    rate->level -= (int64_t)amount * MS;
    rate->level = rate->level > least ? rate->level : least;
}

uint64_t rate_wait(struct rate *rate, size_t amount, uint64_t now) {
    if (rate->per_second == 0) {
        return 0;
    }
    fill(rate, now);
    const int64_t missing = (int64_t)amount * MS - rate->level;
    return missing <= 0 ? 0 : (uint64_t)((missing + rate->per_second - 1) / rate->per_second);
}
