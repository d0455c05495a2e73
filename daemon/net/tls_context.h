/* OpenSSL contexts: one set per reactor (OpenSSL 3.0 contends between threads that share one). TLS 1.2 and
 * later, ALPN http/1.1, chain files, session tickets.                        (RFC 8446, RFC 7301, RFC 9325) */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct tls_context;

enum { TLS_CERTIFICATES_MAX = 17 };

struct tls_key_pair {
    const char *cert, *key; /* PEM files */
};

struct tls_server_setup {
    /* the first is shown to whoever asks for no name that another one has */
    const struct tls_key_pair *pairs;
    size_t pairs_count;    /* 1 to TLS_CERTIFICATES_MAX */
    const char *client_ca; /* PEM file; clients need a certificate of one of its CAs. NULL: they need none */
};

/* On failure: -errno, and a sentence for the administrator (names the file, what was found, what is
 * expected) in `ret_error`, `error_size` bytes. An expired certificate loads: see tls_context_validity.
 * Tickets of one server context are good for all those of the process with the same client_ca. */
int tls_context_new(const struct tls_server_setup *setup, struct tls_context **ret_context, char *ret_error,
                    size_t error_size);
/* With one certificate, for clients without. */
int tls_context_new_server(const char *cert_file, const char *key_file, struct tls_context **ret_context,
                           char *ret_error, size_t error_size);
/* `ca_file` NULL: the system's certificates. */
int tls_context_new_client(const char *ca_file, struct tls_context **ret_context, char *ret_error,
                           size_t error_size);
void tls_context_free(struct tls_context *context); /* NULL-safe */

/* The DNS names and addresses of a server context's certificates (their subjectAltName, lower case), for the
 * own-host rule: true when `host` (no port, lower case) is one of them, wildcards included (RFC 6125). */
bool tls_context_names_host(const struct tls_context *context, const char *host);

/* From when to when the certificate of the pair at `place` holds, in seconds since 1970; both 0 where there is none. */
void tls_context_validity(const struct tls_context *context, size_t place, time_t *ret_begins,
                          time_t *ret_ends);

#endif
