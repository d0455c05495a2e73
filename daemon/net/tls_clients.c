#include "net/tls_clients.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "net/tls_pem.h"

/* One CA: trusted, named to clients, and part of the digest. */
static bool add(SSL_CTX *ssl_ctx, X509 *certificate, EVP_MD_CTX *digest) {
    unsigned char own[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl_ctx), certificate) == 1 &&
           SSL_CTX_add_client_CA(ssl_ctx, certificate) == 1 &&
           X509_digest(certificate, EVP_sha256(), own, &length) == 1 &&
           EVP_DigestUpdate(digest, own, length) == 1;
}

int tls_clients_require(SSL_CTX *ssl_ctx, const char *file, unsigned char ret_digest[TLS_DIGEST_SIZE],
                        char *ret_error, size_t error_size) {
    BIO *bio = NULL;
    size_t count = 0;
    int r = tls_open_pem("client_ca", file, &bio, ret_error, error_size);
    if (r < 0) {
        return r;
    }
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool sound = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;
    while (sound) {
        X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (certificate == NULL) {
            break;
        }
        sound = add(ssl_ctx, certificate, digest);
        X509_free(certificate);
        count++;
    }
    bool whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (!sound || (count > 0 && !whole)) {
        snprintf(ret_error, error_size, "client_ca %s cannot be used: %s", file, tls_error_reason());
        r = -EINVAL;
    } else if (count == 0) {
        snprintf(
            ret_error, error_size,
            "client_ca %s: no certificate in it; PEM certificates (-----BEGIN CERTIFICATE-----) are expected",
            file);
        r = -EINVAL;
    } else if (EVP_DigestFinal_ex(digest, ret_digest, NULL) != 1) {
        snprintf(ret_error, error_size, "client_ca %s cannot be used: out of memory", file);
        r = -ENOMEM;
    } else {
        SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    ERR_clear_error();
    EVP_MD_CTX_free(digest);
    BIO_free(bio);
    return r;
}
