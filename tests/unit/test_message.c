/* The header's bits, the metadata's parts, and what real peers put on the wire. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

#include "daffi/message.h"
#include "daffi/payload.h"
#include "guarded.h"
#include "hex.h"
#include "vectors.h"

enum { CASE_MAX = 65536 };

static struct daffi_message request(void) {
    return (struct daffi_message){
        .uuid = 0x1234,
        .flag = DAFFI_REQUEST,
        .decoder = DAFFI_JSON,
        .return_result = true,
        .transmitter = daffi_span_text("page"),
        .receiver = daffi_span_text("w1"),
        .function = daffi_span_text("add"),
        .payload = daffi_span_text("{\"args\":[3,4],\"kwargs\":{}}"),
    };
}

/* Head and payload behind each other; returns their size. */
static size_t encode_whole(const struct daffi_message *message, uint8_t *out, size_t capacity) {
    const int head = daffi_message_encode_head(message, out, capacity);
    assert_true(head > 0 && (size_t)head + message->payload.length <= capacity);
    if (message->payload.length > 0)
        memcpy(out + head, message->payload.data, message->payload.length);
    return (size_t)head + message->payload.length;
}

static void assert_same(const struct daffi_message *a, const struct daffi_message *b) {
    assert_int_equal(a->uuid, b->uuid);
    assert_int_equal(a->flag, b->flag);
    assert_int_equal(a->decoder, b->decoder);
    assert_int_equal(a->is_bytes, b->is_bytes);
    assert_int_equal(a->return_result, b->return_result);
    assert_true(daffi_span_equal(a->transmitter, b->transmitter));
    assert_true(daffi_span_equal(a->receiver, b->receiver));
    assert_true(daffi_span_equal(a->function, b->function));
    assert_true(daffi_span_equal(a->payload, b->payload));
}

static void awaited_is_a_request_whose_sender_waits(void **state) {
    (void)state;
    for (unsigned flag = DAFFI_HANDSHAKE; flag <= DAFFI_EVENTS; flag++)
        for (int waits = 0; waits < 2; waits++) {
            uint8_t out[64];
            struct daffi_message message = request();
            message.flag = (enum daffi_flag)flag;
            message.return_result = waits != 0;
            const int head = daffi_message_encode_head(&message, out, sizeof out);
            assert_true(head > 0);
            assert_int_equal(daffi_message_is_awaited(daffi_span_of(out, (size_t)head)),
                             flag == DAFFI_REQUEST && waits);
        }
}

/* Bars and letters beyond ASCII at each place of a word, and in parts of each length. */
static void metadata_is_split_wherever_its_bars_are(void **state) {
    (void)state;
    static const char text[] = "abcdefg\xc3\xa9hijklmnopqrst";
    for (size_t a = 0; a <= 20; a++)
        for (size_t b = 0; b <= 20; b++) {
            uint8_t out[128];
            struct daffi_message message = request(), seen;
            struct daffi_fault fault;
            size_t size = 0;
            message.transmitter = daffi_span_of(text, a == 8 ? 9 : a);
            message.receiver = daffi_span_of(text, b == 8 ? 9 : b);
            message.function = daffi_span_of(text, (a + b) % 7);
            const size_t length = encode_whole(&message, out, sizeof out);
            assert_int_equal(daffi_message_decode(daffi_span_of(out, length), &seen, &size, &fault), 0);
            assert_same(&message, &seen);
        }
}

/* protocol.md's check value, with metadata and payload of the lengths that it names. */
static void check_value(void **state) {
    (void)state;
    static const uint8_t header[] = {0x61, 0x1e, 0x91, 0xe8, 0x03, 0x00, 0x32, 0x00, 0x81};
    static uint8_t payload[975];
    struct daffi_message message = request();
    message.uuid = 7777;
    message.transmitter = daffi_span_text("abcdefgh");
    message.receiver = daffi_span_text("ijklmnop");
    message.function = daffi_span_text("qrstuvw");
    message.payload = daffi_span_of(payload, sizeof payload);
    uint8_t out[DAFFI_HEAD_MAX];
    assert_int_equal(daffi_message_encode_head(&message, out, sizeof out), 9 + 25);
    assert_memory_equal(out, header, sizeof header);
    assert_memory_equal(out + 9, "abcdefgh|ijklmnop|qrstuvw", 25);

    struct daffi_message decoded;
    size_t size = 0;
    struct daffi_fault fault;
    assert_int_equal(daffi_message_decode_head(daffi_span_of(out, 34), &decoded, &size, &fault), 0);
    assert_int_equal(size, 1009);
    assert_int_equal(decoded.uuid, 7777);
    assert_int_equal(decoded.flag, DAFFI_REQUEST);
    assert_int_equal(decoded.decoder, DAFFI_JSON);
    assert_false(decoded.is_bytes);
    assert_true(decoded.return_result);
    assert_int_equal(decoded.payload.length, 0);
}

