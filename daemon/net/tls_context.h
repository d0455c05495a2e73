/* OpenSSL contexts: one set per reactor (OpenSSL 3.0 contends between threads that share one). TLS 1.2 and
 * later, ALPN http/1.1, chain files, session tickets.                        (RFC 8446, RFC 7301, RFC 9325) */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct tls_context;

/* On failure: -errno, and a sentence for the administrator (names the file, what was found, what is
 * expected) in `ret_error`, `error_size` bytes. An expired certificate loads: see tls_context_expires.
 * Tickets of one server context are good for all those of the process. */
int tls_context_new_server(const char *cert_file, const char *key_file, struct tls_context **ret_context,
                           char *ret_error, size_t error_size);
/* `ca_file` NULL: the system's certificates. */
int tls_context_new_client(const char *ca_file, struct tls_context **ret_context, char *ret_error,
                           size_t error_size);
void tls_context_free(struct tls_context *context); /* NULL-safe */

/* The DNS names and addresses of a server context's certificate (its subjectAltName, lower case), for the
 * own-host rule: true when `host` (no port, lower case) is one of them, wildcards included (RFC 6125). */
bool tls_context_names_host(const struct tls_context *context, const char *host);

/* When a server context's certificate ends, in seconds since 1970; 0 for a client context. */
time_t tls_context_expires(const struct tls_context *context);

#endif
