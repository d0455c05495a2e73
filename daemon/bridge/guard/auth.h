/* Who may come in: tokens, signed by a secret that the bridge shares with whoever gives them out. Pure: no clock, no log.
 *
 *   TOKEN = BASE64URL(CLAIMS) "." BASE64URL(HMAC-SHA256(secret, BASE64URL(CLAIMS)))      (RFC 4648, 5, without padding)
 *   CLAIMS = {"exp": SECONDS, "name": PATTERN, "functions": [PATTERN, ...], "upstream": NAME}
 *
 * `exp` is the second, since 1970, from which it is worth nothing; it must be there, the others may. `name`: what the page
 * may be called; `functions`: what it may call, besides what the policies say; `upstream`: where. An unknown claim makes
 * the token worth nothing: it may have been meant to forbid something. */
#ifndef AUTH_H
#define AUTH_H

#include "config/config.h"
#include "http/request_head.h"

enum {
    AUTH_TOKEN_MAX = 8192, /* bytes of a token */
    AUTH_TEXT_MAX = 64,    /* bytes of an upstream's name */
};

/* What a token says. Freed by auth_grant_free. */
struct auth_grant {
    struct config_policy policy;      /* of its bearer, besides all others */
    char upstream[AUTH_TEXT_MAX + 1]; /* empty: any */
    uint64_t expires;                 /* s since 1970 */
    uint64_t lasts_ms;                /* from `now` until then */
};

/* The token of a request: of Authorization: Bearer, of the query's daffi-token, or of the cookie daffi-token, the first
 * that is there. NULL data: none. */
struct daffi_span auth_find_token(const struct request_head *head);

/* Whether it is signed by one of the secrets, and holds at `now` (s since 1970). The signature is looked at first, all of
 * it and with each secret. 0 and *ret_grant; -EACCES and *ret_text, a sentence that tells nothing of the token; -ENOMEM. */
int auth_read_token(char *const *secrets, size_t secrets_count, struct daffi_span token, uint64_t now,
                    struct auth_grant **ret_grant, const char **ret_text);

void auth_grant_free(struct auth_grant *grant); /* NULL-safe */

#endif
