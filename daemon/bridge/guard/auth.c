#include "bridge/guard/auth.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <strings.h>

#include "config/config_patterns.h"

static const uint64_t LASTS_MAX = 1U << 30; /* s; who stays for longer than 34 years need not come again */

enum { SIGNATURE_BYTES = 32, SIGNATURE_LETTERS = 43 };

/* -- where it stands -- */

static const char NAME[] = "daffi-token=";

struct daffi_span auth_find_token(const struct request_head *head) {
    static const char scheme[] = "Bearer ";
    const size_t length = sizeof scheme - 1;
    const struct daffi_span field = request_head_find(head, "Authorization");
    if (field.length >= length && strncasecmp((const char *)field.data, scheme, length) == 0) {
        return daffi_span_of(field.data + length, field.length - length);
    }
    struct daffi_span token = request_part_find(head->query, '&', NAME);
    for (size_t i = 0; i < head->headers_count && token.data == NULL; i++) {
        const struct request_header *header = &head->headers[i];
        if (header->name.length == 6 && strncasecmp((const char *)header->name.data, "Cookie", 6) == 0) {
            token = request_part_find(header->value, ';', NAME);
        }
    }
    return token;
}

/* -- its letters -- */

static int value_of(uint8_t letter) {
    return letter >= 'A' && letter <= 'Z'   ? letter - 'A'
           : letter >= 'a' && letter <= 'z' ? letter - 'a' + 26
           : letter >= '0' && letter <= '9' ? letter - '0' + 52
           : letter == '-'                  ? 62
           : letter == '_'                  ? 63
                                            : -1;
}

/* Bytes written to `out`, which has room for 3/4 of the letters; or -EBADMSG. There is one way to write some bytes. */
static ssize_t decode(struct daffi_span letters, uint8_t *out) {
    uint32_t bits = 0;
    unsigned kept = 0;
    size_t count = 0;
    for (size_t i = 0; i < letters.length; i++) {
        int value = value_of(letters.data[i]);
        if (value < 0) {
            return -EBADMSG;
        }
        bits = (bits << 6 | (uint32_t)value) & 0xFFFF;
        kept += 6;
        if (kept >= 8) {
            kept -= 8;
            out[count++] = (uint8_t)(bits >> kept);
        }
    }
    bool is_clean = letters.length % 4 != 1 && (bits & ((1U << kept) - 1)) == 0;
    return is_clean ? (ssize_t)count : -EBADMSG;
}

static bool is_signed(char *const *secrets, size_t count, struct daffi_span text,
                      const uint8_t signature[SIGNATURE_BYTES]) {
    int found = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t own[EVP_MAX_MD_SIZE];
        unsigned length = 0;
        if (HMAC(EVP_sha256(), secrets[i], (int)strlen(secrets[i]), text.data, text.length, own, &length) !=
                NULL &&
            length == SIGNATURE_BYTES) {
            found |= CRYPTO_memcmp(own, signature, SIGNATURE_BYTES) == 0;
        }
    }
    return found != 0;
}

/* -- its claims -- */

/* 0, -EINVAL or -ENOMEM. */
static int add_pattern(struct config_patterns *patterns, const json_t *value) {
    const char *text = json_string_value(value);
    return text == NULL || !config_pattern_is_sound(text) ? -EINVAL : config_patterns_add(patterns, text);
}

static int take_functions(struct config_patterns *patterns, const json_t *list) {
    int status = json_is_array(list) && json_array_size(list) <= CONFIG_PATTERNS_MAX ? 0 : -EINVAL;
    patterns->is_given = true;
    for (size_t i = 0; i < json_array_size(list) && status == 0; i++) {
        status = add_pattern(patterns, json_array_get(list, i));
    }
    return status;
}

