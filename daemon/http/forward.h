/* Carries a request from the door to the site (site.h) and its answer back, on the door's reactor.
 *
 * The site gets a head made anew: method, path, If-None-Match, Accept-Encoding and the secret; nothing else of what the
 * client sent. The answer is held until it is whole and sane, then written at once: the client gets all of it, or a
 * refusal it can read (502, 504), never half of one. */
#ifndef FORWARD_H
#define FORWARD_H

#include "http/response.h"
#include "net/reactor.h"

enum {
    FORWARD_ANSWER_MAX = 4 << 20, /* bytes of an answer, head included */
    FORWARD_TIMEOUT_MS = 5000,    /* for all of it */
};

/* The way to one site: one for each reactor. */
struct forward_route;

/* `secret` is copied. 0, -ENOMEM or another -errno. */
int forward_route_new(struct reactor *reactor, unsigned port, const char *secret,
                      struct forward_route **ret_route);
void forward_route_free(struct forward_route *route); /* NULL-safe; after all of its forwards are freed */

struct forward;

/* The answer has been given to the sink: `keeps` says whether the connection may go on (else the answer said so, and
 * the door closes it). `r` is what the sink said. Comes once, never from within forward_new. */
typedef void (*forward_callback)(void *owner, int r, bool keeps);

/* Starts. Nothing of `head` is needed after the call; `sink` is copied. 0; -ENOENT: no page has such a path, a 404 is to be
 * given; another -errno: a 503. On failure nothing was written and the callback never comes. */
int forward_new(struct forward_route *route, const struct request_head *head,
                const struct response_sink *sink, forward_callback on_done, void *owner,
                struct forward **ret_forward);

/* Cleans up after the callback (fine from within it), or gives up: no callback comes after this. NULL-safe. */
void forward_free(struct forward *forward);

/* The answer of the site in `in`, with its connection's fields left out and `keeps` said instead. Pure.
 * 0 and *ret_response: its type and fields are in `fields` (RESPONSE_HEAD_MAX bytes), its body in `in`.
 * -EAGAIN: it is not whole. -EBADMSG: it is no answer of the site's kind. -EMSGSIZE: past FORWARD_ANSWER_MAX. */
int forward_read_answer(struct daffi_span in, bool to_head, bool keeps, char fields[RESPONSE_HEAD_MAX],
                        struct response *ret_response);

#endif
