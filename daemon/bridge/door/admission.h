/* Who may still come in: connections in all, by address, and those that have not yet said who they are; and how fast they may
 * be passed on to upstreams, where a real Router keeps a descriptor of each for ever. Shared by
 * all reactors; any thread. A Unix socket's peers are one address without a limit of its own; an IPv6 address
 * stands for its /64.
 * (docs/configuration.md, "limits") */
#ifndef ADMISSION_H
#define ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

enum {
    ADDRESS_MAX = 64, /* of a peer, as text without port, NUL included */
    ADMISSION_GRACE_MS = 1000,
};

struct admission;
struct admission_entry;
struct connection;
struct reactor;

/* Held by each accepted connection. All zero: nothing is held. */
struct admission_ticket {
    struct admission_entry *entry;
};

int admission_new(const struct config_limits *limits, struct admission **ret_admission); /* 0 or -ENOMEM */
/* NULL-safe; all tickets must have been given back, and the reactors be gone. */
void admission_free(struct admission *admission);

/* Other limits from now on; who is in stays in, whatever they are. Any thread. */
void admission_set_limits(struct admission *admission, const struct config_limits *limits, uint64_t now);

/* Counts a connection of `reactor` in, which is the caller's. Where a limit is reached, the oldest of those that it is about
 * and that have not said who they are gives its place to the newcomer, once it has had ADMISSION_GRACE_MS for it: its
 * connection is aborted. So slow and silent peers keep nobody out, how many of them there ever are.
 * 0; -EUSERS with a static sentence in *ret_reason when a limit is reached by others; -ENOMEM, likewise. */
int admission_enter(struct admission *admission, const char *address, struct reactor *reactor, uint64_t now,
                    struct admission_ticket *ret_ticket, const char **ret_reason);

/* It turns out to come from another address, for which the proxy that it came from has asked: from now on it counts there. 0;
 * -EUSERS and -ENOMEM as above, and nothing is changed. */
int admission_move(struct admission_ticket *ticket, const char *address, uint64_t now,
                   const char **ret_reason);

/* Which connection the ticket is of: what is aborted when it must give way. On its reactor's thread. */
void admission_bind(struct admission_ticket *ticket, struct connection *connection);

/* It has asked for something and is being answered: not half-open any more, though nobody knows who it is. */
void admission_serve(struct admission_ticket *ticket);

/* It has said who it is: it gives way to nobody. Both are fine when said twice, or of a ticket that holds nothing. */
void admission_settle(struct admission_ticket *ticket);

/* When a connection to an upstream may be opened for a peer of that address: 0 and the ms until then, counted as opened;
 * -EBUSY where that is more than `most_ms`, with a static sentence in *ret_reason; -ENOMEM, likewise. */
int admission_pass_on(struct admission *admission, const char *address, uint64_t now, uint64_t most_ms,
                      uint64_t *ret_wait_ms, const char **ret_reason);

/* Counts it out, before its connection is gone; the ticket holds nothing after that. */
void admission_leave(struct admission_ticket *ticket);

#endif
