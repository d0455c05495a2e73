/* Tokens, as a table: where one may stand, how it is written and signed, how long it holds, and what it says. */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/guard/auth.h"
#include "bridge/guard/policy.h"

enum { NOW = 1000, TOKEN_MAX = 2 * AUTH_TOKEN_MAX };

static char old_secret[] = "old-secret-old-secret-old-secret",
            new_secret[] = "new-secret-new-secret-new-secret";
static char *const secrets[] = {new_secret, old_secret};

static size_t comparisons;

int __real_CRYPTO_memcmp(const void *a, const void *b, size_t length);
int __wrap_CRYPTO_memcmp(const void *a, const void *b, size_t length);

int __wrap_CRYPTO_memcmp(const void *a, const void *b, size_t length) {
    assert_int_equal(length, 32); /* all of a signature, whatever its first bytes are */
    comparisons++;
    return __real_CRYPTO_memcmp(a, b, length);
}

static size_t encode(const void *bytes, size_t length, char *out) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    unsigned kept = 0;
    char *at = out;
    for (size_t i = 0; i < length; i++) {
        bits = bits << 8 | ((const uint8_t *)bytes)[i];
        for (kept += 8; kept >= 6; kept -= 6) {
            *at++ = letters[bits >> (kept - 6) & 63];
        }
    }
    if (kept > 0) {
        *at++ = letters[bits << (6 - kept) & 63];
    }
    *at = '\0';
    return (size_t)(at - out);
}

/* CLAIMS.SIGNATURE of text that is in base64url already. */
static const char *sign(const char *text, const char *secret) {
    static char token[TOKEN_MAX];
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    assert_non_null(
        HMAC(EVP_sha256(), secret, (int)strlen(secret), (const uint8_t *)text, strlen(text), mac, &length));
    int used = snprintf(token, sizeof token, "%s.", text);
    encode(mac, length, token + used);
    return token;
}

static const char *token_of(const char *claims, const char *secret) {
    static char text[TOKEN_MAX];
    encode(claims, strlen(claims), text);
    return sign(text, secret);
}

static int read_with(char *const *known, size_t count, const char *token, uint64_t now,
                     struct auth_grant **ret_grant, const char **ret_text) {
    return auth_read_token(known, count, daffi_span_text(token), now, ret_grant, ret_text);
}

static void assert_taken(const char *token, uint64_t now) {
    struct auth_grant *grant = NULL;
    const char *text = NULL;
    if (read_with(secrets, 2, token, now, &grant, &text) != 0) {
        fail_msg("%s: %s", token, text);
    }
    auth_grant_free(grant);
}

static void assert_refused(const char *token, uint64_t now, const char *part) {
    struct auth_grant *grant = NULL;
    const char *text = NULL;
    assert_int_equal(read_with(secrets, 2, token, now, &grant, &text), -EACCES);
    assert_null(grant);
    if (strstr(text, part) == NULL) {
        fail_msg("%s: %s", token, text);
    }
}

