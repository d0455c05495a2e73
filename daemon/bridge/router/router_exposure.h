/* What a member of the router exposes, and what others are told of that. It never changes: a member that exposes other
 * functions gets another one, and each branch keeps to the one it has been told of. One allocation holds what telling them will
 * need, so that it can't fail halfway.
 *
 * References: one is the member's, one each branch's: its letter's first, then its seat's. */
#ifndef ROUTER_EXPOSURE_H
#define ROUTER_EXPOSURE_H

#include "bridge/members/methods.h"
#include "bridge/router/router_mailbox.h"
#include "bridge/session/own_message.h"

struct router_exposure {
    atomic_size_t references;
    struct methods methods;
    struct own_message offer; /* the small HANDSHAKE; all zero for a newcomer without methods */
    struct daffi_span entry;  /* JSON: what the member lists of handshakes say */
    char *memory;             /* of entry */
    struct router_change {    /* for one branch; a newcomer has none */
        struct router_exposure *exposure;
        struct router_letter letter;
    } changes[];
};

/* What `member` says of itself: `is_change` where the member is there already. Makes it with `branches` references and one.
 * 0; -ENOMEM; or what daffi_message_encode_head says. */
int router_exposure_new(const struct daffi_member *member, bool is_change, size_t branches,
                        struct router_exposure **ret_exposure);
void router_exposure_drop(struct router_exposure *exposure, size_t references); /* NULL-safe */

/* What a letter CHANGE tells of. */
struct router_exposure *router_exposure_told(struct router_letter *letter);

bool router_exposure_has(const struct router_exposure *exposure, struct daffi_span function);

#endif
