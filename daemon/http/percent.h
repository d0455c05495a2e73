/* Percent-encoded bytes.                                                                          (RFC 3986, 2.1) */
#ifndef PERCENT_H
#define PERCENT_H

#include "daffi/span.h"

/* The byte, 0 to 255, that stands encoded at `at`, which is in `text`; -1 where no '%' with two hexadecimal digits does. */
int percent_decode(struct daffi_span text, size_t at);

#endif
