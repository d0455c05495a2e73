/* MessagePack heads: every kind at every boundary, against the encodings of libmsgpack's own packer; cut at every byte. */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <msgpack.h>

#include "daffi/msgpack.h"
#include "guarded.h"
#include "hex.h"

static msgpack_sbuffer theirs;
static msgpack_packer packer;

static int begin(void **state) {
    (void)state;
    guarded = guarded_new(1 << 17);
    msgpack_sbuffer_init(&theirs);
    msgpack_packer_init(&packer, &theirs, msgpack_sbuffer_write);
    return 0;
}

static int end(void **state) {
    (void)state;
    msgpack_sbuffer_destroy(&theirs);
    guarded_free(&guarded);
    return 0;
}

static int read_at_page_end(struct daffi_span in, struct daffi_msgpack_value *ret_value) {
    return daffi_msgpack_read(guarded_copy(&guarded, in), ret_value);
}

/* The head is what was expected, whatever comes behind it or not; cut, it wants more, and leaves the value as it was. */
static struct daffi_msgpack_value read_everywhere(struct daffi_span head) {
    struct daffi_msgpack_value value;
    memset(&value, 0x5A, sizeof value);
    const struct daffi_msgpack_value before = value;
    for (size_t cut = 0; cut < head.length; cut++) {
        assert_int_equal(read_at_page_end(daffi_span_of(head.data, cut), &value), -EAGAIN);
        assert_memory_equal(&value, &before, sizeof value);
    }
    assert_int_equal(read_at_page_end(head, &value), head.length);

    /* Bytes behind it, as many as a body may have and more, are not looked at: neither values nor what is none. */
    static const uint8_t fillers[] = {0x00, 0x91, 0xC1, 0xDF, 0xFF};
    static uint8_t with_more[DAFFI_MSGPACK_HEAD_MAX + 70000];
    static const size_t more[] = {1, 2, 15, 16, 17, 31, 32, 33, 255, 256, 257, 65535, 65536, 65537};
    assert_true(head.length <= DAFFI_MSGPACK_HEAD_MAX);
    memcpy(with_more, head.data, head.length);
    for (size_t filler = 0; filler < sizeof fillers; filler++) {
        memset(with_more + head.length, fillers[filler], sizeof with_more - head.length);
        for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
            struct daffi_msgpack_value again = {.kind = DAFFI_MSGPACK_NIL};
            assert_int_equal(read_at_page_end(daffi_span_of(with_more, head.length + more[i]), &again),
                             head.length);
            assert_int_equal(again.kind, value.kind);
            assert_int_equal(again.length, value.length);
            assert_int_equal(again.integer, value.integer);
            assert_int_equal(again.natural, value.natural);
            assert_int_equal(again.nanoseconds, value.nanoseconds);
            assert_int_equal(again.extension_type, value.extension_type);
            assert_memory_equal(&again.real, &value.real, sizeof value.real);
        }
    }
    return value;
}

/* Ours are the bytes that libmsgpack wrote last; they are read from every place. */
static struct daffi_msgpack_value same_as_theirs(const uint8_t *ours, size_t length) {
    assert_int_equal(length, theirs.size);
    assert_memory_equal(ours, theirs.data, length);
    msgpack_sbuffer_clear(&theirs);
    return read_everywhere(daffi_span_of(ours, length));
}

static void nil_and_truth(void **state) {
    (void)state;
    uint8_t out[DAFFI_MSGPACK_HEAD_MAX];
    msgpack_pack_nil(&packer);
    assert_int_equal(same_as_theirs(out, daffi_msgpack_write_nil(out)).kind, DAFFI_MSGPACK_NIL);
    msgpack_pack_true(&packer);
    struct daffi_msgpack_value value = same_as_theirs(out, daffi_msgpack_write_bool(out, true));
    assert_int_equal(value.kind, DAFFI_MSGPACK_BOOL);
    assert_int_equal(value.integer, 1);
    msgpack_pack_false(&packer);
    value = same_as_theirs(out, daffi_msgpack_write_bool(out, false));
    assert_int_equal(value.kind, DAFFI_MSGPACK_BOOL);
    assert_int_equal(value.integer, 0);
}

