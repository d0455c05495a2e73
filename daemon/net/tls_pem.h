/* PEM files, and what OpenSSL says of them and of all else, in words. */
#ifndef TLS_PEM_H
#define TLS_PEM_H

#include <openssl/bio.h>
#include <stddef.h>

/* Opens a PEM file so that what is wrong with the file itself is said in the system's words. 0 or -errno. */
int tls_open_pem(const char *what, const char *file, BIO **ret_bio, char *ret_error, size_t error_size);

/* The reason of the oldest error in OpenSSL's queue, which is emptied. Never NULL. */
const char *tls_error_reason(void);

#endif
