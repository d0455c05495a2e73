/* For whom a proxy asks: X-Forwarded-For, as the proxies that one trusts have written it. Pure. */
#ifndef FORWARDED_H
#define FORWARDED_H

#include "config/config.h"
#include "http/request_head.h"

enum { FORWARDED_ADDRESS_MAX = 64 };

/* Each proxy adds, at the end, whom it was asked by; so what stands before the last one that is no trusted proxy may be
 * anybody's invention. All fields of that name are one list. `networks` are the trusted ones.
 * 0: the client's address (as struct listener tells it; a port beside it is left out) in `ret_address`; -ENOENT: there is no
 * such field; -EPROTO: what would be the client is no address. */
int forwarded_find(const struct request_head *head, const struct config_network *networks, size_t count,
                   char ret_address[FORWARDED_ADDRESS_MAX]);

#endif