/* Bytes of an integer in its shortest form, by the specification. */
static size_t shortest(int64_t value) {
    if (value >= -32 && value <= 127)
        return 1;
    if (value >= INT8_MIN && value <= UINT8_MAX)
        return 2;
    if (value >= INT16_MIN && value <= UINT16_MAX)
        return 3;
    return value >= INT32_MIN && value <= UINT32_MAX ? 5 : 9;
}

static void check_integer(int64_t number) {
    uint8_t out[DAFFI_MSGPACK_HEAD_MAX];
    msgpack_pack_int64(&packer, number);
    const size_t length = daffi_msgpack_write_int(out, number);
    assert_int_equal(length, shortest(number));
    struct daffi_msgpack_value value = same_as_theirs(out, length);
    assert_int_equal(value.kind, DAFFI_MSGPACK_INT);
    assert_int_equal(value.integer, number);
    if (number < 0)
        return;
    msgpack_pack_uint64(&packer, (uint64_t)number);
    value = same_as_theirs(out, daffi_msgpack_write_uint(out, (uint64_t)number));
    assert_int_equal(value.kind, DAFFI_MSGPACK_INT);
    assert_int_equal(value.integer, number);
}

static void integers(void **state) {
    (void)state;
    static const int64_t borders[] = {
        0,          -32,       INT8_MIN,  INT8_MAX,   UINT8_MAX,        INT16_MIN,          INT16_MAX,
        UINT16_MAX, INT32_MIN, INT32_MAX, UINT32_MAX, INT64_C(1) << 53, -(INT64_C(1) << 53)};
    for (size_t i = 0; i < sizeof borders / sizeof *borders; i++) {
        for (int64_t near = -2; near <= 2; near++)
            check_integer(borders[i] + near);
    }
    for (int64_t near = 0; near <= 2; near++) {
        check_integer(INT64_MIN + near);
        check_integer(INT64_MAX - near);
    }
}

static void naturals_past_int64(void **state) {
    (void)state;
    static const uint64_t numbers[] = {UINT64_C(1) << 63, (UINT64_C(1) << 63) + 1, UINT64_MAX - 1,
                                       UINT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint8_t out[DAFFI_MSGPACK_HEAD_MAX];
        msgpack_pack_uint64(&packer, numbers[i]);
        const struct daffi_msgpack_value value =
            same_as_theirs(out, daffi_msgpack_write_uint(out, numbers[i]));
        assert_int_equal(value.kind, DAFFI_MSGPACK_UINT);
        assert_int_equal(value.natural, numbers[i]);
    }
}

/* Any form of a number that others may choose: what counts is its value. */
static void integers_in_longer_forms(void **state) {
    (void)state;
    static const struct {
        const char *hex;
        int64_t number;
    } forms[] = {
        {"cc00", 0},
        {"cd007f", 127},
        {"ce00000001", 1},
        {"cf0000000000000001", 1},
        {"cf7fffffffffffffff", INT64_MAX},
        {"d07f", 127},
        {"d0e0", -32},
        {"d17fff", 32767},
        {"d1ffff", -1},
        {"d27fffffff", 2147483647},
        {"d2ffffffff", -1},
        {"d37fffffffffffffff", INT64_MAX},
        {"d3ffffffffffffffff", -1},
        {"d30000000000000000", 0},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        uint8_t bytes[16];
        const size_t length = hex_decode(forms[i].hex, bytes, sizeof bytes);
        const struct daffi_msgpack_value value = read_everywhere(daffi_span_of(bytes, length));
        assert_int_equal(value.kind, DAFFI_MSGPACK_INT);
        assert_int_equal(value.integer, forms[i].number);
    }
}

