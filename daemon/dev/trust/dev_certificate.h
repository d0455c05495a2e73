/* X.509 certificates in memory, by OpenSSL: an authority for development, and what it signs.              (RFC 5280) */
#ifndef DEV_CERTIFICATE_H
#define DEV_CERTIFICATE_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <time.h>

/* A P-256 key; NULL without memory or random bytes. */
EVP_PKEY *dev_certificate_key(void);

/* What a certificate is for: host names and addresses, as text. */
struct dev_certificate_names {
    const char *const *list;
    size_t count;
};

/* An authority called `title`, which may speak for `names`, localhost, *.local and private addresses alone. NULL on
 * failure. */
X509 *dev_certificate_authority(EVP_PKEY *key, const char *title, struct dev_certificate_names names,
                                time_t now, int days);

/* Whether the text is a host name or an address; no more than 253 bytes. */
bool dev_certificate_is_name(const char *name);

/* Whether the authority may speak for a host name or an address, as text. */
bool dev_certificate_permits(X509 *authority, const char *name);

/* A server's certificate for `names`, at least one. NULL on failure. */
X509 *dev_certificate_leaf(EVP_PKEY *key, struct dev_certificate_names names, X509 *authority,
                           EVP_PKEY *authority_key, time_t now, int days);

/* Whether `leaf` is one of `authority` with this key, names each of `names`, and holds for at least `days` from
 * `now` on. */
bool dev_certificate_is_good(X509 *leaf, EVP_PKEY *key, X509 *authority, struct dev_certificate_names names,
                             time_t now, int days);

#endif