static int take_claim(struct auth_grant *grant, const char *key, const json_t *value) {
    if (strcmp(key, "exp") == 0) {
        json_int_t expires = json_integer_value(value);
        grant->expires = expires < 0 ? 0 : (uint64_t)expires;
        return expires > 0 ? 0 : -EINVAL;
    }
    if (strcmp(key, "name") == 0) {
        return add_pattern(&grant->policy.allow_names, value);
    }
    if (strcmp(key, "functions") == 0) {
        return take_functions(&grant->policy.allow_functions, value);
    }
    if (strcmp(key, "upstream") == 0 && json_is_string(value) &&
        config_name_is_sound(json_string_value(value))) {
        memcpy(grant->upstream, json_string_value(value), json_string_length(value) + 1);
        return 0;
    }
    return -EINVAL;
}

#define CLAIMS "the token's claims can't be taken: "

/* What a claim that was not taken should have been. */
static const char *wanted_of(const char *key) {
    static const struct {
        const char *key, *text;
    } wanted[] = {
        {"exp", CLAIMS "exp has to be a whole number of seconds since 1970"},
        {"name", CLAIMS "name has to be a name or a pattern"},
        {"functions", CLAIMS "functions has to be a list of names and patterns"},
        {"upstream", CLAIMS "upstream has to be the name of one"},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (strcmp(key, wanted[i].key) == 0) {
            return wanted[i].text;
        }
    }
    return CLAIMS "exp, and name, functions and upstream, are known, and no others";
}

static int take_claims(struct auth_grant *grant, json_t *claims, const char **ret_text) {
    const char *key;
    json_t *value;
    if (!json_is_object(claims)) {
        *ret_text = CLAIMS "one JSON object without duplicate keys is expected";
        return -EINVAL;
    }
    json_object_foreach(claims, key, value) {
        int status = take_claim(grant, key, value);
        if (status < 0) {
            *ret_text = wanted_of(key);
            return status;
        }
    }
    if (grant->expires == 0) {
        *ret_text = CLAIMS "exp is missing";
        return -EINVAL;
    }
    return 0;
}

static int refuse(struct auth_grant *grant, int status, const char *text, const char **ret_text) {
    auth_grant_free(grant);
    if (status == -ENOMEM) {
        return -ENOMEM;
    }
    *ret_text = text;
    return -EACCES;
}

int auth_read_token(char *const *secrets, size_t secrets_count, struct daffi_span token, uint64_t now,
                    struct auth_grant **ret_grant, const char **ret_text) {
    uint8_t signature[SIGNATURE_BYTES + 1], bytes[AUTH_TOKEN_MAX];
    if (token.length == 0) {
        return refuse(NULL, -EACCES, "a token is needed here: give daffi.js one by options.token", ret_text);
    }
    const uint8_t *dot = memchr(token.data, '.', token.length);
    size_t length = dot == NULL ? 0 : (size_t)(dot - token.data);
    if (token.length > AUTH_TOKEN_MAX || dot == NULL || token.length - length - 1 != SIGNATURE_LETTERS ||
        decode(daffi_span_of(dot + 1, SIGNATURE_LETTERS), signature) != SIGNATURE_BYTES) {
        return refuse(NULL, -EACCES, "the token is none: CLAIMS.SIGNATURE, both in base64url, is expected",
                      ret_text);
    }
    const struct daffi_span text = daffi_span_of(token.data, length);
    if (!is_signed(secrets, secrets_count, text, signature)) {
        return refuse(NULL, -EACCES, "the token is not signed by a secret of this bridge", ret_text);
    }
    struct auth_grant *grant = calloc(1, sizeof *grant);
    ssize_t count = decode(text, bytes);
    json_t *claims =
        count < 0 ? NULL : json_loadb((const char *)bytes, (size_t)count, JSON_REJECT_DUPLICATES, NULL);
    const char *wrong = NULL;
    int status = grant == NULL ? -ENOMEM : take_claims(grant, claims, &wrong);
    json_decref(claims);
    if (status < 0) {
        return refuse(grant, status, wrong, ret_text);
    }
    if (grant->expires <= now) {
        return refuse(grant, -EACCES, "the token has expired", ret_text);
    }
    grant->lasts_ms = (grant->expires - now < LASTS_MAX ? grant->expires - now : LASTS_MAX) * 1000;
    *ret_grant = grant;
    return 0;
}

void auth_grant_free(struct auth_grant *grant) {
    if (grant != NULL) {
        config_policy_clear(&grant->policy);
        free(grant);
    }
}
