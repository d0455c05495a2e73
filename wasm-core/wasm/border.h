/* What the exports share: the three areas, the last fault, and the checks of what JavaScript passes in. */
#ifndef DAFFI_WASM_BORDER_H
#define DAFFI_WASM_BORDER_H

#include "daffi/handshake.h"
#include "daffi/members.h"
#include "daffi/message.h"
#include "exports.h"

struct wasm_border {
    _Alignas(8) int32_t fields[DAFFI_WASM_FIELDS]; /* pairs of them are read as int64 and double */
    uint8_t head[DAFFI_HEAD_MAX];
    uint8_t window[DAFFI_WASM_WINDOW];
};

extern struct wasm_border wasm_border;

/* Keeps the sentence for daffi_wasm_fault (static memory) and returns `refusal`. */
int32_t wasm_refuse(int32_t refusal, const char *sentence);

/* The refusal that a core's negative errno becomes; `fault` may be NULL where the core gives none. */
int32_t wasm_refuse_errno(int error, const struct daffi_fault *fault);

/* The name of `length` bytes in the window. 0; TOO_LARGE past the window. What it holds is not looked at. */
int32_t wasm_window_name(uint32_t length, struct daffi_span *ret_name);

/* Puts a text into the window: its length, or TOO_LARGE. */
int32_t wasm_window_put(struct daffi_span text);

void wasm_field_size(uint32_t field, size_t value); /* uint32; what is larger becomes its maximum */
void wasm_field_span(uint32_t field,
                     struct daffi_span span); /* address and length, in two fields; 0,0 for NULL */

/* Puts what a server said into the registry. 0; -ENOMEM, -ENOSPC: nothing has changed with `replace`, without it
 * some may have been added. */
int wasm_members_take(const struct daffi_handshake *handshake, bool replace);

/* Somebody left. One's own name stays. */
void wasm_members_leave(struct daffi_span name);

/* Where call ids start, until the first one is taken. */
void wasm_calls_seed(uint32_t seed);

#endif