static void numbers_with_a_point(void **state) {
    (void)state;
    static const double numbers[] = {0.0,     -0.0,     1.0,       -1.5,     0.1,       DBL_MIN,
                                     DBL_MAX, -DBL_MAX, 0x1p-1074, INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint8_t out[DAFFI_MSGPACK_HEAD_MAX];
        msgpack_pack_double(&packer, numbers[i]);
        struct daffi_msgpack_value value = same_as_theirs(out, daffi_msgpack_write_double(out, numbers[i]));
        assert_int_equal(value.kind, DAFFI_MSGPACK_DOUBLE);
        assert_memory_equal(&value.real, &numbers[i], sizeof(double));

        /* Single precision is read, though not written. */
        if (isfinite(numbers[i]) && fabs(numbers[i]) > FLT_MAX)
            continue;
        const float single = (float)numbers[i];
        msgpack_pack_float(&packer, single);
        value = read_everywhere(daffi_span_of(theirs.data, theirs.size));
        msgpack_sbuffer_clear(&theirs);
        assert_int_equal(value.kind, DAFFI_MSGPACK_DOUBLE);
        assert_true(isnan(single) ? isnan(value.real) : value.real == (double)single);
    }
}

static const uint32_t lengths[] = {0,
                                   1,
                                   2,
                                   14,
                                   15,
                                   16,
                                   17,
                                   30,
                                   31,
                                   32,
                                   33,
                                   254,
                                   255,
                                   256,
                                   257,
                                   65534,
                                   65535,
                                   65536,
                                   65537,
                                   1 << 24,
                                   INT32_MAX,
                                   UINT32_C(1) << 31,
                                   UINT32_MAX - 1,
                                   UINT32_MAX};

static void check_length(enum daffi_msgpack_kind kind, uint32_t length, size_t (*write)(uint8_t *, uint32_t),
                         int (*write_theirs)(msgpack_packer *, size_t)) {
    uint8_t out[DAFFI_MSGPACK_HEAD_MAX];
    write_theirs(&packer, length);
    const struct daffi_msgpack_value value = same_as_theirs(out, write(out, length));
    assert_int_equal(value.kind, kind);
    assert_int_equal(value.length, length);
}

static void heads_with_a_length(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        check_length(DAFFI_MSGPACK_TEXT, lengths[i], daffi_msgpack_write_text_head, msgpack_pack_str);
        check_length(DAFFI_MSGPACK_BYTES, lengths[i], daffi_msgpack_write_bytes_head, msgpack_pack_bin);
        check_length(DAFFI_MSGPACK_ARRAY, lengths[i], daffi_msgpack_write_array_head, msgpack_pack_array);
        check_length(DAFFI_MSGPACK_MAP, lengths[i], daffi_msgpack_write_map_head, msgpack_pack_map);
    }
}

static void lengths_in_longer_forms(void **state) {
    (void)state;
    static const struct {
        const char *hex;
        enum daffi_msgpack_kind kind;
        uint32_t length;
    } forms[] = {
        {"d900", DAFFI_MSGPACK_TEXT, 0},        {"da0000", DAFFI_MSGPACK_TEXT, 0},
        {"db00000000", DAFFI_MSGPACK_TEXT, 0},  {"db00000003", DAFFI_MSGPACK_TEXT, 3},
        {"c50000", DAFFI_MSGPACK_BYTES, 0},     {"c600000000", DAFFI_MSGPACK_BYTES, 0},
        {"c600000001", DAFFI_MSGPACK_BYTES, 1}, {"dc0000", DAFFI_MSGPACK_ARRAY, 0},
        {"dd00000000", DAFFI_MSGPACK_ARRAY, 0}, {"dd00000002", DAFFI_MSGPACK_ARRAY, 2},
        {"de0000", DAFFI_MSGPACK_MAP, 0},       {"df00000000", DAFFI_MSGPACK_MAP, 0},
        {"df00000002", DAFFI_MSGPACK_MAP, 2},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        uint8_t bytes[16];
        const size_t length = hex_decode(forms[i].hex, bytes, sizeof bytes);
        const struct daffi_msgpack_value value = read_everywhere(daffi_span_of(bytes, length));
        assert_int_equal(value.kind, forms[i].kind);
        assert_int_equal(value.length, forms[i].length);
    }
}

