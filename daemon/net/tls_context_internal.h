/* What stream_tls.c sees of a context. */
#ifndef TLS_CONTEXT_INTERNAL_H
#define TLS_CONTEXT_INTERNAL_H

#include <openssl/ssl.h>

#include "net/tls_context.h"

enum { TLS_DIGEST_SIZE = 32 };

struct tls_context {
    SSL_CTX *ssl_ctx;
    size_t certificates_count;                /* 0 for a client context */
    X509 *certificates[TLS_CERTIFICATES_MAX]; /* borrowed from ssl_ctx, and from what it goes on to by name */
};

/* Has it seal and open session tickets with the process's keys, see tls_tickets.h. 0 or -EIO. */
int tls_tickets_use(SSL_CTX *ssl_ctx);

#endif
