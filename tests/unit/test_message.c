/* The daffi header and metadata: real bytes both ways, every cut, every refusal. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "daffi/message.h"
#include "guarded.h"

enum { GUARDED_BYTES = 1 << 16 };

static struct guarded guarded;

/* A copy that ends at the guard page. */
static const uint8_t *guard(const void *bytes, size_t length) {
    return guarded_copy(&guarded, daffi_span_of(bytes, length)).data;
}

static size_t from_hex(const char *hex, uint8_t *out, size_t capacity) {
    size_t length = strlen(hex) / 2;
    assert_true(length <= capacity);
    for (size_t i = 0; i < length; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return length;
}

/* Decodes it whole and at every cut, and encodes what came out: the same bytes. */
static void check_round_trip(const char *hex) {
    uint8_t bytes[4096];
    uint8_t again[DAFFI_HEAD_MAX];
    struct daffi_fault fault;
    size_t length = from_hex(hex, bytes, sizeof bytes);
    for (size_t cut = 0; cut < length; cut++) {
        struct daffi_message untouched = {.uuid = 4242};
        size_t size = 0;
        const uint8_t *part = guard(bytes, cut);
        assert_int_equal(daffi_message_decode(daffi_span_of(part, cut), &untouched, &size, &fault), -EAGAIN);
        assert_int_equal(size, cut < DAFFI_HEADER_BYTES ? DAFFI_HEADER_BYTES : length);
        assert_int_equal(untouched.uuid, 4242);
    }
    struct daffi_message message;
    size_t size = 0;
    const uint8_t *whole = guard(bytes, length);
    assert_int_equal(daffi_message_decode(daffi_span_of(whole, length), &message, &size, &fault), 0);
    assert_int_equal(size, length);
    int head = daffi_message_encode_head(&message, again, sizeof again);
    assert_int_equal(head, length - message.payload.length);
    assert_memory_equal(again, bytes, (size_t)head);
    assert_ptr_equal(message.payload.data, whole + head);

    struct daffi_message head_alone;
    assert_int_equal(
        daffi_message_decode_head(daffi_span_of(bytes, (size_t)head), &head_alone, &size, &fault), 0);
    assert_int_equal(size, length);
    assert_int_equal(head_alone.payload.length, 0);
    assert_true(daffi_span_equal(head_alone.function, message.function));
}

static void every_vector_goes_both_ways(void **state) {
    (void)state;
    json_error_t error;
    json_t *root = json_load_file(TESTS_DIR "/vectors/daffi-3.0.1.json", 0, &error);
    assert_non_null(root);
    size_t checked = 0;
    size_t i;
    json_t *vector;
    json_array_foreach(json_object_get(root, "vectors"), i, vector) {
        static const char *const sides[] = {"sent", "received"};
        for (size_t side = 0; side < 2; side++) {
            const char *hex = json_string_value(json_object_get(vector, sides[side]));
            if (hex != NULL) {
                check_round_trip(hex);
                checked++;
            }
        }
    }
    assert_true(checked >= 26);
    json_decref(root);
}

static void the_check_value_of_the_protocol(void **state) {
    (void)state;
    static const uint8_t expected[] = {0x61, 0x1e, 0x91, 0xe8, 0x03, 0x00, 0x32, 0x00, 0x81};
    static const uint8_t payload[975];
    uint8_t out[DAFFI_HEAD_MAX];
    struct daffi_message message = {.uuid = 7777,
                                    .flag = DAFFI_REQUEST,
                                    .decoder = DAFFI_JSON,
                                    .return_result = true,
                                    .transmitter = daffi_span_text("0123456789"),
                                    .receiver = daffi_span_text("0123456789"),
                                    .function = daffi_span_text("012"),
                                    .payload = daffi_span_of(payload, sizeof payload)};
    assert_int_equal(daffi_message_encode_head(&message, out, sizeof out), 9 + 25);
    assert_memory_equal(out, expected, sizeof expected);
}

/* A header of nine bytes, of whatever is asked for, and `metadata` behind it. */
static size_t build(uint8_t *out, unsigned flag, unsigned parts, unsigned endian, uint64_t length,
                    const char *metadata, uint64_t metadata_length) {
    uint64_t pair = length | metadata_length << 25;
    out[0] = 1;
    out[1] = 0;
    out[2] = (uint8_t)(flag | 1U << 4);
    for (int i = 0; i < 5; i++) {
        out[3 + i] = (uint8_t)(pair >> 8 * i);
    }
    out[8] = (uint8_t)(parts | endian << 7);
    memcpy(out + 9, metadata, strlen(metadata));
    return 9 + strlen(metadata);
}

static void what_is_broken_is_refused_with_a_sentence(void **state) {
    (void)state;
    static const struct {
        const char *metadata, *says;
        unsigned flag, parts, endian;
        int longer; /* metadata_len beyond msg_len */
    } cases[] = {
        {"a|b|c", "flag", 5, 1, 1, 0},         {"a|b|c", "flag", 15, 1, 1, 0},
        {"a|b|c", "msg_parts", 1, 0, 1, 0},    {"a|b|c", "msg_parts", 1, 2, 1, 0},
        {"a|b|c", "big-endian", 1, 1, 0, 0},   {"a|b|c", "metadata_len", 1, 1, 1, 1},
        {"", "two bars", 1, 1, 1, 0},          {"a", "two bars", 1, 1, 1, 0},
        {"a|b", "two bars", 1, 1, 1, 0},       {"a|b|c|d", "two bars", 1, 1, 1, 0},
        {"||||", "two bars", 1, 1, 1, 0},      {"a|\xff|c", "UTF-8", 1, 1, 1, 0},
        {"a|\xc0\x80|c", "UTF-8", 1, 1, 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[64];
        size_t metadata = strlen(cases[i].metadata);
        size_t length = build(bytes, cases[i].flag, cases[i].parts, cases[i].endian, metadata,
                              cases[i].metadata, metadata + (size_t)cases[i].longer);
        struct daffi_message untouched = {.uuid = 4242};
        struct daffi_fault fault = {0};
        size_t size = 77;
        const uint8_t *copy = guard(bytes, length);
        assert_int_equal(daffi_message_decode(daffi_span_of(copy, length), &untouched, &size, &fault),
                         -EPROTO);
        assert_non_null(strstr(fault.text, cases[i].says));
        assert_true(fault.offset <= length);
        assert_int_equal(untouched.uuid, 4242);
        assert_int_equal(size, 77);
    }
}

static void parts_may_be_empty_and_the_largest_message_fits(void **state) {
    (void)state;
    uint8_t bytes[64];
    struct daffi_message message;
    struct daffi_fault fault;
    size_t size = 0;
    size_t length = build(bytes, DAFFI_EVENTS, 1, 1, 2, "||", 2);
    assert_int_equal(daffi_message_decode(daffi_span_of(bytes, length), &message, &size, &fault), 0);
    assert_int_equal(message.transmitter.length + message.receiver.length + message.function.length, 0);
    assert_int_equal(message.flag, DAFFI_EVENTS);

    build(bytes, DAFFI_REQUEST, 1, 1, DAFFI_LENGTH_MAX, "||", 2);
    assert_int_equal(daffi_message_decode(daffi_span_of(bytes, 11), &message, &size, &fault), -EAGAIN);
    assert_int_equal(size, DAFFI_MESSAGE_MAX);
}

static void what_does_not_fit_the_wire_is_not_written(void **state) {
    (void)state;
    static uint8_t large[DAFFI_LENGTH_MAX];
    static uint8_t out[DAFFI_HEAD_MAX];
    struct daffi_message message = {.flag = DAFFI_REQUEST,
                                    .payload = daffi_span_of(large, DAFFI_LENGTH_MAX - 2)};
    assert_int_equal(daffi_message_encode_head(&message, out, sizeof out), 11);
    message.payload.length++;
    assert_int_equal(daffi_message_encode_head(&message, out, sizeof out), -EMSGSIZE);
    message = (struct daffi_message){.flag = DAFFI_REQUEST,
                                     .transmitter = daffi_span_of(large, DAFFI_METADATA_MAX - 2)};
    assert_int_equal(daffi_message_encode_head(&message, out, sizeof out), DAFFI_HEAD_MAX);
    assert_int_equal(daffi_message_encode_head(&message, out, sizeof out - 1), -ENOBUFS);
    message.receiver = daffi_span_of(large, 1);
    assert_int_equal(daffi_message_encode_head(&message, out, sizeof out), -EMSGSIZE);
    message = (struct daffi_message){.flag = DAFFI_REQUEST, .receiver = daffi_span_text("a|b")};
    assert_int_equal(daffi_message_encode_head(&message, out, sizeof out), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_goes_both_ways),
        cmocka_unit_test(the_check_value_of_the_protocol),
        cmocka_unit_test(what_is_broken_is_refused_with_a_sentence),
        cmocka_unit_test(parts_may_be_empty_and_the_largest_message_fits),
        cmocka_unit_test(what_does_not_fit_the_wire_is_not_written),
    };
    guarded = guarded_new(GUARDED_BYTES);
    int failed = cmocka_run_group_tests_name("message", tests, NULL, NULL);
    guarded_free(&guarded);
    return failed;
}
