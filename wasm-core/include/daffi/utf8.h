/* UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing past U+10FFFF.
 * What is accepted here is what Python's bytes.decode("utf-8") accepts. Allocation-free. */
#ifndef DAFFI_UTF8_H
#define DAFFI_UTF8_H

#include "daffi/span.h"

/* Bytes of the character at the front of `text`: 1 to 4; 0 when there is none, be it that a byte is wrong
 * or that `text` ends within it. */
size_t daffi_utf8_character(struct daffi_span text);

/* 0, or -EBADMSG with ret_fault->offset at the first byte of what is no character. */
int daffi_utf8_check(struct daffi_span text, struct daffi_fault *ret_fault);

#endif
