#include "bridge/router/router_seats.h"

#include <errno.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 64 };

int router_seats_init(struct router_seats *seats, uint64_t seed) {
    *seats = (struct router_seats){.capacity = CAPACITY_MIN, .seed = seed};
    seats->buckets = calloc(CAPACITY_MIN, sizeof(struct router_seat *));
    return seats->buckets == NULL ? -ENOMEM : 0;
}

void router_seats_clear(struct router_seats *seats) {
    free(seats->buckets);
    *seats = (struct router_seats){0};
}

static struct router_seat **bucket_of(const struct router_seats *seats, uint64_t hash) {
    return &seats->buckets[hash & (seats->capacity - 1)];
}

/* Without memory the buckets just get fuller. */
static void grow(struct router_seats *seats) {
    struct router_seats grown = *seats;
    grown.capacity = seats->capacity * 2;
    grown.buckets = calloc(grown.capacity, sizeof(struct router_seat *));
    if (grown.buckets == NULL) {
        return;
    }
    for (size_t i = 0; i < seats->capacity; i++) {
        while (seats->buckets[i] != NULL) {
            struct router_seat *seat = seats->buckets[i];
            seats->buckets[i] = seat->next;
            struct router_seat **bucket = bucket_of(&grown, seat->member->hash);
            seat->next = *bucket;
            *bucket = seat;
        }
    }
    free(seats->buckets);
    *seats = grown;
}

void router_seats_add(struct router_seats *seats, struct router_seat *seat) {
    if (seats->count >= seats->capacity) {
        grow(seats);
    }
    struct router_seat **bucket = bucket_of(seats, seat->member->hash);
    seat->next = *bucket;
    *bucket = seat;
    seats->count++;
}

void router_seats_remove(struct router_seats *seats, const struct router_seat *seat) {
    struct router_seat **at = bucket_of(seats, seat->member->hash);
    while (*at != seat) {
        at = &(*at)->next;
    }
    *at = seat->next;
    seats->count--;
}

struct router_seat *router_seats_find(const struct router_seats *seats, struct daffi_span name) {
    uint64_t hash = name_hash(seats->seed, name);
    struct router_seat *seat = *bucket_of(seats, hash);
    while (seat != NULL && (seat->member->hash != hash || !daffi_span_equal(seat->member->name, name))) {
        seat = seat->next;
    }
    return seat;
}
