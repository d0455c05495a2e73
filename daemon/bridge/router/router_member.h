/* A member of the router: the attachment of one session, known to all branches. One allocation holds all that its joining
 * and leaving will need on every branch, so that neither can fail halfway; it goes with its last reference.
 *
 * References: one is the session's, one each branch's that has been told of it, one each letter's. */
#ifndef ROUTER_MEMBER_H
#define ROUTER_MEMBER_H

#include "bridge/guard/guard.h"
#include "bridge/members/name_hash.h"
#include "bridge/router/router_exposure.h"
#include "bridge/router/router_news.h"
#include "bridge/session/call_table.h"
#include "bridge/session/own_message.h"
#include "bridge/session/session.h"

struct router_branch;

enum { ROUTER_NOWHERE = -1 };

/* A member as one branch knows it: that branch's thread alone. */
struct router_seat {
    struct attachment *member;
    struct router_exposure *exposure; /* as the branch has been told last */
    struct router_seat *next;         /* of the same bucket of the branch's names */
    struct call_worker calls;         /* of this branch's members, which wait for its answer */
};

struct router_share { /* of one branch */
    struct router_letter join, leave;
    struct router_seat seat;
};

struct attachment {
    atomic_size_t references;
    /* never changes */
    size_t branches; /* of the router */
    struct router_branch *home;
    struct daffi_span name;
    struct own_message connected, leaves[2]; /* EVENTS; the latter by enum backend_leaving */
    uint64_t hash;                           /* of the name */
    /* the home branch's thread */
    struct session *session;            /* NULL once detached */
    struct attachment *next, *previous; /* of the home's members */
    struct call_caller calls;
    struct own_message welcome;
    struct router_news_mark told; /* of the branch's news */
    int refusal;                  /* a negative errno: it could not join */
    /* under the directory's lock */
    struct router_exposure *exposure;
    ptrdiff_t place; /* in the directory; ROUTER_NOWHERE */
    struct attachment *same_bucket;
    enum backend_leaving leaving; /* read by branches once they have the letter */
    struct router_share shares[];
};

/* Makes it, with one reference. 0; -ENOMEM; or what daffi_message_encode_head says. */
int router_member_new(struct router_branch *home, struct session *session, const struct daffi_member *member,
                      size_t branches, uint64_t seed, struct attachment **ret_member);
void router_member_hold(struct attachment *member);
void router_member_drop(struct attachment *member);

static inline struct daffi_span own_message_bytes(const struct own_message *message) {
    return daffi_span_of(message->head.data, message->head.length + message->payload.length);
}

#endif
