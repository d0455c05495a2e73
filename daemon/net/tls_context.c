#include "net/tls_context.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/tls_context_internal.h"

/* What RFC 9325 recommends for TLS 1.2; those of TLS 1.3 are OpenSSL's. */
static const char ciphers_tls12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const char groups[] = "X25519:P-256:P-384";

/* Several records in one read; freed whenever it is empty (SSL_MODE_RELEASE_BUFFERS). */
enum { READ_AHEAD = 4 * (SSL3_RT_MAX_PLAIN_LENGTH + 512) };

enum { TICKET_KEYS_SIZE = 80 }; /* what SSL_CTX_set_tlsext_ticket_keys takes: name, HMAC and AES keys */

const char *tls_error_reason(void) {
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (ERR_SYSTEM_ERROR(code)) {
        return strerror(ERR_GET_REASON(code));
    }
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    return reason ? reason : "no reason given";
}

/* --- tickets: one key for all contexts of the process, so that any reactor resumes what another began ------ */

static unsigned char ticket_keys[TICKET_KEYS_SIZE];
static bool ticket_keys_made;

static void make_ticket_keys(void) {
    ticket_keys_made = RAND_bytes(ticket_keys, sizeof ticket_keys) == 1;
}

static int use_ticket_keys(SSL_CTX *ssl_ctx) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_ticket_keys);
    return ticket_keys_made && SSL_CTX_set_tlsext_ticket_keys(ssl_ctx, ticket_keys, sizeof ticket_keys) == 1
               ? 0
               : -EIO;
}

/* --- what both kinds have in common -------------------------------------------------------------------------- */

static int context_new(const SSL_METHOD *method, struct tls_context **ret_context) {
    struct tls_context *context = calloc(1, sizeof *context);
    if (!context) {
        return -ENOMEM;
    }
    context->ssl_ctx = SSL_CTX_new(method);
    SSL_CTX *ctx = context->ssl_ctx;
    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, ciphers_tls12) != 1 || SSL_CTX_set1_groups_list(ctx, groups) != 1) {
        tls_context_free(context);
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
    *ret_context = context;
    return 0;
}

void tls_context_free(struct tls_context *context) {
    if (!context) {
        return;
    }
    SSL_CTX_free(context->ssl_ctx);
    free(context);
}

/* Opens a PEM file so that what is wrong with the file itself is said in the system's words. */
static int open_pem(const char *what, const char *file, BIO **ret_bio, char *ret_error, size_t error_size) {
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) {
        int error = errno;
        snprintf(ret_error, error_size, "%s %s cannot be read: %s", what, file, strerror(error));
        if (fd >= 0) {
            close(fd);
        }
        return -error;
    }
    if (!S_ISREG(status.st_mode)) {
        snprintf(ret_error, error_size, "%s %s is not a file; a PEM file is expected", what, file);
        close(fd);
        return -EINVAL;
    }
    FILE *stream = fdopen(fd, "r");
    BIO *bio = stream ? BIO_new_fp(stream, BIO_CLOSE) : NULL;
    if (!bio) {
        if (stream) {
            fclose(stream);
        } else {
            close(fd);
        }
        snprintf(ret_error, error_size, "%s %s cannot be read: out of memory", what, file);
        return -ENOMEM;
    }
    *ret_bio = bio;
    return 0;
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
static int use_certificates(struct tls_context *context, const char *file, char *ret_error,
                            size_t error_size) {
    BIO *bio = NULL;
    int r = open_pem("certificate", file, &bio, ret_error, error_size);
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
    if (SSL_CTX_use_certificate(context->ssl_ctx, certificate) != 1) {
        snprintf(ret_error, error_size, "certificate %s cannot be used: %s", file, tls_error_reason());
        r = -EINVAL;
        goto done;
    }
    for (;;) {
        X509 *next = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!next) {
            break;
        }
        if (SSL_CTX_add0_chain_cert(context->ssl_ctx, next) != 1) {
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
    context->certificate = SSL_CTX_get0_certificate(context->ssl_ctx);

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

static int use_key(struct tls_context *context, const char *cert_file, const char *file, char *ret_error,
                   size_t error_size) {
    BIO *bio = NULL;
    int r = open_pem("key", file, &bio, ret_error, error_size);
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
    } else if (X509_check_private_key(context->certificate, key) != 1) {
        snprintf(ret_error, error_size, "key %s does not match certificate %s", file, cert_file);
        r = -EINVAL;
    } else if (SSL_CTX_use_PrivateKey(context->ssl_ctx, key) != 1) {
        snprintf(ret_error, error_size, "key %s cannot be used: %s", file, tls_error_reason());
        r = -EINVAL;
    }
    ERR_clear_error();
    EVP_PKEY_free(key);
    BIO_free(bio);
    return r;
}

int tls_context_new_server(const char *cert_file, const char *key_file, struct tls_context **ret_context,
                           char *ret_error, size_t error_size) {
    static const unsigned char session_id_context[] = "daffi-bridge";
    struct tls_context *context = NULL;
    ERR_clear_error();
    int r = context_new(TLS_server_method(), &context);
    if (r < 0) {
        snprintf(ret_error, error_size, "TLS cannot be set up: %s", tls_error_reason());
        return r;
    }
    if ((r = use_certificates(context, cert_file, ret_error, error_size)) < 0 ||
        (r = use_key(context, cert_file, key_file, ret_error, error_size)) < 0) {
        goto fail;
    }
    SSL_CTX_set_alpn_select_cb(context->ssl_ctx, select_protocol, NULL);
    if (use_ticket_keys(context->ssl_ctx) < 0 || SSL_CTX_set_num_tickets(context->ssl_ctx, 1) != 1 ||
        SSL_CTX_set_session_id_context(context->ssl_ctx, session_id_context, sizeof session_id_context - 1) !=
            1) {
        snprintf(ret_error, error_size, "TLS session tickets cannot be set up: %s", tls_error_reason());
        r = -EIO;
        goto fail;
    }
    *ret_context = context;
    return 0;

fail:
    tls_context_free(context);
    return r;
}

/* --- client --------------------------------------------------------------------------------------------------- */

int tls_context_new_client(const char *ca_file, struct tls_context **ret_context, char *ret_error,
                           size_t error_size) {
    struct tls_context *context = NULL;
    ERR_clear_error();
    int r = context_new(TLS_client_method(), &context);
    if (r < 0) {
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
        r = open_pem("ca", ca_file, &bio, ret_error, error_size);
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
    if (!context->certificate || !*host) {
        return false;
    }
    unsigned char address[sizeof(struct in6_addr)];
    bool is_address = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    int r = is_address
                ? X509_check_ip_asc(context->certificate, host, 0)
                : X509_check_host(context->certificate, host, 0,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                                  NULL);
    ERR_clear_error();
    return r == 1;
}

time_t tls_context_expires(const struct tls_context *context) {
    struct tm end;
    if (!context->certificate || ASN1_TIME_to_tm(X509_get0_notAfter(context->certificate), &end) != 1) {
        return 0;
    }
    return timegm(&end);
}
