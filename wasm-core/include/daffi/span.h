/* A borrowed run of bytes: a view, never an owner. */
#ifndef DAFFI_SPAN_H
#define DAFFI_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct daffi_span {
    const uint8_t *data; /* may be NULL only when length is 0 */
    size_t length;       /* bytes */
};

static inline struct daffi_span daffi_span_of(const void *data, size_t length) {
    return (struct daffi_span){.data = data, .length = length};
}

static inline struct daffi_span daffi_span_text(const char *text) {
    return (struct daffi_span){.data = (const uint8_t *)text, .length = strlen(text)};
}

static inline bool daffi_span_equal(struct daffi_span a, struct daffi_span b) {
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/* The bytes as NUL-terminated text of one's own, to be freed; NULL without memory. */
static inline char *daffi_span_copy(struct daffi_span span) {
    char *copy = malloc(span.length + 1);
    if (copy == NULL)
        return NULL;
    if (span.length > 0)
        memcpy(copy, span.data, span.length);
    copy[span.length] = '\0';
    return copy;
}

/* What was wrong with some bytes, for whoever reads the refusal: a sentence that names what was found
 * wrong and what is accepted, and the offset of the first byte that does not fit. `text` is static. */
struct daffi_fault {
    const char *text;
    size_t offset;
};

#endif
