/* Numbers as app.wasm's jansson reads them, against the C library's. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "small_libc.h"

static void check_real(const char *text) {
    char *end = NULL;
    errno = 0;
    const double want = strtod(text, NULL);
    const int want_error = want == HUGE_VAL || want == -HUGE_VAL ? ERANGE : 0;
    errno = 0;
    const double got = daffi_small_strtod(text, &end);
    assert_int_equal(errno, want_error);
    assert_ptr_equal(end, text + strlen(text));
    /* past double's last 52 bits, as a denormal is, nothing can be right to 13 digits */
    if (isinf(want) || want == 0 || fabs(want) < 1e-300)
        assert_true(isinf(want) ? got == want : fabs(got - want) < 1e-300);
    else
        assert_true(fabs(got - want) <= fabs(want) * 1e-13);
    assert_int_equal(signbit(got) != 0, signbit(want) != 0);
}

static void reals(void **state) {
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "0.0",
        "1",
        "-1",
        "10",
        "0.1",
        "-0.25",
        "1.5",
        "3.141592653589793",
        "1e0",
        "1e5",
        "1E5",
        "1e+5",
        "1e-5",
        "12.25e+2",
        "9007199254740993",
        "123456789012345678901234567890",
        "0.000000000000000000000000000001",
        "1e308",
        "1.7976931348623157e308",
        "1e309",
        "-1e309",
        "1e999999999999",
        "1e-999999999999",
        "0e999999999999",
        "2.2250738585072014e-308",
        "5e-324",
        "1e-400",
        "0.1e1",
        "100000000000000000000000e-23",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_real(texts[i]);
}

static void long_reals(void **state) {
    (void)state;
    char text[1200];
    memset(text, '1', sizeof text);
    text[1] = '.';
    text[sizeof text - 1] = '\0';
    check_real(text); /* 1.111… */
    memset(text, '0', 600);
    text[1] = '.';
    check_real(text); /* 0.000…111… : below the range */
    memset(text, '9', sizeof text - 1);
    check_real(text); /* past the range */
    memcpy(text + sizeof text - 7, "e-1150", 7);
    check_real(text); /* and back in it */
}

static void many_reals(void **state) {
    (void)state;
    uint64_t random = 88172645463325252u; /* xorshift: the same numbers in each run */
    for (int i = 0; i < 20000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        char text[64];
        snprintf(text, sizeof text, "%s%llu.%06llue%d", random & 1 ? "-" : "",
                 (unsigned long long)(random >> 20), (unsigned long long)(random % 1000000),
                 (int)(random % 500) - 250);
        check_real(text);
    }
}

static void check_integer(const char *text) {
    char *end = NULL;
    errno = 0;
    const long long want = strtoll(text, NULL, 10);
    const int want_error = errno;
    errno = 0;
    assert_true(daffi_small_strtoll(text, &end, 10) == want);
    assert_int_equal(errno, want_error);
    assert_ptr_equal(end, text + strlen(text));
}

static void integers(void **state) {
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "1",
        "-1",
        "9",
        "10",
        "2147483648",
        "9223372036854775806",
        "9223372036854775807",
        "9223372036854775808",
        "9223372036854775810",
        "-9223372036854775807",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "99999999999999999999999999",
        "-99999999999999999999999999",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_integer(texts[i]);
}

static void texts(void **state) {
    (void)state;
    char out[8];
    memset(out, 'x', sizeof out);
    assert_ptr_equal(daffi_small_copy(out, "abc", 6), out);
    assert_memory_equal(out, "abc\0\0\0xx", sizeof out);
    daffi_small_copy(out, "abcdef", 3);
    assert_memory_equal(out, "abc\0", 4);
    assert_int_equal(daffi_small_no_text(out, sizeof out), 0);
    assert_int_equal(out[0], '\0');
    assert_int_equal(daffi_small_no_text(NULL, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reals),    cmocka_unit_test(long_reals), cmocka_unit_test(many_reals),
        cmocka_unit_test(integers), cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
