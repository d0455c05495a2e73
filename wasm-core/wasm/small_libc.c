/* jansson's numbers and texts.                                                             (small_libc.h) */
#include "small_libc.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

static const char *read_sign(const char *text, bool *ret_negative) {
    *ret_negative = *text == '-';
    return text + (*text == '-' || *text == '+' ? 1 : 0);
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

long long daffi_small_strtoll(const char *text, char **ret_end, int base) {
    (void)base;
    bool is_negative;
    const char *at = read_sign(text, &is_negative);
    const uint64_t bound = is_negative ? (uint64_t)LLONG_MAX + 1 : (uint64_t)LLONG_MAX;
    uint64_t value = 0;
    bool is_past = false;
    for (; is_digit(*at); at++) {
        const uint64_t digit = (uint64_t)(*at - '0');
        is_past = is_past || value > (bound - digit) / 10;
        value = is_past ? bound : value * 10 + digit;
    }
    *ret_end = (char *)(uintptr_t)at;
    if (is_past)
        errno = ERANGE;
    return is_negative ? (long long)-value : (long long)value;
}

enum { EXPONENT_MAX = 100000 }; /* what is past it is past the range with any digits that fit memory here */

static const double DIGITS_FULL = 1e17; /* further digits change nothing */

/* The digits at *text onto *value; returns the power of ten that is still to be multiplied with. */
static int read_digits(const char **text, bool is_fraction, double *value) {
    int exponent = 0;
    for (; is_digit(**text); ++*text) {
        const bool is_taken = *value < DIGITS_FULL;
        if (is_taken)
            *value = *value * 10 + (**text - '0');
        exponent += (is_taken ? 0 : 1) - (is_fraction ? 1 : 0);
    }
    return exponent;
}

static int read_exponent(const char **text) {
    if (**text != 'e' && **text != 'E')
        return 0;
    bool is_negative;
    const char *at = read_sign(*text + 1, &is_negative);
    if (!is_digit(*at))
        return 0;
    int exponent = 0;
    for (; is_digit(*at); at++)
        exponent = exponent < EXPONENT_MAX ? exponent * 10 + (*at - '0') : exponent;
    *text = at;
    return is_negative ? -exponent : exponent;
}

double daffi_small_strtod(const char *text, char **ret_end) {
    bool is_negative;
    const char *at = read_sign(text, &is_negative);
    double value = 0;
    int exponent = read_digits(&at, false, &value);
    if (*at == '.') {
        at++;
        exponent += read_digits(&at, true, &value);
    }
    exponent += read_exponent(&at);
    *ret_end = (char *)(uintptr_t)at;

    /* Both loops end within 700 turns, at 0 or at infinity. */
    for (; exponent > 0 && value != 0 && value != HUGE_VAL; exponent--)
        value *= 10;
    for (; exponent < 0 && value != 0; exponent++)
        value /= 10;
    if (value == HUGE_VAL)
        errno = ERANGE;
    return is_negative ? -value : value;
}

char *daffi_small_copy(char *out, const char *text, size_t capacity) {
    bool is_over = false;
    for (size_t i = 0; i < capacity; i++) {
        is_over = is_over || text[i] == '\0';
        out[i] = (char)(is_over ? '\0' : text[i]);
    }
    return out;
}