/* libmsgpack's own head of an extension, of every length and some types. */
static void extensions(void **state) {
    (void)state;
    static const int8_t types[] = {0, 1, 127, -2, -128};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (size_t type = 0; type < sizeof types; type++) {
            if (lengths[i] == UINT32_MAX)
                continue; /* below */
            msgpack_pack_ext(&packer, lengths[i], types[type]);
            const struct daffi_msgpack_value value = read_everywhere(daffi_span_of(theirs.data, theirs.size));
            msgpack_sbuffer_clear(&theirs);
            assert_int_equal(value.kind, DAFFI_MSGPACK_EXTENSION);
            assert_int_equal(value.extension_type, types[type]);
            assert_int_equal(value.length, lengths[i]);
        }
    }
}

static void assert_bad(const char *hex, size_t bytes_needed) {
    uint8_t bytes[32];
    const size_t length = hex_decode(hex, bytes, sizeof bytes);
    struct daffi_msgpack_value value;
    memset(&value, 0x5A, sizeof value);
    const struct daffi_msgpack_value before = value;
    for (size_t cut = 0; cut <= length; cut++) {
        assert_int_equal(read_at_page_end(daffi_span_of(bytes, cut), &value),
                         cut < bytes_needed ? -EAGAIN : -EBADMSG);
        assert_memory_equal(&value, &before, sizeof value);
    }
}

static void bytes_that_are_no_value(void **state) {
    (void)state;
    assert_bad("c1", 1);
    assert_bad("c1c0", 1);
    /* One byte more than 32 bits can count, with the type. */
    assert_bad("c9ffffffff 05 00", 5);
    assert_bad("c9ffffffff ff 00", 5);
}

static void timestamps(void **state) {
    (void)state;
    static const struct {
        int64_t seconds;
        uint32_t nanoseconds;
        size_t length;
    } times[] = {
        {0, 0, 6},
        {1, 0, 6},
        {UINT32_MAX, 0, 6},
        {0, 1, 10},
        {UINT32_MAX, 999999999, 10},
        {INT64_C(1) << 32, 0, 10},
        {(INT64_C(1) << 34) - 1, 0, 10},
        {(INT64_C(1) << 34) - 1, 999999999, 10},
        {INT64_C(1) << 34, 0, 15},
        {INT64_C(1) << 34, 999999999, 15},
        {-1, 0, 15},
        {-1, 999999999, 15},
        {INT64_MIN, 0, 15},
        {INT64_MAX, 999999999, 15},
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        uint8_t out[DAFFI_MSGPACK_HEAD_MAX];
        const msgpack_timestamp timestamp = {.tv_sec = times[i].seconds, .tv_nsec = times[i].nanoseconds};
        msgpack_pack_timestamp(&packer, &timestamp);
        const size_t length = daffi_msgpack_write_timestamp(out, times[i].seconds, times[i].nanoseconds);
        assert_int_equal(length, times[i].length);
        const struct daffi_msgpack_value value = same_as_theirs(out, length);
        assert_int_equal(value.kind, DAFFI_MSGPACK_TIMESTAMP);
        assert_int_equal(value.integer, times[i].seconds);
        assert_int_equal(value.nanoseconds, times[i].nanoseconds);
    }
}

