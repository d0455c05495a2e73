/* Text of strangers on a terminal: nothing in it moves the cursor, changes a colour or reverses what is read. */
#ifndef DEV_TEXT_H
#define DEV_TEXT_H

#include <stddef.h>

/* Copies `length` bytes, cut where `out` is full. A tab or a newline becomes a space, colours (ESC [ ... m) are left out; what
 * is not UTF-8, control characters (C0, C1, DEL) and those that reorder text or break a line (U+061C, U+200E, U+200F, U+2028 to
 * U+202E, U+2066 to U+2069) become '?'. NUL-terminated. Its length. */
size_t dev_text_show(const char *text, size_t length, char *out, size_t capacity);

#endif
