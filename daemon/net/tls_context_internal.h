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

/* Opens a PEM file so that what is wrong with the file itself is said in the system's words. 0 or -errno. */
int tls_open_pem(const char *what, const char *file, BIO **ret_bio, char *ret_error, size_t error_size);

/* Has it seal and open session tickets with the process's keys, see tls_tickets.h. 0 or -EIO. */
int tls_tickets_use(SSL_CTX *ssl_ctx);

/* The reason of the oldest error in OpenSSL's queue, which is emptied. Never NULL. */
const char *tls_error_reason(void);

#endif
