/* What a worker's ERROR says, whatever serde it came in.                (protocol.md, "Payloads")
 * The PICKLE form is read, never executed: a bounded scan takes its first three strings. */
#ifndef DAFFI_REMOTE_ERROR_H
#define DAFFI_REMOTE_ERROR_H

#include "daffi/message.h"

/* The three strings, borrowed from the payload (PICKLE, OPAQUE). UTF-8, in which Python lets halves of
 * surrogate pairs pass: whoever hands them on replaces what is no UTF-8, as daffi_remote_error_to_json does. */
struct daffi_remote_error {
    struct daffi_span type, module, text;
};

/* Reads (((type, module, text, ...),), {}) from a pickle of protocol 2 to 5, with or without a traceback
 * object behind; a module that is None is empty.
 * 0; -EBADMSG with *ret_fault when the first three strings can't be found. */
int daffi_remote_error_from_pickle(struct daffi_span payload, struct daffi_remote_error *ret_error,
                                   struct daffi_fault *ret_fault);

/* Writes the ERROR payload that callers of every serde understand:
 * {"args": [[type, module, text, null]], "kwargs": {}} with JSON escapes; invalid UTF-8 becomes U+FFFD.
 * Returns the bytes that the text needs. Where that is more than `capacity` nothing is written, not a part of it. */
size_t daffi_remote_error_to_json(const struct daffi_remote_error *error, char *out, size_t capacity);

#endif
