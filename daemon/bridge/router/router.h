/* The router inside: a daffi Router as a backend, in place of a Python one behind upstream.c. Its members are the
 * sessions of all reactors that name it.                        (protocol.md, "Router")
 *
 * Each reactor has a branch, which is the backend of its sessions. A member lives on one branch. Who is there is decided
 * in one directory, under a lock that is taken at joins and leaves alone, and told to each branch by its mailbox, in one
 * order for all; messages are routed by what a branch has been told, without a lock. To a member of the same branch a
 * message is appended straight away, to one of another it goes by that branch's mailbox, in order.
 *
 * Callers are answered by the router itself, with a JSON ERROR and only where return_result is set: no such member, no
 * such method (of a member that did not name it), busy (its calls in flight, the receiver's queue, or the mailbox on the
 * way are full), disconnected (the member left before it answered; told before the news of it). An answer passes once,
 * to the call it is for, from the member that was asked; another is dropped. */
#ifndef ROUTER_H
#define ROUTER_H

#include "bridge/session/session.h"

struct router;

/* For at most `branches` branches; `name` is borrowed. 0 or -ENOMEM. */
int router_new(const char *name, size_t branches, struct router **ret_router);

/* Makes the branch of one reactor, whose configuration's limits hold for its members; all branches are made before the first
 * session. 0 and *ret_backend, which the router owns; -ENOSPC; -ENOMEM. */
int router_add_branch(struct router *router, struct bridge *bridge, struct backend **ret_backend);

/* The reactors' threads have ended: from now on no reactor is posted to, though sessions may still detach. NULL-safe. */
void router_end(struct router *router);

/* NULL-safe; after the reactors have been freed. */
void router_free(struct router *router);

#endif
