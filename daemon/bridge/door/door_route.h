/* What a request for an upgrade asks for, and whether it may: pure.            (RFC 6455, 4.2) */
#ifndef DOOR_ROUTE_H
#define DOOR_ROUTE_H

#include "bridge/guard/auth.h"
#include "bridge/members/names.h"
#include "config/config.h"
#include "http/origin.h"
#include "http/request_head.h"
#include "ws/ws_upgrade.h"

enum { DOOR_ROUTE_TEXT_MAX = 512 };

struct door_route {
    char accept[WS_ACCEPT_MAX];
    /* its place in config.upstreams, or SIZE_MAX: there is none of that name, `text` says so */
    size_t upstream;
    char tab[NAMES_TAB_BYTES + 1]; /* the secret of the page's tab; empty: none */
    bool wants_offer;              /* our own client: protocol.md, "Between daffi.js and the bridge" */
    char text[DOOR_ROUTE_TEXT_MAX];
};

/* 0 and *ret_route; -EPROTO with *ret_refusal: nothing more is to be said; -EACCES with *ret_refusal, and a line for the log
 * in ret_route->text. */
int door_route_find(const struct config *config, const struct config_listener *listener,
                    const struct origin_rule *rule, const struct request_head *head,
                    struct door_route *ret_route, struct request_refusal *ret_refusal);

/* Whether a page may have the upgrade that it asks for, whatever it is for; results as above. */
int door_route_check_upgrade(const struct origin_rule *rule, const struct request_head *head,
                             char ret_accept[WS_ACCEPT_MAX], char ret_text[DOOR_ROUTE_TEXT_MAX],
                             struct request_refusal *ret_refusal);

/* Where pages need a token: *ret_grant is what theirs says, the caller's to free; or it has none that holds at `now` (s since
 * 1970), then the route leads nowhere, and its text says why: pages can't read an HTTP status, so they are told by the
 * answer to their handshake. */
void door_route_check_token(const struct config *config, const struct request_head *head, uint64_t now,
                            struct door_route *route, struct auth_grant **ret_grant);

/* Whether what a request is for may be served to whoever dialled that Host: -EACCES as above. Health is told under
 * any name, as a load balancer asks by an address; all else that is no upgrade and no asset is for own hosts alone, so
 * that no page of a stranger's rebound name reads it. */
int door_route_check_page(const struct origin_rule *rule, const struct request_head *head,
                          char ret_text[DOOR_ROUTE_TEXT_MAX], struct request_refusal *ret_refusal);

/* Whether an address (as struct listener tells it) is this machine's own. */
bool door_is_local(const char *address);

#endif
