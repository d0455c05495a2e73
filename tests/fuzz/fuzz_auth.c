/* Tokens: whatever comes gets one verdict, as it stands and, so that claims are reached, signed by us. */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/guard/auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char secret[] = "0123456789abcdef0123456789abcdef";
static char *const secrets[] = {secret};

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void encode(const uint8_t *bytes, size_t length, char *out) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    unsigned kept = 0;
    for (size_t i = 0; i < length; i++) {
        bits = bits << 8 | bytes[i];
        for (kept += 8; kept >= 6; kept -= 6) {
            *out++ = letters[bits >> (kept - 6) & 63];
        }
    }
    if (kept > 0) {
        *out++ = letters[bits << (6 - kept) & 63];
    }
    *out = '\0';
}

static int read_token(const void *bytes, size_t length) {
    struct auth_grant *grant = NULL;
    const char *text = NULL;
    int status = auth_read_token(secrets, 1, daffi_span_of(bytes, length), 1000, &grant, &text);
    require(status == 0 ? grant != NULL && grant->expires > 1000 : status == -EACCES && text != NULL);
    auth_grant_free(grant);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char token[8192];
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned mac_length = 0;
    require(read_token(data, size) == -EACCES); /* nobody guesses a signature */
    if (size > 4096) {
        return 0;
    }
    encode(data, size, token);
    size_t length = strlen(token);
    require(HMAC(EVP_sha256(), secret, (int)strlen(secret), (const uint8_t *)token, length, mac,
                 &mac_length) != NULL);
    token[length] = '.';
    encode(mac, mac_length, token + length + 1);
    (void)read_token(token, strlen(token));
    return 0;
}
