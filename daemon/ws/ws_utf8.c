#include "ws/ws_utf8.h"

static bool begin_character(struct ws_utf8 *utf8, uint8_t byte) {
    utf8->low = 0x80;
    utf8->high = 0xbf;
    if (byte < 0x80) {
        utf8->left = 0;
    } else if (byte >= 0xc2 && byte <= 0xdf) {
        utf8->left = 1;
    } else if (byte >= 0xe0 && byte <= 0xef) {
        utf8->left = 2;
        utf8->low = byte == 0xe0 ? 0xa0 : 0x80;  /* no overlong forms */
        utf8->high = byte == 0xed ? 0x9f : 0xbf; /* no surrogates */
    } else if (byte >= 0xf0 && byte <= 0xf4) {
        utf8->left = 3;
        utf8->low = byte == 0xf0 ? 0x90 : 0x80;
        utf8->high = byte == 0xf4 ? 0x8f : 0xbf; /* nothing past U+10FFFF */
    } else {
        return false;
    }
    return true;
}

/* Bytes at the front that are ASCII, by words. */
static size_t skip_ascii(const uint8_t *text, size_t length) {
    size_t i = 0;
    for (; length - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text + i, sizeof word);
        if ((word & UINT64_C(0x8080808080808080)) != 0) {
            break;
        }
    }
    return i;
}

bool ws_utf8_take(struct ws_utf8 *utf8, struct daffi_span text) {
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];
        if (utf8->left > 0) {
            if (byte < utf8->low || byte > utf8->high) {
                return false;
            }
            utf8->left--;
            utf8->low = 0x80;
            utf8->high = 0xbf;
        } else if (!begin_character(utf8, byte)) {
            return false;
        } else if (utf8->left == 0) {
            i += skip_ascii(text.data + i + 1, text.length - i - 1);
        }
    }
    return true;
}
