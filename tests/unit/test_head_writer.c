/* head_writer.h: what it writes is a string, whole pieces only, and never past its room. Dates beside the system's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "http/head_writer.h"

static void test_pieces(void **state) {
    (void)state;
    char text[32];
    struct head_writer writer = head_writer_of(text, sizeof text);
    assert_string_equal(text, "");
    head_put(&writer, "Length: ");
    head_put_number(&writer, 0);
    head_put_bytes(&writer, "\r\nmore", 2);
    head_put_number(&writer, 18446744073709551615U);
    assert_false(writer.is_over);
    assert_string_equal(text, "Length: 0\r\n18446744073709551615");
    assert_int_equal(writer.length, sizeof text - 1);
}

/* Every room from none at all: what does not fit is left out whole, and so is all behind it. */
static void test_never_past_its_room(void **state) {
    (void)state;
    static const char *const pieces[] = {"ab", "", "cdef", "g", "hijklmnop"};
    for (size_t capacity = 1; capacity <= 20; capacity++) {
        char text[24], expected[24] = "";
        memset(text, '#', sizeof text);
        struct head_writer writer = head_writer_of(text, capacity);
        bool fits = true;
        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
            head_put(&writer, pieces[i]);
            fits = fits && strlen(expected) + strlen(pieces[i]) < capacity;
            if (fits) {
                memcpy(expected + strlen(expected), pieces[i], strlen(pieces[i]) + 1);
            }
        }
        assert_string_equal(text, expected);
        assert_int_equal(writer.length, strlen(expected));
        assert_int_equal(writer.is_over, !fits);
        for (size_t i = capacity; i < sizeof text; i++) {
            assert_int_equal(text[i], '#');
        }
    }
}

static void test_numbers(void **state) {
    (void)state;
    for (uint64_t number = 1; number < UINT64_MAX / 11; number = number * 10 + number % 7) {
        char text[32], expected[32];
        struct head_writer writer = head_writer_of(text, sizeof text);
        head_put_number(&writer, number);
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)number);
        assert_string_equal(text, expected);
    }
}

static void test_dates(void **state) {
    (void)state;
    char text[40], expected[40];
    for (int64_t date = -2208988800; date < 253402300800; date += 86399LL * 997) { /* 1900 to 9999 */
        struct head_writer writer = head_writer_of(text, sizeof text);
        time_t when = (time_t)date;
        struct tm tm;
        head_put_date(&writer, when);
        strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT",
                 gmtime_r(&when, &tm)); /* in the C locale */
        assert_string_equal(text, expected);
        assert_int_equal(writer.length, HTTP_DATE_LENGTH);
    }
    struct head_writer writer = head_writer_of(text, sizeof text);
    head_put_date(&writer, 784111777);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT"); /* RFC 9110's */
    writer = head_writer_of(text, sizeof text);
    head_put_date(&writer, (time_t)253402300800); /* the year 10000 */
    assert_string_equal(text, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_never_past_its_room),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
