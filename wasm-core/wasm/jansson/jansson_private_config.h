/* jansson as app.wasm has it: its private configuration, which stands in front of each of its sources. Its numbers go
 * through small_libc.h, its error texts nowhere: the core tells what was wrong in sentences of its own. */
#ifndef JANSSON_PRIVATE_CONFIG_H
#define JANSSON_PRIVATE_CONFIG_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "small_libc.h"

#define HAVE_STDINT_H 1

#define strtod  daffi_small_strtod
#define strtoll daffi_small_strtoll
#define strncpy daffi_small_copy

/* An error is its code and its position. Its text is cut off where jansson's parser gives it, and where it is defined
 * that it is given; what would have composed it gives an empty one. */
#define error_set(error, lex, code, ...) error_set(error, lex, code)
#define snprintf(out, capacity, ...)     daffi_small_no_text(out, capacity)
#undef va_start
#define va_start(list, last) ((void)(list))
#undef va_end
#define va_end(list)                           ((void)(list))
#define vsnprintf(out, capacity, format, list) daffi_small_no_text(out, capacity)

#endif
