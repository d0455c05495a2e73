/* Who may still come in: connections in all, by address, and those that have not yet said who they are; and how fast they may
 * be passed on to upstreams, where a real Router keeps a descriptor of each for ever. Shared by
 * all reactors; any thread. A Unix socket's peers are one address without a limit of its own; an IPv6 address
 * stands for its /64.
 *                                                                         (limits of design.md, "Outside faces") */
#ifndef ADMISSION_H
#define ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

enum { ADDRESS_MAX = 64 }; /* of a peer, as text without port, NUL included */

struct admission;
struct admission_address;

/* Held by each accepted connection. All zero: nothing is held. */
struct admission_ticket {
    struct admission *admission;
    struct admission_address *address; /* NULL for Unix sockets */
    bool half_open;
};

int admission_new(const struct config_limits *limits, struct admission **ret_admission); /* 0 or -ENOMEM */
void admission_free(struct admission *admission); /* NULL-safe; all tickets must have been given back */

/* Counts a connection in. 0; -EUSERS with a static sentence in *ret_reason when a limit is reached; -ENOMEM, likewise. */
int admission_enter(struct admission *admission, const char *address, struct admission_ticket *ret_ticket,
                    const char **ret_reason);

/* It has said who it is: not half-open any more. Fine when said twice, or of a ticket that holds nothing. */
void admission_settle(struct admission_ticket *ticket);

/* When a connection to an upstream may be opened for a peer of that address: 0 and the ms until then, counted as opened;
 * -EBUSY where that is more than `most_ms`, with a static sentence in *ret_reason; -ENOMEM, likewise. */
int admission_pass_on(struct admission *admission, const char *address, uint64_t now, uint64_t most_ms,
                      uint64_t *ret_wait_ms, const char **ret_reason);

/* Counts it out; the ticket holds nothing after that. */
void admission_leave(struct admission_ticket *ticket);

#endif
