/* The areas both sides look at, and the words of a refusal.                                      (exports.h) */
#include "border.h"

#include <errno.h>
#include <stdlib.h>

struct wasm_border wasm_border;

static const char *last_fault = "nothing was refused";

#ifndef __wasm__
static const void *pointers[DAFFI_WASM_FIELDS];

const void *daffi_wasm_pointer(uint32_t field) {
    return field < DAFFI_WASM_FIELDS && wasm_border.fields[field] != 0 ? pointers[field] : NULL;
}
#endif

uint32_t daffi_wasm_abi(void) {
    return DAFFI_WASM_ABI;
}

uint8_t *daffi_wasm_head(void) {
    return wasm_border.head;
}

uint8_t *daffi_wasm_window(void) {
    return wasm_border.window;
}

int32_t *daffi_wasm_fields(void) {
    return wasm_border.fields;
}

const char *daffi_wasm_fault(void) {
    return last_fault;
}

uint8_t *daffi_wasm_allocate(uint32_t size) {
    return size > DAFFI_MESSAGE_MAX ? NULL : malloc(size > 0 ? size : 1);
}

void daffi_wasm_release(uint8_t *memory) {
    free(memory);
}

int32_t wasm_refuse(int32_t refusal, const char *sentence) {
    last_fault = sentence;
    return refusal;
}

int32_t wasm_refuse_errno(int error, const struct daffi_fault *fault) {
    switch (error) {
    case -ENOMEM:
        return wasm_refuse(DAFFI_WASM_MEMORY, "app.wasm has no memory left");
    case -ENOSPC:
        return wasm_refuse(DAFFI_WASM_TOO_LARGE, "more than 16384 members; so many are accepted");
    default:
        return wasm_refuse(DAFFI_WASM_BAD, fault != NULL ? fault->text : "the bytes can't be read");
    }
}

int32_t wasm_window_name(uint32_t length, struct daffi_span *ret_name) {
    if (length > DAFFI_WASM_WINDOW)
        return wasm_refuse(DAFFI_WASM_TOO_LARGE, "a name is longer than the window, which has 16384 bytes");
    *ret_name = daffi_span_of(wasm_border.window, length);
    return 0;
}

int32_t wasm_window_put(struct daffi_span text) {
    if (text.length > DAFFI_WASM_WINDOW)
        return wasm_refuse(DAFFI_WASM_TOO_LARGE, "a name is longer than the window, which has 16384 bytes");
    if (text.length > 0)
        memcpy(wasm_border.window, text.data, text.length);
    return (int32_t)text.length;
}

void wasm_field_size(uint32_t field, size_t value) {
    wasm_border.fields[field] = (int32_t)(uint32_t)(value < UINT32_MAX ? value : UINT32_MAX);
}

void wasm_field_span(uint32_t field, struct daffi_span span) {
#ifdef __wasm__
    wasm_border.fields[field] = (int32_t)(uintptr_t)span.data;
#else
    wasm_border.fields[field] = span.data != NULL;
    pointers[field] = span.data;
#endif
    wasm_field_size(field + 1, span.data != NULL ? span.length : 0);
}
