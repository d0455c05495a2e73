/* The members a branch of the router has been told of, by name. A branch's thread alone. Seats are their members': putting
 * one in can't fail. */
#ifndef ROUTER_SEATS_H
#define ROUTER_SEATS_H

#include "bridge/router/router_member.h"

struct router_seats {
    struct router_seat **buckets;
    size_t capacity; /* a power of two */
    size_t count;
    uint64_t seed; /* of name_hash */
};

int router_seats_init(struct router_seats *seats, uint64_t seed); /* 0 or -ENOMEM */
void router_seats_clear(struct router_seats *seats);              /* fine when all zero */

void router_seats_add(struct router_seats *seats, struct router_seat *seat);
void router_seats_remove(struct router_seats *seats, const struct router_seat *seat);

/* The member of that name; NULL when there is none. */
struct router_seat *router_seats_find(const struct router_seats *seats, struct daffi_span name);

#endif
