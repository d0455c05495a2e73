/* What the sessions of a reactor know of members: who is there, and what each exposes. A member that many sessions are told
 * of is kept once; a session's view is a set of places, a bit for each member known to any.  One reactor's thread. */
#ifndef ROSTER_H
#define ROSTER_H

#include "bridge/members/methods.h"
#include "bridge/session/call_table.h"

struct roster_entry {
    struct roster_entry *next; /* of the same bucket */
    struct call_worker calls;  /* of all sessions, that wait for its answer */
    struct daffi_span name;
    struct methods methods;
    size_t views; /* that hold it */
    size_t place; /* its bit */
    uint64_t hash;
};

struct roster { /* all zero: empty */
    struct roster_entry **buckets;
    size_t capacity, count;       /* of buckets, 0 or a power of two; of entries */
    struct roster_entry **places; /* NULL: free */
    size_t places_capacity;
    uint64_t seed;
};

struct roster_view { /* all zero: empty */
    uint64_t *bits;
    size_t words;
};

void roster_clear(struct roster *roster); /* after all views */
void roster_view_clear(struct roster *roster, struct roster_view *view);

/* The member of that name in the view, or NULL. Borrowed until it is removed or put anew. */
struct roster_entry *roster_find(const struct roster *roster, const struct roster_view *view,
                                 struct daffi_span name);

/* Puts a member, whose name the view must not hold. 0 or -ENOMEM. */
int roster_put(struct roster *roster, struct roster_view *view, const struct daffi_member *member);

/* Whether the entry says just that of its member. */
bool roster_entry_is(const struct roster_entry *entry, const struct daffi_member *member);

void roster_remove(struct roster *roster, struct roster_view *view, struct roster_entry *entry);

bool roster_entry_exposes(const struct roster_entry *entry, struct daffi_span function);

#endif