static void timestamps_in_longer_forms(void **state) {
    (void)state;
    static const char *const one_second[] = {
        "c704ff 00000001", /* ext 8 where a fixext would do */
        "c80004ff 00000001",
        "c900000004ff 00000001",
        "d7ff 0000000000000001",
        "c708ff 0000000000000001",
        "c80008ff 0000000000000001",
        "c900000008ff 0000000000000001",
        "c70cff 00000000 0000000000000001",
        "c8000cff 00000000 0000000000000001",
        "c90000000cff 00000000 0000000000000001", /* the longest head there is */
    };
    for (size_t i = 0; i < sizeof one_second / sizeof *one_second; i++) {
        uint8_t bytes[32];
        const size_t length = hex_decode(one_second[i], bytes, sizeof bytes);
        const struct daffi_msgpack_value value = read_everywhere(daffi_span_of(bytes, length));
        assert_int_equal(value.kind, DAFFI_MSGPACK_TIMESTAMP);
        assert_int_equal(value.integer, 1);
        assert_int_equal(value.nanoseconds, 0);
    }
}

static void timestamps_out_of_range(void **state) {
    (void)state;
    assert_bad("d7ff ee6b2800 00000000", 10); /* 1,000,000,000 ns */
    assert_bad("d7ff fffffffc 00000000", 10); /* 2^30-1 ns, all that 30 bits hold */
    assert_bad("c70cff 3b9aca00 0000000000000000", 15);
    assert_bad("c70cff ffffffff 0000000000000000", 15);
    /* Of lengths that no timestamp has: nothing of their bodies is waited for. */
    assert_bad("c700ff", 3);
    assert_bad("d4ff 00", 2);
    assert_bad("d5ff 0000", 2);
    assert_bad("c703ff 000000", 3);
    assert_bad("c705ff 0000000000", 3);
    assert_bad("c70bff 0000000000000000000000", 3);
    assert_bad("c70dff 00000000000000000000000000", 3);
    assert_bad("d8ff 00000000000000000000000000000000", 2);
    assert_bad("c80010ff", 4);
    assert_bad("c900010000ff", 6);
}

/* Whatever the first byte is, it is a value, the beginning of one, or 0xc1; and what it wants is told by the table of the
 * specification. */
static void every_first_byte(void **state) {
    (void)state;
    for (unsigned first = 0; first <= 0xFF; first++) {
        uint8_t bytes[DAFFI_MSGPACK_HEAD_MAX] = {(uint8_t)first};
        struct daffi_msgpack_value value = {.kind = DAFFI_MSGPACK_NIL};
        const int alone = read_at_page_end(daffi_span_of(bytes, 1), &value);
        const int padded = read_at_page_end(daffi_span_of(bytes, sizeof bytes), &value);
        if (first == 0xC1) {
            assert_int_equal(alone, -EBADMSG);
            assert_int_equal(padded, -EBADMSG);
            continue;
        }
        static const uint8_t more[] = {1, 2, 4, 2, 3, 5, 4, 8, 1, 2, 4, 8, 1, 2,
                                       4, 8, 1, 1, 1, 1, 1, 1, 2, 4, 2, 4, 2, 4};
        const bool has_more = first >= 0xC4 && first <= 0xDF;
        assert_int_equal(alone, has_more ? -EAGAIN : 1);
        assert_int_equal(padded, has_more ? 1 + more[first - 0xC4] : 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nil_and_truth),
        cmocka_unit_test(integers),
        cmocka_unit_test(naturals_past_int64),
        cmocka_unit_test(integers_in_longer_forms),
        cmocka_unit_test(numbers_with_a_point),
        cmocka_unit_test(heads_with_a_length),
        cmocka_unit_test(lengths_in_longer_forms),
        cmocka_unit_test(extensions),
        cmocka_unit_test(bytes_that_are_no_value),
        cmocka_unit_test(timestamps),
        cmocka_unit_test(timestamps_in_longer_forms),
        cmocka_unit_test(timestamps_out_of_range),
        cmocka_unit_test(every_first_byte),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
