/* Hexadecimal text of the vectors as bytes. */
#ifndef TESTS_HEX_H
#define TESTS_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline int hex_digit(char letter) {
    if (letter >= '0' && letter <= '9')
        return letter - '0';
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* Reads up to the first letter that is no pair of digits; white space between pairs is passed over.
 * Returns the number of bytes, at most `capacity`. */
static inline size_t hex_decode(const char *text, uint8_t *out, size_t capacity) {
    size_t length = 0;
    for (;; text += 2) {
        while (*text == ' ' || *text == '\n')
            text++;
        if (length == capacity || hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0)
            return length;
        out[length++] = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
    }
}

#endif
