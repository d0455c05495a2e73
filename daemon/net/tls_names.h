/* Several certificates behind one listener: which one a client is shown, by the name it asks for.     (RFC 6066, 3) */
#ifndef TLS_NAMES_H
#define TLS_NAMES_H

#include "net/tls_context_internal.h"

/* The further ones of a context, which go with its SSL_CTX: with the last connection that it began. */
struct tls_names {
    size_t count;
    SSL_CTX *each[TLS_CERTIFICATES_MAX];
};

/* Asks `names` for each client of `ssl_ctx`; taken over, in every case. 0 or -ENOMEM. */
int tls_names_use(SSL_CTX *ssl_ctx, struct tls_names *names);

void tls_names_free(struct tls_names *names); /* NULL-safe */

/* Whether a certificate is for that host: a name (wildcards count) or an address. */
bool tls_names_has(X509 *certificate, const char *host);

#endif