/* Each field has bits of its own: every value of the small ones, the borders of the wide ones. */
static void every_field_comes_back(void **state) {
    (void)state;
    static const uint16_t uuids[] = {0, 1, 0xFF, 0x100, 0x8000, 0xFFFF};
    uint8_t out[256];
    for (size_t u = 0; u < sizeof uuids / sizeof *uuids; u++)
        for (unsigned bits = 0; bits < 5 * 4 * 2 * 2; bits++) {
            struct daffi_message message = request(), decoded;
            message.uuid = uuids[u];
            message.flag = (enum daffi_flag)(bits / 16);
            message.decoder = (enum daffi_decoder)(bits / 4 % 4);
            message.is_bytes = bits & 2;
            message.return_result = bits & 1;
            size_t size = 0, whole = encode_whole(&message, out, sizeof out);
            struct daffi_fault fault;
            assert_int_equal(daffi_message_decode(daffi_span_of(out, whole), &decoded, &size, &fault), 0);
            assert_int_equal(size, whole);
            assert_same(&message, &decoded);
        }
}

static void lengths_at_the_limits(void **state) {
    (void)state;
    static uint8_t name[DAFFI_METADATA_MAX];
    static uint8_t out[DAFFI_HEAD_MAX];
    memset(name, 'n', sizeof name);
    struct daffi_message message = {.function = daffi_span_of(name, DAFFI_METADATA_MAX - 2)}, decoded;
    struct daffi_fault fault;
    size_t size = 0;

    /* The payload is counted, not read: a length alone stands for it. */
    message.payload = daffi_span_of(name, DAFFI_LENGTH_MAX - DAFFI_METADATA_MAX);
    assert_int_equal(daffi_message_encode_head(&message, out, sizeof out), DAFFI_HEAD_MAX);
    assert_int_equal(daffi_message_decode_head(daffi_span_of(out, sizeof out), &decoded, &size, &fault), 0);
    assert_int_equal(size, DAFFI_MESSAGE_MAX);
    assert_int_equal(decoded.function.length, DAFFI_METADATA_MAX - 2);

    out[0] = 0x55;
    assert_int_equal(daffi_message_encode_head(&message, out, sizeof out - 1), -ENOBUFS);
    message.payload.length++;
    assert_int_equal(daffi_message_encode_head(&message, out, sizeof out), -EMSGSIZE);
    message.payload.length = SIZE_MAX;
    assert_int_equal(daffi_message_encode_head(&message, out, sizeof out), -EMSGSIZE);
    message.payload.length = 0;
    message.function.length++;
    assert_int_equal(daffi_message_encode_head(&message, out, sizeof out), -EMSGSIZE);
    message.transmitter = message.receiver = message.function = daffi_span_of(name, SIZE_MAX);
    assert_int_equal(daffi_message_encode_head(&message, out, sizeof out), -EMSGSIZE);
    assert_int_equal(out[0], 0x55);
}

static void a_bar_in_a_part_is_refused(void **state) {
    (void)state;
    uint8_t out[64] = {0x55};
    for (int part = 0; part < 3; part++) {
        struct daffi_message message = {.decoder = DAFFI_JSON};
        *(part == 0   ? &message.transmitter
          : part == 1 ? &message.receiver
                      : &message.function) = daffi_span_text("a|");
        assert_int_equal(daffi_message_encode_head(&message, out, sizeof out), -EINVAL);
    }
    struct daffi_message message = {.flag = (enum daffi_flag)5};
    assert_int_equal(daffi_message_encode_head(&message, out, sizeof out), -EINVAL);
    message = (struct daffi_message){.decoder = (enum daffi_decoder)4};
    assert_int_equal(daffi_message_encode_head(&message, out, sizeof out), -EINVAL);
    assert_int_equal(out[0], 0x55);
}

