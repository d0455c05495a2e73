#include "net/tls_context.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_clients.h"
#include "net/tls_context_internal.h"
#include "net/tls_names.h"
#include "net/tls_pem.h"

/* What RFC 9325 recommends for TLS 1.2, and all of TLS 1.3's that OpenSSL has on. AES-128 with SHA-256 first, as browsers ask for it:
 * a tenth cheaper by the byte, and processors have instructions for SHA-256, which a handshake's HMACs are made of, not for SHA-384. */
static const char ciphers_tls12[] = "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20";
static const char ciphers_tls13[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char groups[] = "X25519:P-256:P-384";

/* Two large records in one read, or many small ones; freed whenever it is empty (SSL_MODE_RELEASE_BUFFERS). Not more: with each record
 * OpenSSL moves all that it has read behind it to the front. */
enum { READ_AHEAD = 2 * (SSL3_RT_MAX_PLAIN_LENGTH + 512) };

/* --- what both kinds have in common -------------------------------------------------------------------------- */

static int ssl_ctx_new(const SSL_METHOD *method, SSL_CTX **ret_ctx) {
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, ciphers_tls12) != 1 ||
        SSL_CTX_set_ciphersuites(ctx, ciphers_tls13) != 1 || SSL_CTX_set1_groups_list(ctx, groups) != 1) {
        SSL_CTX_free(ctx);
        return -ENOMEM;
    }
    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
    *ret_ctx = ctx;
    return 0;
}

void tls_context_free(struct tls_context *context) {
    if (!context) {
        return;
    }
    SSL_CTX_free(context->ssl_ctx);
    free(context);
}

/* --- server --------------------------------------------------------------------------------------------------- */

/* A native TLS client offers no ALPN at all and gets here never. */
static int select_protocol(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_length,
                           const unsigned char *offered, unsigned int offered_length, void *argument) {
    (void)ssl;
    (void)argument;
    static const unsigned char http11[] = "\x08http/1.1";
    unsigned char *name = NULL;
    if (SSL_select_next_proto(&name, ret_length, http11, sizeof http11 - 1, offered, offered_length) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *ret_name = name;
    return SSL_TLSEXT_ERR_OK;
}

/* The certificate and the chain behind it. */
static int use_certificates(SSL_CTX *ssl_ctx, const char *file, char *ret_error, size_t error_size) {
    BIO *bio = NULL;
    int r = tls_open_pem("certificate", file, &bio, ret_error, error_size);
    if (r < 0) {
        return r;
    }
    X509 *certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    if (!certificate) {
        bool none = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
        snprintf(ret_error, error_size,
                 "certificate %s: %s; a PEM certificate (-----BEGIN CERTIFICATE-----) is expected", file,
                 none ? "no certificate in it" : tls_error_reason());
        r = -EINVAL;
        goto done;
    }
    if (SSL_CTX_use_certificate(ssl_ctx, certificate) != 1) {
        snprintf(ret_error, error_size, "certificate %s cannot be used: %s", file, tls_error_reason());
        r = -EINVAL;
        goto done;
    }
    for (;;) {
        X509 *next = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!next) {
            break;
        }
        if (SSL_CTX_add0_chain_cert(ssl_ctx, next) != 1) {
            X509_free(next);
            snprintf(ret_error, error_size, "certificate %s: its chain cannot be used: %s", file,
                     tls_error_reason());
            r = -EINVAL;
            goto done;
        }
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) { /* that one is the end of the file */
        snprintf(ret_error, error_size, "certificate %s: its chain cannot be read: %s", file,
                 tls_error_reason());
        r = -EINVAL;
        goto done;
    }

done:
    ERR_clear_error();
    X509_free(certificate);
    BIO_free(bio);
    return r;
}

/* Nobody is there to type a passphrase. */
static int refuse_passphrase(char *out, int size, int writing, /* NOLINT(readability-non-const-parameter) */
                             void *asked) {
    (void)out;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

static int use_key(SSL_CTX *ssl_ctx, const char *cert_file, const char *file, char *ret_error,
                   size_t error_size) {
    BIO *bio = NULL;
    int r = tls_open_pem("key", file, &bio, ret_error, error_size);
    if (r < 0) {
        return r;
    }
    bool encrypted = false;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &encrypted);
    if (encrypted) {
        snprintf(ret_error, error_size, "key %s is encrypted; a key without passphrase is expected", file);
        r = -EINVAL;
    } else if (!key) {
        snprintf(ret_error, error_size,
                 "key %s: no private key in it; a PEM key (-----BEGIN PRIVATE KEY-----) is expected", file);
        r = -EINVAL;
    } else if (X509_check_private_key(SSL_CTX_get0_certificate(ssl_ctx), key) != 1) {
        snprintf(ret_error, error_size, "key %s does not match certificate %s", file, cert_file);
        r = -EINVAL;
    } else if (SSL_CTX_use_PrivateKey(ssl_ctx, key) != 1) {
        snprintf(ret_error, error_size, "key %s cannot be used: %s", file, tls_error_reason());
        r = -EINVAL;
    }
    ERR_clear_error();
    EVP_PKEY_free(key);
    BIO_free(bio);
    return r;
}

/* What keeps sessions apart that are not to be resumed in each other's place. */
static int set_session_context(SSL_CTX *ctx, const unsigned char *digest) {
    static const unsigned char own[] = "daffi-bridge";
    return SSL_CTX_set_session_id_context(ctx, digest ? digest : own,
                                          digest ? TLS_DIGEST_SIZE : sizeof own - 1) == 1
               ? 0
               : -EIO;
}

