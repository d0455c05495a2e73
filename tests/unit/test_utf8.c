/* UTF-8 against a second, slow opinion, and at every place relative to the strides of the fast path. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "daffi/utf8.h"
#include "guarded.h"

/* Decodes, then asks whether the shortest form of that code point is what was read. */
static size_t slow_character(const uint8_t *at, size_t left) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t length = at[0] < 0x80       ? 1
                          : at[0] >> 5 == 6  ? 2
                          : at[0] >> 4 == 14 ? 3
                          : at[0] >> 3 == 30 ? 4
                                             : 0;
    if (length == 0 || length > left)
        return 0;
    uint32_t point = length == 1 ? at[0] : at[0] & (0x7FU >> length);
    for (size_t i = 1; i < length; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        point = point << 6 | (at[i] & 0x3FU);
    }
    return point < least[length] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000) ? 0 : length;
}

static void one_two_and_three_bytes_all_of_them(void **state) {
    (void)state;
    for (uint32_t bits = 0; bits < 1U << 24; bits++) {
        const uint8_t bytes[3] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
        for (size_t length = 1; length <= 3; length++) {
            if (length < 3 && (bits & 0xFF) != 0)
                continue;
            if (daffi_utf8_character(daffi_span_of(bytes, length)) != slow_character(bytes, length))
                fail_msg("%02x %02x %02x, %zu of them", bytes[0], bytes[1], bytes[2], length);
        }
    }
}

static void four_bytes_at_the_borders(void **state) {
    (void)state;
    static const uint8_t tails[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0xA5, 0xBF, 0xC0, 0xFF};
    const size_t count = sizeof tails;
    for (unsigned lead = 0xE8; lead <= 0xFF; lead++)
        for (unsigned second = 0; second < 256; second++)
            for (size_t tail = 0; tail < count * count; tail++) {
                const uint8_t bytes[4] = {(uint8_t)lead, (uint8_t)second, tails[tail / count],
                                          tails[tail % count]};
                if (daffi_utf8_character(daffi_span_of(bytes, 4)) != slow_character(bytes, 4))
                    fail_msg("%02x %02x %02x %02x", bytes[0], bytes[1], bytes[2], bytes[3]);
            }
}

static void assert_check(struct daffi_span text) {
    size_t expected = 0;
    while (expected < text.length) {
        const size_t length = slow_character(text.data + expected, text.length - expected);
        if (length == 0)
            break;
        expected += length;
    }
    struct daffi_fault fault = {.offset = 12345};
    const int r = daffi_utf8_check(guarded_copy(&guarded, text), &fault);
    assert_int_equal(r, expected == text.length ? 0 : -EBADMSG);
    assert_int_equal(fault.offset, r == 0 ? 12345 : expected);
    if (r < 0)
        assert_non_null(fault.text);
}

/* Every insertion point in lengths around the stride of 32 bytes, whole and cut. */
static void characters_at_every_offset(void **state) {
    (void)state;
    static const char *const pieces[] = {"",
                                         "\xC3\xA9",
                                         "\xE2\x82\xAC",
                                         "\xF0\x9F\x98\x80",
                                         "\x80",
                                         "\xC0\xAF",
                                         "\xE0\x80\xAF",
                                         "\xED\xA0\x80",
                                         "\xF4\x90\x80\x80",
                                         "\xFF",
                                         "\xF8\x88\x80\x80"};
    uint8_t text[160];
    for (size_t piece = 0; piece < sizeof pieces / sizeof *pieces; piece++) {
        const size_t length = strlen(pieces[piece]);
        for (size_t at = 0; at < 100; at++) {
            memset(text, 'a', sizeof text);
            memcpy(text + at, pieces[piece], length);
            for (size_t end = at; end <= at + length + 40; end++)
                assert_check(daffi_span_of(text, end));
        }
    }
}

static void long_runs_that_are_not_ascii(void **state) {
    (void)state;
    static const char run[] =
        "\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82 \xF0\x9F\x91\x8B\xE4\xB8\xAD\xE6\x96\x87";
    uint8_t text[1500];
    size_t length = 0;
    while (length + sizeof run <= sizeof text) {
        memcpy(text + length, run, sizeof run - 1);
        length += sizeof run - 1;
    }
    for (size_t end = 0; end <= length; end++)
        assert_check(daffi_span_of(text, end));
    for (size_t at = 0; at < length; at++) {
        const uint8_t kept = text[at];
        text[at] = 0xFF;
        assert_check(daffi_span_of(text, length));
        text[at] = kept;
    }
}

static void nothing_is_text(void **state) {
    (void)state;
    struct daffi_fault fault;
    assert_int_equal(daffi_utf8_check(daffi_span_of(NULL, 0), &fault), 0);
    assert_int_equal(daffi_utf8_character(daffi_span_of(NULL, 0)), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_two_and_three_bytes_all_of_them),
        cmocka_unit_test(four_bytes_at_the_borders),
        cmocka_unit_test(characters_at_every_offset),
        cmocka_unit_test(long_runs_that_are_not_ascii),
        cmocka_unit_test(nothing_is_text),
    };
    return cmocka_run_group_tests(tests, guarded_set_up, guarded_tear_down);
}
