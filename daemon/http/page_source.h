/* Pages that somebody else gives besides the bridge's own: the development server's files. Doors ask it for what is no asset and
 * none of their own paths, after they have checked Host. */
#ifndef PAGE_SOURCE_H
#define PAGE_SOURCE_H

#include "http/response.h"

/* What is still to be sent behind a head. */
struct page_body {
    int fd; /* a file, read from `offset` on, the taker's to close; -1: nothing more is to be sent */
    uint64_t offset, length; /* bytes */
};

struct page_source {
    /* Called by any reactor's thread, several at once. 0: the head has gone to `sink`, and all of the body that is not in
     * *ret_body; -ENOENT: it has no such page, nothing was written; another -errno: what the sink said. */
    int (*answer)(void *owner, const struct request_head *head, const struct response_sink *sink,
                  struct page_body *ret_body);
    const char *
        listen_path; /* of a WebSocket that only hears: what bridge_tell_listeners says; NULL: there is none */
    /* What a page that begins to listen hears at once, by the query of its request; NULL: nothing. May be NULL. Any thread. */
    const char *(*greet_listener)(void *owner, struct daffi_span query);
    void *owner;
};

#endif