/* What decode and decode_head say of each beginning of a good message; outputs untouched until they are due. */
static void assert_every_split(struct daffi_span whole) {
    size_t metadata = 0;
    for (size_t cut = 0; cut <= whole.length; cut++) {
        const struct daffi_span in = guarded_copy(&guarded, daffi_span_of(whole.data, cut));
        struct daffi_message message = {.uuid = 0xBEEF};
        struct daffi_fault fault = {"untouched", 77};
        size_t size = 0;

        int r = daffi_message_decode(in, &message, &size, &fault);
        assert_int_equal(r, cut < whole.length ? -EAGAIN : 0);
        assert_int_equal(size, cut < DAFFI_HEADER_BYTES ? (size_t)DAFFI_HEADER_BYTES : whole.length);
        if (r < 0)
            assert_int_equal(message.uuid, 0xBEEF);
        else
            metadata = message.transmitter.length + message.receiver.length + message.function.length + 2;

        struct daffi_message head = {.uuid = 0xBEEF};
        size = 0;
        r = daffi_message_decode_head(in, &head, &size, &fault);
        assert_int_equal(size, cut < DAFFI_HEADER_BYTES ? (size_t)DAFFI_HEADER_BYTES : whole.length);
        if (r < 0) {
            assert_int_equal(r, -EAGAIN);
            assert_int_equal(head.uuid, 0xBEEF);
        } else {
            assert_int_equal(head.payload.length, 0);
            assert_true(head.function.data + head.function.length <= in.data + in.length);
        }
        assert_string_equal(fault.text, "untouched");
    }
    /* The head is there as soon as its bytes are. */
    struct daffi_message head;
    struct daffi_fault fault;
    size_t size = 0;
    assert_int_equal(daffi_message_decode_head(daffi_span_of(whole.data, DAFFI_HEADER_BYTES + metadata),
                                               &head, &size, &fault),
                     0);
    assert_int_equal(daffi_message_decode_head(daffi_span_of(whole.data, DAFFI_HEADER_BYTES + metadata - 1),
                                               &head, &size, &fault),
                     -EAGAIN);
}

static void every_split_of_a_message(void **state) {
    (void)state;
    uint8_t out[256];
    struct daffi_message message = request();
    assert_every_split(daffi_span_of(out, encode_whole(&message, out, sizeof out)));
    message = (struct daffi_message){.flag = DAFFI_EVENTS, .decoder = DAFFI_JSON}; /* every part empty */
    assert_every_split(daffi_span_of(out, encode_whole(&message, out, sizeof out)));
}

static void what_follows_is_left_alone(void **state) {
    (void)state;
    uint8_t out[512];
    const struct daffi_message message = request();
    const size_t first = encode_whole(&message, out, sizeof out);
    memset(out + first, 0xFF, 40);
    struct daffi_message decoded;
    struct daffi_fault fault;
    size_t size = 0;
    assert_int_equal(daffi_message_decode(daffi_span_of(out, first + 40), &decoded, &size, &fault), 0);
    assert_int_equal(size, first);
    assert_same(&message, &decoded);
}

static void assert_broken(const uint8_t *bytes, size_t length, size_t offset, const char *says) {
    const struct daffi_span in = guarded_copy(&guarded, daffi_span_of(bytes, length));
    for (int head = 0; head <= 1; head++) {
        struct daffi_message message = {.uuid = 0xBEEF};
        struct daffi_fault fault = {"untouched", 0};
        size_t size = 4711;
        const int r = head ? daffi_message_decode_head(in, &message, &size, &fault)
                           : daffi_message_decode(in, &message, &size, &fault);
        assert_int_equal(r, -EPROTO);
        if (!strstr(fault.text, says))
            fail_msg("'%s' does not say '%s'", fault.text, says);
        assert_int_equal(fault.offset, offset);
        assert_int_equal(size, 4711);
        assert_int_equal(message.uuid, 0xBEEF);
    }
}

/* A broken header is refused with its nine bytes, whatever it says is still to come. */
static void broken_headers(void **state) {
    (void)state;
    uint8_t out[256], broken[DAFFI_HEADER_BYTES];
    const struct daffi_message message = request();
    encode_whole(&message, out, sizeof out);
    for (unsigned flag = 5; flag < 16; flag++) {
        memcpy(broken, out, sizeof broken);
        broken[2] = (uint8_t)((broken[2] & 0xF0U) | flag);
        assert_broken(broken, sizeof broken, 2, "flag");
    }
    for (unsigned parts = 0; parts < 128; parts++) {
        memcpy(broken, out, sizeof broken);
        broken[8] = (uint8_t)(0x80U | parts);
        if (parts != 1)
            assert_broken(broken, sizeof broken, 8, "msg_parts");
    }
    memcpy(broken, out, sizeof broken);
    broken[8] = 0x01;
    assert_broken(broken, sizeof broken, 8, "big-endian");
    memcpy(broken, out, sizeof broken);
    broken[3] = 5; /* msg_len below the metadata's ten bytes */
    broken[4] = broken[5] = 0;
    assert_broken(broken, sizeof broken, 6, "metadata_len");
    memset(broken, 0xFF, sizeof broken);
    assert_broken(broken, sizeof broken, 2, "flag");
    memset(broken, DAFFI_PROBE, sizeof broken); /* the probe is no message */
    assert_broken(broken, sizeof broken, 2, "flag");
}

