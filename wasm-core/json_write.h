/* JSON as the core writes it: handshakes, events, errors. Counted first, then written into a buffer that has room. */
#ifndef DAFFI_JSON_WRITE_H
#define DAFFI_JSON_WRITE_H

#include "daffi/span.h"

struct json_writer {
    char *out;     /* NULL: only count */
    size_t length; /* written so far */
};

void json_write_text(struct json_writer *writer, const char *text); /* as it is */

/* A JSON string with its quotes and escapes; a byte that is no UTF-8 becomes U+FFFD. */
void json_write_string(struct json_writer *writer, struct daffi_span string);

void json_write_size(struct json_writer *writer, size_t number);

/* What `write` writes of `value`, in both of its runs the same, in a malloc'ed buffer of *ret_length bytes.
 * 0 or -ENOMEM. */
int json_write_allocated(void (*write)(struct json_writer *writer, const void *value), const void *value,
                         char **ret_json, size_t *ret_length);

#endif
