/* What a browser offers of TLS 1.3's cipher suites, in its order, so that each server takes what it would take for one (Chromium's
 * and Firefox's first is the same; OpenSSL's own default begins with AES-256). */
#ifndef BROWSER_TLS_H
#define BROWSER_TLS_H

static const char browser_ciphersuites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

#endif
