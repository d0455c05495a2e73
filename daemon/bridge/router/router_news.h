/* Who has come and gone, on its way to the members of one branch: gathered while the branch reads its mail and told in one go, as
 * bytes that are the same for all. News cost a write to each member; so what comes together shares it.
 * The branch's thread alone. */
#ifndef ROUTER_NEWS_H
#define ROUTER_NEWS_H

#include "bridge/session/own_message.h"

struct attachment;
struct router_branch;

struct router_news { /* all zero: none. Freed with router_news_clear */
    uint8_t *bytes;  /* whole messages, one behind the other */
    size_t length, capacity, count;
};

/* A member's part of them begins where they end when it is linked: what was before is in its welcome. */
struct router_news_mark {
    size_t length, count;
};

/* For all members that are linked now. Nothing where there is no message. */
void router_news_add(struct router_branch *branch, const struct own_message *message);

/* Tells all of them; to be done before anything else is said to a member. */
void router_news_flush(struct router_branch *branch);

void router_news_clear(struct router_news *news);

#endif
