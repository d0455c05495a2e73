/* Looks names up without ever holding up the reactor: each in a helper thread of its own, for as long as the resolver takes. */
#ifndef NAME_LOOKUP_H
#define NAME_LOOKUP_H

#include <stdbool.h>
#include <sys/socket.h>

#include "net/reactor.h"

enum { ADDRESSES_MAX = 8 /* of a name; more are left out */ };

struct address {
    struct sockaddr_storage storage;
    socklen_t size;
};

struct addresses {
    struct address list[ADDRESSES_MAX];
    size_t count;
};

/* `addresses` until it returns; or NULL, and why there are none. */
typedef void (*name_lookup_callback)(void *owner, const struct addresses *addresses, const char *wrong);

/* Embedded in its owner; nothing is under way while `errand` is NULL. */
struct name_lookup {
    struct reactor *reactor;
    struct reactor_source told; /* a pipe's reading end */
    struct name_lookup_errand *errand;
    name_lookup_callback on_done;
    void *owner;
};

/* Starts; the callback comes once, from a turn of the reactor. Both texts are copied. 0; or -errno, and it never comes. */
int name_lookup_start(struct name_lookup *lookup, struct reactor *reactor, const char *host, const char *port,
                      name_lookup_callback on_done, void *owner);

/* Gives up: no callback comes any more. The thread may go on for a while, with nobody to tell. */
void name_lookup_stop(struct name_lookup *lookup);

/* An address in figures, at once. False: it is none, but may be a name. */
bool name_lookup_is_address(const char *host, const char *port, struct addresses *ret_addresses);

#endif
