/* What jansson's reader asks of the C library for numbers, small: libc's strtod and snprintf alone would be as large as
 * all the rest of app.wasm. jansson's sources are compiled with jansson/jansson_private_config.h in front of them, so
 * that its calls come here; nothing else in the module may use them. The core writes JSON without jansson, so that no
 * number is ever written. */
#ifndef DAFFI_WASM_SMALL_LIBC_H
#define DAFFI_WASM_SMALL_LIBC_H

#include <stddef.h>

/* Decimal integers that are known to be ones, as JSON writes them; `base` is taken for 10. Past the range: the
 * nearest bound and ERANGE. */
long long daffi_small_strtoll(const char *text, char **ret_end, int base);

/* Decimal numbers that are known to be ones, as JSON writes them; right to 13 digits. Past the range: HUGE_VAL and
 * ERANGE; below it 0. */
double daffi_small_strtod(const char *text, char **ret_end);

/* As strncpy. */
char *daffi_small_copy(char *out, const char *text, size_t capacity);

/* An empty text, where a text of no interest would be. Returns its length, 0. */
static inline int daffi_small_no_text(char *out, size_t capacity) {
    if (capacity > 0)
        out[0] = '\0';
    return 0;
}

#endif
