/* Certificates of clients: where they are asked for, nobody comes in without one that a given CA has signed. (RFC 8446, 4.3.2) */
#ifndef TLS_CLIENTS_H
#define TLS_CLIENTS_H

#include "net/tls_context_internal.h"

/* Reads the CAs of `file` and asks for certificates that they have signed. Sessions that began under other CAs, or without
 * any, are not resumed: *ret_digest is to go into the session id context. 0, or -errno and a sentence. */
int tls_clients_require(SSL_CTX *ssl_ctx, const char *file, unsigned char ret_digest[TLS_DIGEST_SIZE],
                        char *ret_error, size_t error_size);

#endif
