/* Who is at each Python Router, whether by this bridge or past it, as its watcher hears it (watcher.c): so that a page gets
 * no name that a member has, and exposes no function that one serves.
 *
 * A list is told by one watcher, on its reactor, and asked by the sessions of all; under a lock that is taken at joins and
 * leaves alone. What the Router says arrives a moment late. So a session of our own that leaves is noted as leaving, until
 * the Router has said so too: its page has its name back at once. Without a list, or with one that is not known, every
 * answer is "nobody": who asks then goes on as before there was one. Bounded by what the Router has, and who asked it in vain since
 * it has been watched. */
#ifndef PRESENCE_H
#define PRESENCE_H

#include "daffi/handshake.h"

/* The beginning of a watcher's name. It is shown to nobody. */
#define PRESENCE_WATCHER "daffi-bridge-watch-"

enum { PRESENCE_LEAVING_MS = 10000 /* for the Router to say that a session of ours has left */ };

struct presence;      /* of all upstreams; any thread */
struct presence_list; /* of one, its watcher's */

int presence_new(struct presence **ret_presence); /* 0 or -errno */
void presence_free(struct presence *presence);    /* NULL-safe; all lists must be closed */

/* Members of backends with the place `place` (see session.h). 0 or -ENOMEM; not known as yet. */
int presence_open(struct presence *presence, size_t place, struct presence_list **ret_list);
void presence_close(struct presence_list *list); /* NULL-safe */

/* -- from the watcher -- */

void presence_know(struct presence_list *list);   /* all are named now, and changes will be told */
void presence_forget(struct presence_list *list); /* nothing is known any more */

/* A member that is there, with what it exposes: in place of what was known of it. 0 or -ENOMEM. */
int presence_put(struct presence_list *list, const struct daffi_member *member);

/* It has come; what it exposes, if that is known, was told before. 0 or -ENOMEM. */
int presence_come(struct presence_list *list, struct daffi_span name);
void presence_leave(struct presence_list *list, struct daffi_span name);

/* -- from sessions; with NULL for `presence` nothing is known -- */

/* A member of the bridge's own, which the Router has let in or may do yet, is about to leave. */
void presence_expect_leave(struct presence *presence, size_t place, struct daffi_span name, uint64_t now);

/* Nobody knows when it will leave, after all: it is there until the Router says that it has left. */
void presence_expect_stay(struct presence *presence, size_t place, struct daffi_span name);

/* Whether somebody is called so, who is not about to leave. */
bool presence_has(struct presence *presence, size_t place, struct daffi_span name, uint64_t now);

/* Whether a member serves the function that is not called `except`, and is not about to leave; its name is copied. The cost is
 * that of looking at every member once. */
bool presence_serves(struct presence *presence, size_t place, struct daffi_span function,
                     struct daffi_span except, uint64_t now, char ret_name[DAFFI_NAME_MAX + 1]);

bool presence_is_watcher(struct daffi_span name);

#endif