static void broken_metadata(void **state) {
    (void)state;
    static const struct {
        const char *metadata;
        size_t offset;
        const char *says;
    } cases[] = {
        {"", 9, "two bars"},           {"a", 10, "two bars"},
        {"|", 10, "two bars"},         {"abc|de", 15, "two bars"},
        {"a|b|c|", 14, "two bars"},    {"|||", 11, "two bars"},
        {"a|b|c|d|e", 14, "two bars"}, {"\xFF||", 9, "UTF-8"},
        {"a|b|\xC3", 13, "UTF-8"},     {"a|\xED\xA0\x80|", 11, "UTF-8"},
        {"a\xC3|\xA9|", 10, "UTF-8"}, /* each part is text by itself */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[64] = {1, 0, 0x91, 0, 0, 0, 0, 0, 0x81};
        const size_t length = strlen(cases[i].metadata);
        bytes[3] = (uint8_t)length;
        bytes[6] = (uint8_t)(length << 1);
        memcpy(bytes + 9, cases[i].metadata, length);
        assert_broken(bytes, 9 + length, cases[i].offset, cases[i].says);
    }
}

/* Any nine bytes: a verdict, and never a part outside the input. */
static void random_bytes(void **state) {
    (void)state;
    uint32_t seed = 20240607;
    uint8_t bytes[64];
    for (int round = 0; round < 200000; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 1664525 + 1013904223;
            bytes[i] = (uint8_t)(seed >> 24);
        }
        bytes[2] &= 0xF3;
        bytes[4] = bytes[5] = bytes[7] = 0;
        bytes[3] &= 0x3F;
        bytes[6] &= 0x1E;
        bytes[8] = 0x81;
        bytes[10] = bytes[12] = '|';
        const struct daffi_span in = guarded_copy(&guarded, daffi_span_of(bytes, sizeof bytes));
        struct daffi_message message;
        struct daffi_fault fault;
        size_t size = 0;
        if (daffi_message_decode(in, &message, &size, &fault) == 0) {
            uint8_t again[sizeof bytes];
            assert_true(size <= sizeof bytes);
            assert_int_equal(encode_whole(&message, again, sizeof again), size);
            assert_memory_equal(again, bytes, size);
        }
    }
}

static void assert_vector(const char *name, const char *hex) {
    static uint8_t bytes[CASE_MAX], again[CASE_MAX];
    const size_t length = hex_decode(hex, bytes, sizeof bytes);
    assert_int_equal(length, strlen(hex) / 2);
    for (size_t at = 0; at < length;) {
        struct daffi_message message;
        struct daffi_fault fault = {"", 0};
        size_t size = 0;
        if (daffi_message_decode(daffi_span_of(bytes + at, length - at), &message, &size, &fault) != 0)
            fail_msg("%s: %s at %zu", name, fault.text, fault.offset);
        if (daffi_payload_check(&message, 16, &fault) != 0)
            fail_msg("%s: payload: %s at %zu", name, fault.text, fault.offset);
        assert_int_equal(encode_whole(&message, again, sizeof again), size);
        assert_memory_equal(again, bytes + at, size);
        assert_every_split(daffi_span_of(bytes + at, size));
        at += size;
    }
}

/* Its state is the vector. */
static void vector(void **state) {
    static const char *const ways[] = {"sent", "received"};
    const json_t *object = *state;
    const char *name = json_string_value(json_object_get(object, "name"));
    for (size_t way = 0; way < 2; way++) {
        const json_t *messages = json_object_get(object, ways[way]);
        if (json_is_string(messages))
            assert_vector(name, json_string_value(messages));
        for (size_t i = 0; json_is_array(messages) && i < json_array_size(messages); i++)
            assert_vector(name, json_string_value(json_array_get(messages, i)));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_value),
        cmocka_unit_test(awaited_is_a_request_whose_sender_waits),
        cmocka_unit_test(metadata_is_split_wherever_its_bars_are),
        cmocka_unit_test(every_field_comes_back),
        cmocka_unit_test(lengths_at_the_limits),
        cmocka_unit_test(a_bar_in_a_part_is_refused),
        cmocka_unit_test(every_split_of_a_message),
        cmocka_unit_test(what_follows_is_left_alone),
        cmocka_unit_test(broken_headers),
        cmocka_unit_test(broken_metadata),
        cmocka_unit_test(random_bytes),
    };
    int failed = cmocka_run_group_tests_name("message", tests, guarded_set_up, guarded_tear_down);
    failed += vectors_run("vectors of daffi 3.0.1", TESTS_DIR "/vectors/daffi-3.0.1.json", 0, vector,
                          guarded_set_up, guarded_tear_down);
    return failed;
}