static int pair_new(const struct tls_key_pair *pair, const char *client_ca, SSL_CTX **ret_ctx,
                    char *ret_error, size_t error_size) {
    unsigned char digest[TLS_DIGEST_SIZE];
    SSL_CTX *ctx = NULL;
    int r = ssl_ctx_new(TLS_server_method(), &ctx);
    if (r < 0) {
        snprintf(ret_error, error_size, "TLS cannot be set up: %s", tls_error_reason());
        return r;
    }
    if ((r = use_certificates(ctx, pair->cert, ret_error, error_size)) < 0 ||
        (r = use_key(ctx, pair->cert, pair->key, ret_error, error_size)) < 0 ||
        (client_ca && (r = tls_clients_require(ctx, client_ca, digest, ret_error, error_size)) < 0)) {
        goto fail;
    }
    SSL_CTX_set_alpn_select_cb(ctx, select_protocol, NULL);
    if (tls_tickets_use(ctx) < 0 || SSL_CTX_set_num_tickets(ctx, 1) != 1 ||
        set_session_context(ctx, client_ca ? digest : NULL) < 0) {
        snprintf(ret_error, error_size, "TLS session tickets cannot be set up: %s", tls_error_reason());
        r = -EIO;
        goto fail;
    }
    *ret_ctx = ctx;
    return 0;

fail:
    SSL_CTX_free(ctx);
    return r;
}

/* The certificates behind the first. */
static int add_names(struct tls_context *context, const struct tls_server_setup *setup, char *ret_error,
                     size_t error_size) {
    struct tls_names *names = calloc(1, sizeof *names);
    int r = names ? 0 : -ENOMEM;
    for (size_t i = 1; i < setup->pairs_count && r == 0; i++) {
        r = pair_new(&setup->pairs[i], setup->client_ca, &names->each[names->count], ret_error, error_size);
        if (r == 0) {
            context->certificates[context->certificates_count++] =
                SSL_CTX_get0_certificate(names->each[names->count++]);
        }
    }
    if (r < 0 && names) {
        tls_names_free(names);
        return r;
    }
    if (r == 0) {
        r = tls_names_use(context->ssl_ctx, names);
    }
    if (r < 0) {
        snprintf(ret_error, error_size, "TLS cannot be set up: out of memory");
    }
    return r;
}

int tls_context_new(const struct tls_server_setup *setup, struct tls_context **ret_context, char *ret_error,
                    size_t error_size) {
    struct tls_context *context = calloc(1, sizeof *context);
    ERR_clear_error();
    if (!context) {
        snprintf(ret_error, error_size, "TLS cannot be set up: out of memory");
        return -ENOMEM;
    }
    int r = pair_new(&setup->pairs[0], setup->client_ca, &context->ssl_ctx, ret_error, error_size);
    if (r == 0) {
        context->certificates[context->certificates_count++] = SSL_CTX_get0_certificate(context->ssl_ctx);
        r = setup->pairs_count > 1 ? add_names(context, setup, ret_error, error_size) : 0;
    }
    if (r < 0) {
        tls_context_free(context);
        return r;
    }
    *ret_context = context;
    return 0;
}

int tls_context_new_server(const char *cert_file, const char *key_file, struct tls_context **ret_context,
                           char *ret_error, size_t error_size) {
    const struct tls_key_pair pair = {.cert = cert_file, .key = key_file};
    const struct tls_server_setup setup = {.pairs = &pair, .pairs_count = 1};
    return tls_context_new(&setup, ret_context, ret_error, error_size);
}

/* --- client --------------------------------------------------------------------------------------------------- */

int tls_context_new_client(const char *ca_file, struct tls_context **ret_context, char *ret_error,
                           size_t error_size) {
    struct tls_context *context = calloc(1, sizeof *context);
    ERR_clear_error();
    int r = context ? ssl_ctx_new(TLS_client_method(), &context->ssl_ctx) : -ENOMEM;
    if (r < 0) {
        free(context);
        snprintf(ret_error, error_size, "TLS cannot be set up: %s", tls_error_reason());
        return r;
    }
    SSL_CTX_set_verify(context->ssl_ctx, SSL_VERIFY_PEER, NULL);
    if (!ca_file) {
        if (SSL_CTX_set_default_verify_paths(context->ssl_ctx) != 1) {
            snprintf(ret_error, error_size, "the system's certificates cannot be read: %s",
                     tls_error_reason());
            r = -EIO;
        }
    } else {
        BIO *bio = NULL;
        r = tls_open_pem("ca", ca_file, &bio, ret_error, error_size);
        BIO_free(bio);
        if (r == 0 && SSL_CTX_load_verify_file(context->ssl_ctx, ca_file) != 1) {
            snprintf(
                ret_error, error_size,
                "ca %s: no certificate in it; PEM certificates (-----BEGIN CERTIFICATE-----) are expected",
                ca_file);
            r = -EINVAL;
        }
        ERR_clear_error();
    }
    if (r < 0) {
        tls_context_free(context);
        return r;
    }
    *ret_context = context;
    return 0;
}

/* --- what a certificate says -------------------------------------------------------------------------------------- */

bool tls_context_names_host(const struct tls_context *context, const char *host) {
    for (size_t i = 0; i < context->certificates_count; i++) {
        if (tls_names_has(context->certificates[i], host)) {
            return true;
        }
    }
    return false;
}

static time_t seconds_of(const ASN1_TIME *time) {
    struct tm parts;
    return ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

void tls_context_validity(const struct tls_context *context, size_t place, time_t *ret_begins,
                          time_t *ret_ends) {
    const X509 *certificate = place < context->certificates_count ? context->certificates[place] : NULL;
    *ret_begins = certificate ? seconds_of(X509_get0_notBefore(certificate)) : 0;
    *ret_ends = certificate ? seconds_of(X509_get0_notAfter(certificate)) : 0;
}
