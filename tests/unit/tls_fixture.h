/* Certificates made for a test, in a folder that is removed again: no key is kept in the repository. */
#ifndef TLS_FIXTURE_H
#define TLS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants these before it */
#include <cmocka.h>
#include <dirent.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline const char *fixture_path(const char *name) {
    static char folder[64];
    static char paths[8][384];
    static unsigned turn;
    if (!*folder) {
        snprintf(folder, sizeof folder, "/tmp/daffi-test-XXXXXX");
        assert_non_null(mkdtemp(folder));
    }
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline int fixture_remove(void **state) {
    (void)state;
    char folder[256];
    snprintf(folder, sizeof folder, "%s", fixture_path(""));
    DIR *dir = opendir(folder);
    if (dir) {
        for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
            unlink(fixture_path(entry->d_name));
        }
        closedir(dir);
    }
    rmdir(folder);
    return 0;
}

static inline void fixture_write(const char *name, const char *text) {
    FILE *file = fopen(fixture_path(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static inline void fixture_extend(X509 *certificate, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

struct fixture_pair {
    X509 *certificate;
    EVP_PKEY *key;
};

static inline void fixture_pair_free(struct fixture_pair *pair) {
    X509_free(pair->certificate);
    EVP_PKEY_free(pair->key);
}

/* `issuer` NULL: signed by itself. `names`: a subjectAltName as openssl.cnf writes it; NULL: a CA. */
static inline struct fixture_pair fixture_issue(const char *common_name, const char *names, long days_begin,
                                                long days_end, const struct fixture_pair *issuer) {
    static long serial = 1000;
    struct fixture_pair pair = {X509_new(), EVP_EC_gen("P-256")};
    X509 *by = issuer ? issuer->certificate : pair.certificate;
    X509_set_version(pair.certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(pair.certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(pair.certificate), days_begin * 86400);
    X509_gmtime_adj(X509_getm_notAfter(pair.certificate), days_end * 86400);
    X509_set_pubkey(pair.certificate, pair.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(pair.certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(pair.certificate, X509_get_subject_name(by));
    if (names) {
        fixture_extend(pair.certificate, by, NID_subject_alt_name, names);
    } else {
        fixture_extend(pair.certificate, by, NID_basic_constraints, "critical,CA:TRUE");
    }
    assert_true(X509_sign(pair.certificate, issuer ? issuer->key : pair.key, EVP_sha256()) > 0);
    return pair;
}

static inline void fixture_save_certificates(const char *name, X509 *first, X509 *second) {
    FILE *file = fopen(fixture_path(name), "w");
    assert_non_null(file);
    PEM_write_X509(file, first);
    if (second) {
        PEM_write_X509(file, second);
    }
    fclose(file);
}

static inline void fixture_save_key(const char *name, EVP_PKEY *key, const char *passphrase) {
    FILE *file = fopen(fixture_path(name), "w");
    assert_non_null(file);
    PEM_write_PrivateKey(file, key, passphrase ? EVP_aes_128_cbc() : NULL, (const unsigned char *)passphrase,
                         passphrase ? (int)strlen(passphrase) : 0, NULL, NULL);
    fclose(file);
}

/* ca.pem; chain.pem (server, intermediate) and key.pem for localhost, *.example.org, 127.0.0.1 and ::1;
 * expired.pem with the same key; self.pem, signed by itself, with self-key.pem; locked-key.pem. */
static inline int fixture_make(void **state) {
    (void)state;
    static const char names[] = "DNS:localhost,DNS:*.example.org,IP:127.0.0.1,IP:::1";
    struct fixture_pair ca = fixture_issue("test ca", NULL, -1, 30, NULL);
    struct fixture_pair middle = fixture_issue("test intermediate", NULL, -1, 30, &ca);
    struct fixture_pair server = fixture_issue("named.only.in.subject", names, -1, 10, &middle);
    struct fixture_pair expired = fixture_issue("expired", names, -20, -10, &ca);
    struct fixture_pair self = fixture_issue("self", names, -1, 10, NULL);
    fixture_save_certificates("ca.pem", ca.certificate, NULL);
    fixture_save_certificates("chain.pem", server.certificate, middle.certificate);
    fixture_save_key("key.pem", server.key, NULL);
    fixture_save_key("locked-key.pem", server.key, "secret");
    fixture_save_certificates("expired.pem", expired.certificate, NULL);
    fixture_save_key("expired-key.pem", expired.key, NULL);
    fixture_save_certificates("self.pem", self.certificate, NULL);
    fixture_save_key("self-key.pem", self.key, NULL);
    fixture_pair_free(&ca);
    fixture_pair_free(&middle);
    fixture_pair_free(&server);
    fixture_pair_free(&expired);
    fixture_pair_free(&self);
    return 0;
}

#endif
