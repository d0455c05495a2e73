/* What stream_tls.c sees of a context. */
#ifndef TLS_CONTEXT_INTERNAL_H
#define TLS_CONTEXT_INTERNAL_H

#include <openssl/ssl.h>

#include "net/tls_context.h"

struct tls_context {
    SSL_CTX *ssl_ctx;
    X509 *certificate; /* borrowed from ssl_ctx; NULL for a client context */
};

/* The reason of the oldest error in OpenSSL's queue, which is emptied. Never NULL. */
const char *tls_error_reason(void);

#endif
