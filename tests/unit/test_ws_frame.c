/* Frame headers both ways, and masking. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ws/ws_frame.h"

static void lengths_are_written_and_read_in_the_shortest_form(void **state) {
    (void)state;
    static const struct {
        uint64_t length;
        size_t size;
    } cases[] = {{0, 2},      {1, 2},           {125, 2},
                 {126, 4},    {127, 4},         {65535, 4},
                 {65536, 10}, {UINT32_MAX, 10}, {UINT64_C(0x7fffffffffffffff), 10}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int masked = 0; masked <= 1; masked++) {
            struct ws_frame_header header = {.final = i % 2 == 0,
                                             .opcode = i % 3 == 0 ? WS_CONTINUATION : WS_BINARY,
                                             .masked = masked != 0,
                                             .length = cases[i].length};
            if (masked) {
                memcpy(header.mask, "\x01\x02\x03\x04", 4);
            }
            uint8_t bytes[WS_HEADER_MAX];
            size_t size = ws_frame_encode(&header, bytes);
            assert_int_equal(size, cases[i].size + (masked ? 4 : 0));
            struct ws_frame_header read = {.length = 99};
            struct daffi_fault fault;
            for (size_t cut = 0; cut < size; cut++) {
                assert_int_equal(ws_frame_decode(daffi_span_of(bytes, cut), &read, &fault), -EAGAIN);
                assert_int_equal(read.length, 99);
            }
            assert_int_equal(ws_frame_decode(daffi_span_of(bytes, size), &read, &fault), size);
            assert_int_equal(read.final, header.final);
            assert_int_equal(read.opcode, header.opcode);
            assert_int_equal(read.masked, header.masked);
            assert_int_equal(read.length, header.length);
            assert_memory_equal(read.mask, header.mask, 4);
        }
    }
}

static void the_examples_of_the_rfc_are_read(void **state) {
    (void)state;
    struct ws_frame_header header;
    struct daffi_fault fault;
    assert_int_equal(ws_frame_decode(daffi_span_of("\x81\x05Hello", 7), &header, &fault), 2);
    assert_true(header.final && !header.masked && header.opcode == WS_TEXT && header.length == 5);
    uint8_t masked[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
    assert_int_equal(ws_frame_decode(daffi_span_of(masked, sizeof masked), &header, &fault), 6);
    assert_true(header.masked && header.length == 5);
    ws_unmask(masked + 6, 5, header.mask, 0);
    assert_memory_equal(masked + 6, "Hello", 5);
    assert_int_equal(ws_frame_decode(daffi_span_of("\x82\x7E\x01\x00", 4), &header, &fault), 4);
    assert_int_equal(header.length, 256);
    assert_int_equal(ws_frame_decode(daffi_span_of("\x82\x7F\0\0\0\0\0\x01\0\0", 10), &header, &fault), 10);
    assert_int_equal(header.length, 65536);
}

static void what_breaks_the_protocol_is_refused_at_its_first_byte(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t needed; /* bytes that make it plain */
    } cases[] = {
        {"\xc2", 1}, /* RSV1 */
        {"\xa2", 1}, /* RSV2 */
        {"\x92", 1}, /* RSV3 */
        {"\x83", 1}, /* unknown opcodes */
        {"\x87", 1},
        {"\x8b", 1},
        {"\x8f", 1},
        {"\x08", 1}, /* control frames in fragments */
        {"\x09", 1},
        {"\x0a", 1},
        {"\x88\x7e", 2}, /* long control frames */
        {"\x89\xff", 2},
        {"\x8a\xfe", 2},
        {"\x82\x7e\0\x7d", 4}, /* longer than need be */
        {"\x82\xfe\0\0", 4},
        {"\x82\x7f\0\0\0\0\0\0\xff\xff", 10},
        {"\x82\x7f\0\0\0\0\0\0\0\x01", 10},
        {"\x82\x7f\x80", 3}, /* 2^63 and more */
        {"\x82\xff\xff", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ws_frame_header header = {.length = 99};
        for (size_t cut = 0; cut <= cases[i].needed; cut++) {
            struct daffi_fault fault = {0};
            int r = ws_frame_decode(daffi_span_of(cases[i].bytes, cut), &header, &fault);
            assert_int_equal(r, cut == cases[i].needed ? -EPROTO : -EAGAIN);
            assert_true(r == -EAGAIN || fault.text != NULL);
        }
        assert_int_equal(header.length, 99);
    }
}

static void masks_fit_at_every_offset_and_length(void **state) {
    (void)state;
    static const uint8_t mask[4] = {0x11, 0x22, 0x44, 0x88};
    uint8_t *bytes = malloc(64);
    assert_non_null(bytes);
    for (size_t start = 0; start < 9; start++) {
        for (size_t length = 0; start + length <= 48; length++) {
            for (size_t offset = 0; offset < 6; offset++) {
                memset(bytes, 0, 64);
                ws_unmask(bytes + start, length, mask, offset);
                for (size_t i = 0; i < 64; i++) {
                    bool inside = i >= start && i < start + length;
                    assert_int_equal(bytes[i], inside ? mask[(offset + i - start) % 4] : 0);
                }
            }
        }
    }
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_are_written_and_read_in_the_shortest_form),
        cmocka_unit_test(the_examples_of_the_rfc_are_read),
        cmocka_unit_test(what_breaks_the_protocol_is_refused_at_its_first_byte),
        cmocka_unit_test(masks_fit_at_every_offset_and_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
