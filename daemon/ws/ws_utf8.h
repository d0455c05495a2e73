/* UTF-8 as it arrives: refuses a text at its first wrong byte, wherever fragments and reads cut it.    (RFC 3629) */
#ifndef WS_UTF8_H
#define WS_UTF8_H

#include "daffi/span.h"

/* All zero at the start of a text; `left` is 0 where it may end. */
struct ws_utf8 {
    uint8_t left;      /* bytes that the character begun lacks */
    uint8_t low, high; /* bounds of the next of them */
};

/* Takes more of the text: false when it can't become UTF-8 any more. */
bool ws_utf8_take(struct ws_utf8 *utf8, struct daffi_span text);

#endif