static void it_holds_until_it_expires(void **state) {
    (void)state;
    static const struct {
        const char *claims;
        uint64_t now;
        const char *refused; /* NULL: it holds */
        uint64_t lasts_ms;
    } rows[] = {
        {"{\"exp\": 1001}", NOW, NULL, 1000},
        {"{\"exp\": 1000}", NOW, "expired", 0},
        {"{\"exp\": 999}", NOW, "expired", 0},
        {"{\"exp\": 1}", NOW, "expired", 0},
        {"{\"exp\": 4102444800}", NOW, NULL, (1ULL << 30) * 1000},
        {"{\"exp\": 9223372036854775807}", NOW, NULL, (1ULL << 30) * 1000},
        {"{\"exp\": 9223372036854775807}", INT64_MAX, "expired", 0},
        {"{\"exp\": 9223372036854775807}", UINT64_MAX, "expired", 0},
        {"{\"exp\": 9223372036854775808}", NOW, "claims can't be taken: one JSON object", 0},
        {"{\"exp\": 0}", NOW, "exp has to be a whole number of seconds", 0},
        {"{\"exp\": -1}", NOW, "exp has to be a whole number of seconds", 0},
        {"{\"exp\": 1001.5}", NOW, "exp has to be a whole number of seconds", 0},
        {"{\"exp\": \"1001\"}", NOW, "exp has to be a whole number of seconds", 0},
        {"{\"exp\": null}", NOW, "exp has to be a whole number of seconds", 0},
        {"{\"exp\": true}", NOW, "exp has to be a whole number of seconds", 0},
        {"{}", NOW, "exp is missing", 0},
        {"{\"name\": \"a\"}", NOW, "exp is missing", 0},
        {"{\"exp\": 1001, \"exp\": 2001}", NOW, "without duplicate keys", 0},
        {"[1001]", NOW, "one JSON object", 0},
        {"1001", NOW, "one JSON object", 0},
        {"", NOW, "one JSON object", 0},
        {"{\"exp\": 1001", NOW, "one JSON object", 0},
        {"{\"exp\": 1001} x", NOW, "one JSON object", 0},
        {"{\"exp\": 1001, \"admin\": true}", NOW, "exp, and name, functions and upstream, are known", 0},
        {"{\"exp\": 1001, \"nbf\": 5}", NOW, "exp, and name, functions and upstream, are known", 0},
        {"{\"exp\": 1001, \"name\": \"\"}", NOW, "name has to be", 0},
        {"{\"exp\": 1001, \"name\": 1}", NOW, "name has to be", 0},
        {"{\"exp\": 1001, \"functions\": \"add\"}", NOW, "functions has to be", 0},
        {"{\"exp\": 1001, \"functions\": [\"add\", 1]}", NOW, "functions has to be", 0},
        {"{\"exp\": 1001, \"upstream\": \"a/b\"}", NOW, "upstream has to be", 0},
        {"{\"exp\": 1001, \"upstream\": \"\"}", NOW, "upstream has to be", 0},
        {"{\"exp\": 1001, \"functions\": []}", NOW, NULL, 1000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct auth_grant *grant = NULL;
        const char *text = "";
        int status = read_with(secrets, 2, token_of(rows[i].claims, new_secret), rows[i].now, &grant, &text);
        bool is_right = rows[i].refused == NULL
                            ? status == 0 && grant->lasts_ms == rows[i].lasts_ms
                            : status == -EACCES && grant == NULL && strstr(text, rows[i].refused) != NULL;
        if (!is_right) {
            fail_msg("%s at %llu: %d, %s", rows[i].claims, (unsigned long long)rows[i].now, status, text);
        }
        auth_grant_free(grant);
    }
}

static void a_secret_signs_as_long_as_it_is_known(void **state) {
    (void)state;
    static const struct {
        const char *signer;
        size_t first, count; /* of the secrets that are known */
        bool holds;
    } rows[] = {
        {new_secret, 0, 2, true},
        {old_secret, 0, 2, true},
        {old_secret, 0, 1, false},
        {new_secret, 1, 1, false},
        {old_secret, 1, 1, true},
        {new_secret, 0, 1, true},
        {new_secret, 0, 0, false},
        {"", 0, 2, false},
        {"new-secret-new-secret-new-secre", 0, 2, false},
        {"new-secret-new-secret-new-secret2", 0, 2, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct auth_grant *grant = NULL;
        const char *text = NULL;
        int status = read_with(secrets + rows[i].first, rows[i].count,
                               token_of("{\"exp\": 2000}", rows[i].signer), NOW, &grant, &text);
        assert_int_equal(status, rows[i].holds ? 0 : -EACCES);
        auth_grant_free(grant);
    }
}

static void any_bit_of_it_counts(void **state) {
    (void)state;
    char token[TOKEN_MAX];
    snprintf(token, sizeof token, "%s", token_of("{\"exp\": 2000}", new_secret));
    assert_taken(token, NOW);
    for (size_t i = 0; token[i] != '\0'; i++) {
        char letter = token[i];
        for (unsigned bit = 0; bit < 7; bit++) {
            token[i] = (char)(letter ^ (1 << bit));
            if (token[i] != '\0') {
                assert_refused(token, NOW, "token");
            }
        }
        token[i] = letter;
    }
}

/* As many comparisons for a good signature as for a bad one, of one secret as of another. */
static void all_of_a_signature_is_compared_with_each_secret(void **state) {
    (void)state;
    struct auth_grant *grant = NULL;
    const char *text = NULL;
    static const char *const signers[] = {new_secret, old_secret, "somebody else's secret, of no use"};
    for (size_t i = 0; i < 3; i++) {
        comparisons = 0;
        (void)read_with(secrets, 2, token_of("{\"exp\": 2000}", signers[i]), NOW, &grant, &text);
        assert_int_equal(comparisons, 2);
        auth_grant_free(grant);
        grant = NULL;
    }
}

static void one_way_to_write_it(void **state) {
    (void)state;
    char long_token[AUTH_TOKEN_MAX + 2];
    static const char claims[] =
        "{\"exp\": 2000}"; /* 13 bytes: 18 letters, of the last one 4 bits are used */
    char text[64], altered[64];
    assert_int_equal(encode(claims, strlen(claims), text), 18);
    assert_taken(sign(text, new_secret), NOW);
    static const char *const ends[] = {"=", "==", "A", "AA", " ", "\n", "+", "/", "%3D"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(altered, sizeof altered, "%s%s", text, ends[i]);
        assert_refused(sign(altered, new_secret), NOW, "claims"); /* signed, and yet no claims */
    }
    snprintf(altered, sizeof altered, "%s", text);
    altered[17]++; /* bits that say nothing */
    assert_refused(sign(altered, new_secret), NOW, "claims");
    altered[17] = '\0';
    assert_refused(sign(altered, new_secret), NOW, "claims");
    static const char *const none[] = {".", "a", "a.", ".a", "..", "a.b", "a.b.c"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_refused(none[i], NOW, "CLAIMS.SIGNATURE");
    }
    assert_refused("", NOW, "a token is needed");
    char good[TOKEN_MAX];
    snprintf(good, sizeof good, "%s", token_of(claims, new_secret));
    size_t length = strlen(good);
    good[length - 1] = '\0';
    assert_refused(good, NOW, "CLAIMS.SIGNATURE");
    snprintf(good, sizeof good, "%s=", token_of(claims, new_secret));
    assert_refused(good, NOW, "CLAIMS.SIGNATURE");
    snprintf(good, sizeof good, "%s.x", token_of(claims, new_secret));
    assert_refused(good, NOW, "CLAIMS.SIGNATURE");
    memset(long_token, 'A', sizeof long_token);
    long_token[100] = '.';
    long_token[sizeof long_token - 1] = '\0';
    assert_refused(long_token, NOW, "CLAIMS.SIGNATURE");
}

static void what_it_says_narrows(void **state) {
    (void)state;
    struct auth_grant *grant = NULL;
    const char *text = NULL;
    struct policy policy = {0};
    const char *token = token_of("{\"exp\": 2000, \"name\": \"alice-*\", \"functions\": [\"add\", \"e*\"], "
                                 "\"upstream\": \"main\"}",
                                 old_secret);
    assert_int_equal(read_with(secrets, 2, token, NOW, &grant, &text), 0);
    policy_add(&policy, &grant->policy);
    assert_string_equal(grant->upstream, "main");
    assert_int_equal(grant->expires, 2000);
    assert_true(policy_allows_name(&policy, daffi_span_text("alice-1")));
    assert_false(policy_allows_name(&policy, daffi_span_text("bob")));
    assert_true(policy_allows_function(&policy, daffi_span_text("echo")));
    assert_false(policy_allows_function(&policy, daffi_span_text("stop")));
    assert_false(policy_may_expose(&policy, daffi_span_text("add")));
    assert_false(policy_takes_pickle(&policy));
    auth_grant_free(grant);
    auth_grant_free(NULL);
}

/* The token of a request whose target is `target` with these fields; empty: none. */
static struct daffi_span found(const char *target, const char *fields) {
    static char text[1024];
    static struct request_head head; /* borrows `text` */
    static const struct request_limits limits = {.head_bytes = sizeof text, .headers = 20};
    struct request_refusal refusal;
    size_t size;
    int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", target, fields);
    assert_int_equal(request_head_parse(daffi_span_of(text, (size_t)length), &limits, &head, &size, &refusal),
                     0);
    return auth_find_token(&head);
}

static void where_it_may_stand(void **state) {
    (void)state;
    static const struct {
        const char *target, *fields, *token; /* NULL: none */
    } rows[] = {
        {"/", "", NULL},
        {"/?daffi-token=q", "", "q"},
        {"/main?a=b&daffi-token=q&c=d", "", "q"},
        {"/?daffi-token=q&daffi-token=r", "", "q"},
        {"/?daffi-token=", "", ""},
        {"/?daffi-tokens=q", "", NULL},
        {"/?xdaffi-token=q", "", NULL},
        {"/?a=daffi-token=q", "", NULL},
        {"/daffi-token=q", "", NULL},
        {"/", "Cookie: daffi-token=c\r\n", "c"},
        {"/", "cookie: a=b; daffi-token=c; d=e\r\n", "c"},
        {"/", "Cookie: a=b;daffi-token=c\r\n", "c"},
        {"/", "Cookie: a=b\r\nCookie: daffi-token=c\r\n", "c"},
        {"/", "Cookie: xdaffi-token=c\r\n", NULL},
        {"/", "Cookie: a=\"daffi-token=c\"\r\n", NULL},
        {"/", "Cookie: Daffi-Token=c\r\n", NULL},
        {"/", "Cookies: daffi-token=c\r\n", NULL},
        {"/", "Cookie: ;;; ;daffi-token=c;;\r\n", "c"},
        {"/", "Cookie:\r\n", NULL},
        {"/", "Authorization: Bearer h\r\n", "h"},
        {"/", "authorization: bEARER h\r\n", "h"},
        {"/", "Authorization: Basic h\r\n", NULL},
        {"/", "Authorization: Bearer\r\n", NULL},
        {"/", "Authorization: Bearerh\r\n", NULL},
        {"/?daffi-token=q", "Cookie: daffi-token=c\r\nAuthorization: Bearer h\r\n", "h"},
        {"/?daffi-token=q", "Cookie: daffi-token=c\r\n", "q"},
        {"/?daffi-token=q", "Authorization: Basic h\r\n", "q"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct daffi_span token = found(rows[i].target, rows[i].fields);
        bool is_right = rows[i].token == NULL
                            ? token.data == NULL
                            : token.data != NULL && daffi_span_equal(token, daffi_span_text(rows[i].token));
        if (!is_right) {
            fail_msg("%s %s: \"%.*s\"", rows[i].target, rows[i].fields, (int)token.length,
                     token.data == NULL ? "" : (const char *)token.data);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_holds_until_it_expires),
        cmocka_unit_test(a_secret_signs_as_long_as_it_is_known),
        cmocka_unit_test(any_bit_of_it_counts),
        cmocka_unit_test(all_of_a_signature_is_compared_with_each_secret),
        cmocka_unit_test(one_way_to_write_it),
        cmocka_unit_test(what_it_says_narrows),
        cmocka_unit_test(where_it_may_stand),
    };
    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
