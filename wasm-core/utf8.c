/* UTF-8, a character at a time where it is not ASCII and a word at a time where it is. */
#include "daffi/utf8.h"

#include <errno.h>
#include <string.h>

enum { ASCII_STRIDE = 32 };

size_t daffi_utf8_character(struct daffi_span text) {
    if (text.length == 0)
        return 0;
    const uint8_t lead = text.data[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4) /* a continuation, an overlong pair, past U+10FFFF */
        return 0;
    const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (text.length < length)
        return 0;
    /* Only the second byte's range depends on the lead (RFC 3629, section 4). */
    const uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (text.data[1] < low || text.data[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((text.data[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

/* Without an exit inside, compilers turn the loop into one vector operation. */
static bool stride_is_ascii(const uint8_t *at) {
    uint8_t all = 0;
    for (size_t i = 0; i < ASCII_STRIDE; i++)
        all |= at[i];
    return all < 0x80;
}

/* How many bytes from `at` on are ASCII, as far as that is known by whole words. */
static size_t ascii_words(const uint8_t *at, size_t length) {
    uint64_t word;
    size_t done = 0;
    for (; length - done >= sizeof word; done += sizeof word) {
        memcpy(&word, at + done, sizeof word);
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    return done;
}

int daffi_utf8_check(struct daffi_span text, struct daffi_fault *ret_fault) {
    size_t at = 0;
    while (at < text.length) {
        if (text.length - at >= ASCII_STRIDE && stride_is_ascii(text.data + at)) {
            at += ASCII_STRIDE;
            continue;
        }
        /* Text that is not ASCII mostly stays so for a while: don't look for a stride after each character. */
        const size_t end = text.length - at < ASCII_STRIDE ? text.length : at + ASCII_STRIDE;
        at += ascii_words(text.data + at, end - at); /* names are short, and mostly ASCII */
        while (at < end) {
            if (text.data[at] < 0x80) {
                at++;
                continue;
            }
            const size_t length = daffi_utf8_character(daffi_span_of(text.data + at, text.length - at));
            if (length == 0) {
                *ret_fault = (struct daffi_fault){"text is not UTF-8 (RFC 3629)", at};
                return -EBADMSG;
            }
            at += length;
        }
    }
    return 0;
}
