/* Reads the PROXY header off a connection that a proxy has just opened, and not a byte more: what is behind it, be it TLS, is
 * left in the socket for whoever takes the descriptor over. */
#ifndef PROXY_READER_H
#define PROXY_READER_H

#include "net/proxy_header.h"
#include "net/reactor.h"

struct proxy_reader;

/* Once, never from within proxy_reader_new: `fd` >= 0, which the owner takes over, and what the header said; or -1, closed,
 * and a sentence. The reader is to be freed, in the callback or later. */
typedef void (*proxy_reader_callback)(void *owner, int fd, const struct proxy_header *header,
                                      const char *detail);

/* Takes `fd` (non-blocking) over where 0 is returned. 0 or -errno. */
int proxy_reader_new(struct reactor *reactor, int fd, uint64_t timeout_ms, proxy_reader_callback on_done,
                     void *owner, struct proxy_reader **ret_reader);

/* NULL-safe; gives up, without a callback. */
void proxy_reader_free(struct proxy_reader *reader);

#endif
