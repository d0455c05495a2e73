/* What payload.c asks of the readers of its two serdes. Not a header of the core's users. */
#ifndef DAFFI_PAYLOAD_INTERNAL_H
#define DAFFI_PAYLOAD_INTERNAL_H

#include "daffi/payload.h"
#include "daffi/utf8.h"

/* Both: 0, or -EBADMSG with *ret_fault; `nesting` as in daffi_payload_check. */
int daffi_payload_json_check(struct daffi_span payload, enum daffi_flag flag, unsigned nesting,
                             struct daffi_fault *ret_fault);
int daffi_payload_msgpack_check(struct daffi_span payload, enum daffi_flag flag, unsigned nesting,
                                struct daffi_fault *ret_fault);

#endif
