#include "dev/terminal/dev_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "daffi/utf8.h"

/* Of a whole character.                                                                            (RFC 3629) */
static uint32_t code_of(const uint8_t *bytes, size_t size) {
    uint32_t code = size == 1 ? bytes[0] : bytes[0] & (0x7fU >> size);
    for (size_t i = 1; i < size; i++) {
        code = code << 6 | (bytes[i] & 0x3fU);
    }
    return code;
}

static bool is_shown(uint32_t code) {
    bool is_control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    bool reorders = code == 0x61c || code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
                    (code >= 0x2066 && code <= 0x2069);
    bool breaks = code == 0x2028 || code == 0x2029;
    return !is_control && !reorders && !breaks;
}

/* The length of a sequence that chooses colours, as programs print them where they think that this is a terminal; 0: there
 * is none.                                                                                    (ECMA-48, 8.3.117: SGR) */
static size_t colours_at(const uint8_t *bytes, size_t length) {
    size_t at = 2;
    if (length < 3 || bytes[0] != 0x1b || bytes[1] != '[') {
        return 0;
    }
    while (at < length && ((bytes[at] >= '0' && bytes[at] <= '9') || bytes[at] == ';' || bytes[at] == ':')) {
        at++;
    }
    return at < length && bytes[at] == 'm' ? at + 1 : 0;
}

size_t dev_text_show(const char *text, size_t length, char *out, size_t capacity) {
    const uint8_t *bytes = (const uint8_t *)text;
    size_t written = 0;
    for (size_t at = 0; at < length;) {
        const size_t colours = colours_at(bytes + at, length - at);
        if (colours > 0) {
            at += colours;
            continue;
        }
        size_t size = daffi_utf8_character(daffi_span_of(bytes + at, length - at));
        uint32_t code = size > 0 ? code_of(bytes + at, size) : 0;
        bool shown = size > 0 && is_shown(code);
        size_t needed = shown ? size : 1;
        if (written + needed >= capacity) {
            break;
        }
        if (shown) {
            memcpy(out + written, text + at, size);
        } else {
            out[written] = size == 1 && (code == '\t' || code == '\n') ? ' ' : '?';
        }
        written += needed;
        at += size > 0 ? size : 1;
    }
    out[written] = '\0';
    return written;
}
