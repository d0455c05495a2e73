#include "net/tls_names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>

bool tls_names_has(X509 *certificate, const char *host) {
    unsigned char address[sizeof(struct in6_addr)];
    if (certificate == NULL || *host == '\0') {
        return false;
    }
    bool is_address = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    int r = is_address
                ? X509_check_ip_asc(certificate, host, 0)
                : X509_check_host(certificate, host, 0,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                                  NULL);
    ERR_clear_error();
    return r == 1;
}

void tls_names_free(struct tls_names *names) {
    if (names == NULL) {
        return;
    }
    for (size_t i = 0; i < names->count; i++) {
        SSL_CTX_free(names->each[i]);
    }
    free(names);
}

/* Who asks for no name, or for none that is known, gets the first certificate: it then says by itself that it does not
 * fit. */
static int on_name(SSL *ssl, int *alert, void *argument) { /* NOLINT(readability-non-const-parameter) */
    const struct tls_names *names = argument;
    const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    if (asked == NULL || tls_names_has(SSL_get_certificate(ssl), asked)) {
        return SSL_TLSEXT_ERR_OK;
    }
    for (size_t i = 0; i < names->count; i++) {
        if (tls_names_has(SSL_CTX_get0_certificate(names->each[i]), asked)) {
            (void)SSL_set_SSL_CTX(ssl, names->each[i]);
            break;
        }
    }
    return SSL_TLSEXT_ERR_OK;
}

static void on_context_freed(void *parent, void *held, CRYPTO_EX_DATA *data, int index, long argument,
                             void *pointer) {
    (void)parent;
    (void)data;
    (void)index;
    (void)argument;
    (void)pointer;
    tls_names_free(held);
}

static int place_in_context = -1;

static void find_place(void) {
    place_in_context = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_context_freed);
}

int tls_names_use(SSL_CTX *ssl_ctx, struct tls_names *names) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_place);
    if (place_in_context < 0 || SSL_CTX_set_ex_data(ssl_ctx, place_in_context, names) != 1) {
        tls_names_free(names);
        return -ENOMEM;
    }
    SSL_CTX_set_tlsext_servername_callback(ssl_ctx, on_name);
    SSL_CTX_set_tlsext_servername_arg(ssl_ctx, names);
    return 0;
}
