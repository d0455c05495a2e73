#include "dev/trust/dev_certificate.h"

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    DAY = 86400,
    TEXT_MAX = 16384,
    NAME_MAX_BYTES = 253,
    TITLE_MAX = 64 /* RFC 5280's bound of a common name */
};

/* Loopback, private and link-local addresses. (RFC 1918, 3927, 4193, 4291) */
static const char private_addresses[] =
    "permitted;IP:127.0.0.0/255.0.0.0,permitted;IP:10.0.0.0/255.0.0.0,permitted;IP:172.16.0.0/255.240.0.0,"
    "permitted;IP:192.168.0.0/255.255.0.0,permitted;IP:169.254.0.0/255.255.0.0,"
    "permitted;IP:::1/FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF,permitted;IP:FC00::/FE00::,permitted;IP:FE80::/"
    "FFC0::";

EVP_PKEY *dev_certificate_key(void) {
    return EVP_EC_gen("P-256");
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&context);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static bool set_serial(X509 *certificate) {
    uint8_t bytes[16];
    if (RAND_bytes(bytes, sizeof bytes) != 1) {
        return false;
    }
    bytes[0] = (uint8_t)((bytes[0] & 0x3f) | 0x40); /* positive, and never shorter */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool is_set = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return is_set;
}

static bool set_name(X509_NAME *name, const char *title) {
    char cut[TITLE_MAX + 1];
    snprintf(cut, sizeof cut, "%s", title);
    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                      (const unsigned char *)"daffi-bridge development", -1, -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cut, -1, -1, 0) == 1;
}

/* Version 3, from an hour ago on: clocks of phones and of virtual machines differ. */
static X509 *make(EVP_PKEY *key, const char *title, time_t now, int days) {
    X509 *made = X509_new();
    if (made == NULL || X509_set_version(made, 2) != 1 || !set_serial(made) ||
        X509_set_pubkey(made, key) != 1 || !set_name(X509_get_subject_name(made), title) ||
        ASN1_TIME_set(X509_getm_notBefore(made), now - 3600) == NULL ||
        ASN1_TIME_adj(X509_getm_notAfter(made), now, days, 0) == NULL) {
        X509_free(made);
        return NULL;
    }
    return made;
}

static bool is_address(const char *name) {
    unsigned char address[16];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

bool dev_certificate_is_name(const char *name) {
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");
    return is_address(name) ||
           (length > 0 && length <= NAME_MAX_BYTES && name[length] == '\0' && name[0] != '.');
}

X509 *dev_certificate_authority(EVP_PKEY *key, const char *title, struct dev_certificate_names names,
                                time_t now, int days) {
    char constraints[TEXT_MAX];
    snprintf(constraints, sizeof constraints, "critical,permitted;DNS:localhost,permitted;DNS:local,%s",
             private_addresses);
    for (size_t i = 0; i < names.count; i++) {
        size_t length = strlen(constraints);
        const char *whole = strchr(names.list[i], ':') != NULL ? "/FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF"
                                                               : "/255.255.255.255";
        if (dev_certificate_is_name(names.list[i])) {
            snprintf(constraints + length, sizeof constraints - length, ",permitted;%s:%s%s",
                     is_address(names.list[i]) ? "IP" : "DNS", names.list[i],
                     is_address(names.list[i]) ? whole : "");
        }
    }
    X509 *made = strlen(constraints) + 1 < sizeof constraints ? make(key, title, now, days) : NULL;
    if (made == NULL || X509_set_issuer_name(made, X509_get_subject_name(made)) != 1 ||
        !add_extension(made, made, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_extension(made, made, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !add_extension(made, made, NID_name_constraints, constraints) ||
        !add_extension(made, made, NID_subject_key_identifier, "hash") ||
        X509_sign(made, key, EVP_sha256()) == 0) {
        X509_free(made);
        return NULL;
    }
    return made;
}

static GENERAL_NAME *name_of(const char *name) {
    return a2i_GENERAL_NAME(NULL, NULL, NULL, is_address(name) ? GEN_IPADD : GEN_DNS, name, 0);
}

bool dev_certificate_permits(X509 *authority, const char *name) {
    NAME_CONSTRAINTS *constraints = X509_get_ext_d2i(authority, NID_name_constraints, NULL, NULL);
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    X509 *trial = X509_new();
    GENERAL_NAME *one = name_of(name);
    bool permits = false;
    if (names != NULL && trial != NULL && one != NULL && sk_GENERAL_NAME_push(names, one) > 0) {
        one = NULL;
        bool is_named = X509_add1_ext_i2d(trial, NID_subject_alt_name, names, 0, 0) == 1;
        (void)X509_check_purpose(trial, -1,
                                 0); /* has its extensions be read: they are not looked at otherwise */
        permits =
            is_named && (constraints == NULL || NAME_CONSTRAINTS_check(trial, constraints) == X509_V_OK);
    }
    GENERAL_NAME_free(one);
    GENERAL_NAMES_free(names);
    NAME_CONSTRAINTS_free(constraints);
    X509_free(trial);
    ERR_clear_error();
    return permits;
}

X509 *dev_certificate_leaf(EVP_PKEY *key, struct dev_certificate_names names, X509 *authority,
                           EVP_PKEY *authority_key, time_t now, int days) {
    char text[TEXT_MAX] = ""; /* without *.localhost: browsers believe no wildcard below a name of one part */
    for (size_t i = 0; i < names.count; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "%s%s:%s", i > 0 ? "," : "",
                 is_address(names.list[i]) ? "IP" : "DNS", names.list[i]);
    }
    X509 *made = strlen(text) + 1 < sizeof text ? make(key, "localhost", now, days) : NULL;
    if (made == NULL || X509_set_issuer_name(made, X509_get_subject_name(authority)) != 1 ||
        !add_extension(made, authority, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(made, authority, NID_key_usage, "critical,digitalSignature") ||
        !add_extension(made, authority, NID_ext_key_usage, "serverAuth") ||
        !add_extension(made, authority, NID_authority_key_identifier, "keyid:always") ||
        !add_extension(made, authority, NID_subject_alt_name, text) ||
        X509_sign(made, authority_key, EVP_sha256()) == 0) {
        X509_free(made);
        return NULL;
    }
    return made;
}

static bool names_it(X509 *leaf, const char *name) {
    return X509_check_host(leaf, name, 0, 0, NULL) == 1 || X509_check_ip_asc(leaf, name, 0) == 1;
}

bool dev_certificate_is_good(X509 *leaf, EVP_PKEY *key, X509 *authority, struct dev_certificate_names names,
                             time_t now, int days) {
    time_t until = now + (time_t)days * DAY;
    bool good = X509_check_private_key(leaf, key) == 1 && X509_check_issued(authority, leaf) == X509_V_OK &&
                X509_verify(leaf, X509_get0_pubkey(authority)) == 1 &&
                X509_cmp_time(X509_get0_notAfter(leaf), &until) > 0 &&
                X509_cmp_time(X509_get0_notBefore(leaf), &now) < 0;
    for (size_t i = 0; i < names.count && good; i++) {
        good = names_it(leaf, names.list[i]);
    }
    ERR_clear_error();
    return good;
}
