/* jansson's numbers, in and out.                                                             (small_libc.h) */
#include "small_libc.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

/* Where text goes: counted to its end, written as far as there is room. */
struct sink {
    char *out;
    size_t capacity, length;
};

static void put(struct sink *sink, char c) {
    if (sink->length < sink->capacity)
        sink->out[sink->length] = c;
    sink->length++;
}

static void put_number(struct sink *sink, uint64_t value, unsigned base, size_t digits_min) {
    char text[24];
    size_t at = sizeof text;
    do {
        const unsigned digit = (unsigned)(value % base);
        text[--at] = (char)(digit < 10 ? '0' + digit : 'A' + digit - 10);
        value /= base;
    } while (value > 0 || sizeof text - at < digits_min);
    while (at < sizeof text)
        put(sink, text[at++]);
}

static bool begins_with(const char *format, const char *conversion) {
    for (; *conversion != '\0'; format++, conversion++)
        if (*format != *conversion)
            return false;
    return true;
}

/* A conversion that is not known ends the text, which is then no text at all. */
int daffi_small_snprintf(char *out, size_t capacity, const char *format, ...) {
    struct sink sink = {.out = out, .capacity = capacity};
    bool is_known = true;
    va_list arguments;
    va_start(arguments, format);
    while (is_known && *format != '\0') {
        if (*format != '%') {
            put(&sink, *format++);
        } else if (begins_with(format, "%04X")) {
            put_number(&sink, va_arg(arguments, unsigned), 16, 4);
            format += 4;
        } else if (begins_with(format, "%lld")) {
            const long long value = va_arg(arguments, long long);
            if (value < 0)
                put(&sink, '-');
            put_number(&sink, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, 1);
            format += 4;
        } else if (begins_with(format, "%p")) {
            put_number(&sink, (uintptr_t)va_arg(arguments, void *), 16, 1);
            format += 2;
        } else {
            is_known = false;
        }
    }
    va_end(arguments);
    if (capacity > 0)
        out[!is_known ? 0 : sink.length < capacity ? sink.length : capacity - 1] = '\0';
    return is_known ? (int)sink.length : -1;
}

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
        out[i] = is_over ? '\0' : text[i];
    }
    return out;
}
