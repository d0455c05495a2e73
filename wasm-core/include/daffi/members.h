/* Who is there and what they offer: the registry a caller resolves receivers with, round-robin.
 * Names compare as bytes. Lookups are O(1) or O(members that share the function). Not thread-safe. */
#ifndef DAFFI_MEMBERS_H
#define DAFFI_MEMBERS_H

#include "daffi/handshake.h"

struct daffi_members;

/* `self`, copied, is the name that is never picked. Returns 0 or -ENOMEM. */
int daffi_members_new(struct daffi_span self, struct daffi_members **ret_members);
void daffi_members_free(struct daffi_members *members); /* NULL-safe */

/* Adds a member, or replaces what is known of it (its place in the order stays, and its turn with each function that it
 * goes on to offer). Returns 0; -ENOMEM; -ENOSPC past DAFFI_MEMBERS_MAX. On failure the registry is as it was. */
int daffi_members_put(struct daffi_members *members, const struct daffi_member *member);

/* Removes it; true when it was there. */
bool daffi_members_remove(struct daffi_members *members, struct daffi_span name);
void daffi_members_clear(struct daffi_members *members);

size_t daffi_members_count(const struct daffi_members *members);

/* The next member, in turn, whose methods hold `function` and that is not self; NULL when there is none.
 * Each function has its own turn. The result is borrowed until the registry changes. */
const struct daffi_member *daffi_members_pick(struct daffi_members *members, struct daffi_span function);

/* The member called `name` (self included), or NULL. Borrowed. */
const struct daffi_member *daffi_members_find(const struct daffi_members *members, struct daffi_span name);

/* The member at `index` in order of arrival, 0 to count-1. Borrowed. */
const struct daffi_member *daffi_members_at(const struct daffi_members *members, size_t index);

bool daffi_member_exposes(const struct daffi_member *member, struct daffi_span function);

#endif
