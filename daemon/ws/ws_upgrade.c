#include "ws/ws_upgrade.h"

#include <errno.h>
#include <openssl/evp.h>

enum {
    KEY_LENGTH = 24, /* base64 of 16 bytes: 22 digits and two pads */
    KEY_DIGITS = 22,
    SHA1_BYTES = 20,
};

static const char accept_suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

bool ws_upgrade_is_asked(const struct request_head *head) {
    return request_head_has_token(head, "Upgrade", "websocket");
}

static int refuse(struct request_refusal *ret_refusal, int status, const char *text) {
    *ret_refusal = (struct request_refusal){.status = status, .text = text};
    return -EPROTO;
}

static bool is_key(struct daffi_span key) {
    if (key.length != KEY_LENGTH || memcmp(key.data + KEY_DIGITS, "==", 2) != 0) {
        return false;
    }
    for (size_t i = 0; i < KEY_DIGITS; i++) {
        uint8_t c = key.data[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
              c == '/')) {
            return false;
        }
    }
    return true;
}

static int compute_accept(struct daffi_span key, char ret_accept[WS_ACCEPT_MAX]) {
    uint8_t text[KEY_LENGTH + sizeof accept_suffix - 1];
    uint8_t digest[SHA1_BYTES];
    memcpy(text, key.data, KEY_LENGTH);
    memcpy(text + KEY_LENGTH, accept_suffix, sizeof accept_suffix - 1);
    if (EVP_Digest(text, sizeof text, digest, NULL, EVP_sha1(), NULL) != 1) {
        return -EIO;
    }
    EVP_EncodeBlock((unsigned char *)ret_accept, digest, sizeof digest);
    return 0;
}

int ws_upgrade_check(const struct request_head *head, char ret_accept[WS_ACCEPT_MAX],
                     struct request_refusal *ret_refusal) {
    if (head->method != REQUEST_GET || head->minor_version != 1) {
        return refuse(ret_refusal, 400, "an upgrade to WebSocket must be a GET of HTTP/1.1");
    }
    if (!ws_upgrade_is_asked(head)) {
        return refuse(ret_refusal, 400, "an upgrade to WebSocket needs `Upgrade: websocket`");
    }
    if (!request_head_has_token(head, "Connection", "upgrade")) {
        return refuse(ret_refusal, 400, "an upgrade to WebSocket needs `Connection: Upgrade`");
    }
    if (!daffi_span_equal(request_head_find(head, "Sec-WebSocket-Version"), daffi_span_text("13"))) {
        return refuse(ret_refusal, 426,
                      "this WebSocket version is not spoken: `Sec-WebSocket-Version: 13` is");
    }
    struct daffi_span key = request_head_find(head, "Sec-WebSocket-Key");
    if (!is_key(key)) {
        return refuse(ret_refusal, 400,
                      "an upgrade to WebSocket needs one Sec-WebSocket-Key, 16 bytes in base64");
    }
    if (compute_accept(key, ret_accept) < 0) {
        return refuse(ret_refusal, 500, "the bridge could not compute Sec-WebSocket-Accept");
    }
    return 0;
}
