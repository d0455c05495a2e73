/* What handshakes and events share: JSON read by jansson, with the bounds that a peer's JSON has. */
#ifndef DAFFI_JSON_READ_H
#define DAFFI_JSON_READ_H

#include <jansson.h>

#include "daffi/span.h"

/* Parses `json` as one object without duplicate keys. NULL with *ret_fault, or, out of memory, with ret_fault->text NULL. */
json_t *json_read_object(struct daffi_span json, size_t bytes_max, struct daffi_fault *ret_fault);

/* -EBADMSG with that sentence in *ret_fault. */
int json_refuse(struct daffi_fault *ret_fault, const char *text);

/* A JSON string as a span; NULL data where it is none. */
struct daffi_span json_read_text(const json_t *value);

#endif
