/* What router.c (who comes and goes) and router_route.c (what they say) share: a branch, and how its members are told. */
#ifndef ROUTER_BRANCH_H
#define ROUTER_BRANCH_H

#include "bridge/router/router_directory.h"
#include "bridge/router/router_news.h"
#include "bridge/router/router_seats.h"
#include "bridge/session/call_table.h"
#include "bridge/session/session.h"

struct router;

struct router_branch {
    struct backend backend;
    struct router *router;
    struct bridge *bridge;
    size_t place; /* among the router's branches */
    struct router_mailbox mailbox;
    struct router_seats seats;
    struct router_news news;
    struct call_table calls;
    struct timer calm;               /* set by joins and leaves, see router.c */
    struct timer portion;            /* until it is due, news wait */
    uint64_t portion_due;            /* ms */
    struct attachment *first, *last; /* its own members, whose join it has been told */
    size_t members;
};

/* The backend's `send`. */
int router_send(struct attachment *from, struct daffi_span head, struct daffi_span payload);

/* A letter with a message for a member of this branch, an error, or a call to be tried again. */
void router_take_message(const struct router_letter *letter);

/* Each call of this branch's members that waits for the one in `seat` is answered: it has left. */
void router_answer_for_leaver(struct router_branch *branch, struct router_seat *seat);

#endif
