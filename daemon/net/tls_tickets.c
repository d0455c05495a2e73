#include "net/tls_tickets.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "net/tls_context_internal.h"

enum { NAME_SIZE = 16, IV_SIZE = 16, CIPHER_KEY_SIZE = 32, MAC_KEY_SIZE = 32 };

struct key {
    unsigned char name[NAME_SIZE]; /* told in the ticket */
    unsigned char cipher[CIPHER_KEY_SIZE], mac[MAC_KEY_SIZE];
};

/* The lock is held for a copy: once or twice in a handshake, never while data flows. */
static struct {
    pthread_mutex_t lock;
    struct key present, previous;
    bool has_present, has_previous;
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER};

int tls_tickets_rotate(void) {
    struct key key;
    if (RAND_bytes((unsigned char *)&key, sizeof key) != 1) {
        return -EIO;
    }
    pthread_mutex_lock(&ring.lock);
    ring.previous = ring.present;
    ring.has_previous = ring.has_present;
    ring.present = key;
    ring.has_present = true;
    pthread_mutex_unlock(&ring.lock);
    OPENSSL_cleanse(&key, sizeof key);
    return 0;
}

static bool take_present(struct key *ret_key) {
    pthread_mutex_lock(&ring.lock);
    bool found = ring.has_present;
    *ret_key = ring.present;
    pthread_mutex_unlock(&ring.lock);
    return found;
}

/* Names of keys are public: no secret shows by how long the comparison takes. */
static bool find(const unsigned char *name, struct key *ret_key, bool *ret_is_present) {
    pthread_mutex_lock(&ring.lock);
    bool is_present = ring.has_present && memcmp(name, ring.present.name, NAME_SIZE) == 0;
    bool is_previous = ring.has_previous && memcmp(name, ring.previous.name, NAME_SIZE) == 0;
    *ret_key = is_present ? ring.present : ring.previous;
    pthread_mutex_unlock(&ring.lock);
    *ret_is_present = is_present;
    return is_present || is_previous;
}

static bool use_mac(EVP_MAC_CTX *mac, struct key *key) {
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

/* What the callback returns: -1 an error, 0 no ticket, 1 it is fine, 2 fine, and a new one should be given. */
static int use_key(struct key *key, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing,
                   int fine) {
    bool set = EVP_CipherInit_ex2(cipher, EVP_aes_256_cbc(), key->cipher, iv, sealing, NULL) == 1 &&
               use_mac(mac, key);
    return set ? fine : -1;
}

/* Clients use a ticket of TLS 1.3 once: without a new one each second visit were a full handshake. But a new one lives its full
 * time there, so that who had to show a certificate could go on for ever after it has ended: none then (RFC 8446, 4.6.1). With
 * TLS 1.2 the session's age goes on, and a ticket stays good: a new one only instead of one that the old key sealed. */
static bool should_renew(const SSL *ssl, bool is_present) {
    return SSL_version(ssl) == TLS1_3_VERSION ? (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) == 0
                                              : !is_present;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int sealing) {
    struct key key;
    bool is_present = true;
    int result = 0;
    if (sealing != 0) {
        if (take_present(&key) && RAND_bytes(iv, IV_SIZE) == 1) {
            memcpy(name, key.name, NAME_SIZE);
            result = use_key(&key, iv, cipher, mac, 1, 1);
        } else {
            result = -1;
        }
    } else if (find(name, &key, &is_present)) {
        bool renews = should_renew(ssl, is_present);
        result = use_key(&key, iv, cipher, mac, 0, renews ? 2 : 1);
    }
    OPENSSL_cleanse(&key, sizeof key);
    return result;
}

static int first_status;

static void make_first_key(void) {
    first_status = tls_tickets_rotate();
}

int tls_tickets_use(SSL_CTX *ssl_ctx) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_first_key);
    if (first_status < 0) {
        return first_status;
    }
    return SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_ctx, on_ticket) == 1 ? 0 : -EIO;
}
