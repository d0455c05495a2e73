/* Who is a member of the router: the one truth, under a lock that is taken at joins and leaves alone. What changes is told
 * to all branches within the lock, so that all hear it in one order, and a member's own branch first, so that nobody's
 * message is there before it. */
#ifndef ROUTER_DIRECTORY_H
#define ROUTER_DIRECTORY_H

#include "bridge/router/router_member.h"

struct router_directory;

/* `mailboxes` are the branches', borrowed; `branches` of them. 0 or -ENOMEM. */
int router_directory_new(struct router_mailbox *const *mailboxes, size_t branches,
                         struct router_directory **ret_directory);
void router_directory_free(struct router_directory *directory); /* NULL-safe; all members must have left */

/* Makes it a member, the last in order. Its welcome, the answer to the handshake `uuid`, tells of all members as of now, itself
 * included. `home` is its branch's place among the mailboxes.
 * 0; -EEXIST: its name is taken (whose name is whose is settled before: names.h); -ENOSPC: too many members; -EMSGSIZE: the list
 * of all is too long for the wire; -ENOMEM. On failure nobody was told anything. */
int router_directory_join(struct router_directory *directory, struct attachment *member, size_t home,
                          uint16_t uuid);

/* The member exposes that from now on, which takes the place of what it did in all lists; its welcome, the answer to `uuid`,
 * tells of all members as of now. Takes `exposure` over where it returns 0; else as above; -EPIPE: it is no member any more. */
int router_directory_change(struct router_directory *directory, struct attachment *member,
                            struct router_exposure *exposure, size_t home, uint16_t uuid);

/* Whether a member that is not called `except` exposes the function; its name is copied, DAFFI_NAME_MAX bytes and a NUL at
 * most. Each member is looked at. */
bool router_directory_serves(struct router_directory *directory, struct daffi_span function,
                             struct daffi_span except, char *ret_name);

/* Nothing where it is no member any more. */
void router_directory_leave(struct router_directory *directory, struct attachment *member,
                            enum backend_leaving how, size_t home);

#endif
