/* The PROXY protocol's header, by which a proxy says for whom it has connected: version 1 (a line of text) and 2 (binary).
 * Sans-I/O, no allocation.                           (haproxy.org, proxy-protocol.txt, sections 2.1 and 2.2) */
#ifndef PROXY_HEADER_H
#define PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PROXY_ADDRESS_MAX = 64,
    PROXY_HEADER_MAX = 4096, /* bytes, with what version 2 has behind the addresses, which is not read */
};

struct proxy_header {
    /* Where the client comes from: as struct listener tells it ("192.0.2.1", "2001:db8::1", "unix"). Empty: the proxy speaks
     * for itself (a health check), or does not say. */
    char address[PROXY_ADDRESS_MAX];
};

/*  0       *ret_header is set, and *ret_size is the header's size: what is behind is the client's
 *  -EAGAIN these are the beginning of a header
 *  -EPROTO they are none, or one that can't be taken: *ret_reason is a static sentence */
int proxy_header_parse(const uint8_t *bytes, size_t length, struct proxy_header *ret_header, size_t *ret_size,
                       const char **ret_reason);

#endif
