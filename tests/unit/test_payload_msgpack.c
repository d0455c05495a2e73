/* MSGPACK payloads: what passes, and what is refused, where and why. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "daffi/payload.h"
#include "guarded.h"
#include "hex.h"

enum { BYTES_MAX = 1 << 17 };

static int check(enum daffi_flag flag, struct daffi_span payload, unsigned nesting,
                 struct daffi_fault *ret_fault) {
    const struct daffi_message message = {
        .flag = flag, .decoder = DAFFI_MSGPACK, .is_bytes = true, .payload = guarded_copy(&guarded, payload)};
    return daffi_payload_check(&message, nesting, ret_fault);
}

static struct daffi_span bytes_of(const char *hex) {
    static uint8_t bytes[256];
    return daffi_span_of(bytes, hex_decode(hex, bytes, sizeof bytes));
}

static void assert_good(enum daffi_flag flag, const char *hex) {
    struct daffi_fault fault = {"untouched", 7};
    if (check(flag, bytes_of(hex), 64, &fault) != 0)
        fail_msg("refused: %s: %s at %zu", hex, fault.text, fault.offset);
    assert_string_equal(fault.text, "untouched");
}

static void assert_bad(enum daffi_flag flag, const char *hex, size_t offset, const char *says) {
    struct daffi_fault fault = {"", 0};
    if (check(flag, bytes_of(hex), 64, &fault) != -EBADMSG)
        fail_msg("accepted: %s", hex);
    if (!strstr(fault.text, says) || fault.offset != offset)
        fail_msg("%s: '%s' at %zu, not '%s' at %zu", hex, fault.text, fault.offset, says, offset);
}

static const char *request_with(const char *value_hex) {
    static char hex[512];
    snprintf(hex, sizeof hex, "9291%s80", value_hex);
    return hex;
}

enum { VALUE_AT = 2 };

static void envelopes(void **state) {
    (void)state;
    assert_good(DAFFI_REQUEST, "929080");
    assert_good(DAFFI_REQUEST, "929301029080");
    assert_good(DAFFI_REQUEST, "9290 82 a161 01 a162 81c0c0");
    assert_good(DAFFI_REQUEST, "9290 82 a161 01 a161 02");
    assert_good(DAFFI_REQUEST, "9290 81 d90161 01");
    assert_good(DAFFI_REQUEST, "dc0002 dc0000 de0000");
    assert_good(DAFFI_REQUEST, "dd00000002 dd00000001c0 df00000000");

    assert_bad(DAFFI_REQUEST, "", 0, "empty");
    assert_bad(DAFFI_REQUEST, "9190", 0, "[[arguments");
    assert_bad(DAFFI_REQUEST, "9390 8080", 0, "[[arguments");
    assert_bad(DAFFI_REQUEST, "90", 0, "[[arguments");
    assert_bad(DAFFI_REQUEST, "80", 0, "[[arguments");
    assert_bad(DAFFI_REQUEST, "8290 8080 80", 0, "[[arguments");
    assert_bad(DAFFI_REQUEST, "c0", 0, "[[arguments");
    assert_bad(DAFFI_REQUEST, "928080", 1, "array");
    assert_bad(DAFFI_REQUEST, "92c080", 1, "array");
    assert_bad(DAFFI_REQUEST, "929090", 2, "map");
    assert_bad(DAFFI_REQUEST, "9290c0", 2, "map");
    assert_bad(DAFFI_REQUEST, "9290", 2, "ends");
    assert_bad(DAFFI_REQUEST, "9290 81 01 01", 3, "name has to be text");
    assert_bad(DAFFI_REQUEST, "9290 81 c40161 01", 3, "name has to be text");
    assert_bad(DAFFI_REQUEST, "9290 81 90 01", 3, "name has to be text");
    assert_bad(DAFFI_REQUEST, "9290 81 a161", 5, "ends");
    assert_bad(DAFFI_REQUEST, "929080 00", 3, "behind");
    assert_bad(DAFFI_REQUEST, "929080 929080", 3, "behind");
}

static void values(void **state) {
    (void)state;
    static const char *const good[] = {
        "00",
        "7f",
        "e0",
        "ff",
        "c0",
        "c2",
        "c3",
        "ca7fc00000",
        "cb7ff0000000000000",
        "ccff",
        "cdffff",
        "ceffffffff",
        "cfffffffffffffffff",
        "d080",
        "d18000",
        "d280000000",
        "d38000000000000000",
        "a0",
        "a161",
        "a2c3a9",
        "d900",
        "d90161",
        "da000161",
        "db0000000161",
        "a100",
        "c400",
        "c403000102",
        "c50001ff",
        "c600000001ff",
        "90",
        "9101",
        "dc000101",
        "dd0000000101",
        "9191919190",
        "80",
        "81a16101",
        "de0001c001",
        "df00000001c001",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_good(DAFFI_REQUEST, request_with(good[i]));

    static const struct {
        const char *value;
        size_t offset;
        const char *says;
    } bad[] = {
        {"c1", 0, "0xC1"},        {"91c1", 1, "0xC1"},          {"a1ff", 1, "UTF-8"},
        {"a3eda080", 1, "UTF-8"}, {"a4616263c3", 4, "UTF-8"},   {"d901ff", 2, "UTF-8"},
        {"da0001ff", 3, "UTF-8"}, {"db00000001ff", 5, "UTF-8"}, {"9281a1ff0100", 3, "UTF-8"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_bad(DAFFI_REQUEST, request_with(bad[i].value), VALUE_AT + bad[i].offset, bad[i].says);
}

/* Keys are what Python can hash. */
static void keys(void **state) {
    (void)state;
    static const char *const good[] = {"c0",     "c2",          "01",
                                       "e0",     "ca3f800000",  "cb7ff8000000000000",
                                       "a161",   "c40161",      "cfffffffffffffffff",
                                       "d40501", "d6ff00000001"};
    char value[64];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(value, sizeof value, "81%s01", good[i]);
        assert_good(DAFFI_REQUEST, request_with(value));
        snprintf(value, sizeof value, "82a16190%s9101", good[i]);
        assert_good(DAFFI_REQUEST, request_with(value));
    }
    static const char *const bad[] = {"90", "9101", "80", "81c0c0", "dc0000", "de0000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(value, sizeof value, "81%s01", bad[i]);
        assert_bad(DAFFI_REQUEST, request_with(value), VALUE_AT + 1, "key");
        snprintf(value, sizeof value, "8201 9182 02 03 %s01", bad[i]); /* the second key of a map inside */
        assert_bad(DAFFI_REQUEST, request_with(value), VALUE_AT + 6, "key");
        snprintf(value, sizeof value, "8201 8102 03 %s01", bad[i]); /* and of the one around it */
        assert_bad(DAFFI_REQUEST, request_with(value), VALUE_AT + 5, "key");
    }
}

static void extensions(void **state) {
    (void)state;
    static const char *const good[] = {
        "d40000",
        "d47f00",
        "d505 0000",
        "d605 00000000",
        "d705 0000000000000000",
        "d805 00000000000000000000000000000000",
        "c700 05",
        "c703 05 010203",
        "c80001 05 01",
        "c900000001 05 01",
        "c700 7f",
        /* timestamps 32, 64, 96, and in longer lengths' clothes */
        "d6ff 00000001",
        "d6ff ffffffff",
        "d7ff 0000000000000001",
        "d7ff ee6b27ff ffffffff",
        "c70cff 3b9ac9ff 8000000000000000",
        "c704ff 00000001",
        "c708ff 0000000000000000",
        "c80008ff 0000000000000000",
        "c90000000cff 000000000000000000000000",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_good(DAFFI_REQUEST, request_with(good[i]));
    static const struct {
        const char *value;
        size_t offset;
        const char *says;
    } bad[] = {
        {"d48000", 1, "reserved"},
        {"d4fe00", 1, "reserved"},
        {"c70080", 2, "reserved"},
        {"d4ff00", 1, "length"},
        {"d5ff0000", 1, "length"},
        {"c700ff", 2, "length"},
        {"c705ff0000000000", 2, "length"},
        {"d8ff00000000000000000000000000000000", 1, "length"},
        {"d7ff ee6b2800 00000000", 1, "nanoseconds"},
        {"d7ff ffffffff ffffffff", 1, "nanoseconds"},
        {"c70cff 3b9aca00 0000000000000000", 2, "nanoseconds"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_bad(DAFFI_REQUEST, request_with(bad[i].value), VALUE_AT + bad[i].offset, bad[i].says);
}

/* Lengths and counts far past the payload: refused at its end, at no cost. */
static void lengths_that_lie(void **state) {
    (void)state;
    static const char *const bad[] = {"9291 ddffffffff", "9291 dfffffffff",   "9291 dbffffffff",
                                      "9291 c6ffffffff", "9291 c9ffffffff05", "9291 dcffff",
                                      "92ddffffffff",    "9290dfffffffff",    "92dd00000010c0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_bad(DAFFI_REQUEST, bad[i], bytes_of(bad[i]).length, "ends within");
}

static void answers(void **state) {
    (void)state;
    assert_good(DAFFI_RESPONSE, "92910780");
    assert_good(DAFFI_RESPONSE, "92919281a1610190de0000");
    assert_bad(DAFFI_RESPONSE, "929080", 1, "one value");
    assert_bad(DAFFI_RESPONSE, "9292010280", 1, "one value");
    assert_bad(DAFFI_RESPONSE, "92910781a16101", 3, "empty");
    assert_bad(DAFFI_RESPONSE, "92910790", 3, "map");
}

static void errors(void **state) {
    (void)state;
    assert_good(DAFFI_ERROR, "929194aa56616c75654572726f72a86275696c74696e73a66b61626f6f6dc080");
    assert_good(DAFFI_ERROR, "9291dc0004a0a0a0 91c0 80");
    assert_bad(DAFFI_ERROR, "929193a0a0a080", 2, "[type");
    assert_bad(DAFFI_ERROR, "929195a0a0a0c0c080", 2, "[type");
    assert_bad(DAFFI_ERROR, "929194a0a001c080", 5, "[type");
    assert_bad(DAFFI_ERROR, "929194c400a0a0c080", 3, "[type");
    assert_bad(DAFFI_ERROR, "9291a080", 2, "[type");
    assert_bad(DAFFI_ERROR, "929084", 1, "one value");
}

static void nesting_is_bounded(void **state) {
    (void)state;
    static uint8_t bytes[4 * DAFFI_NESTING_MAX];
    static const unsigned bounds[] = {2, 3, 64, 511, 512, 513, 100000};
    struct daffi_fault fault;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        const unsigned effective = bounds[i] < DAFFI_NESTING_MAX ? bounds[i] : DAFFI_NESTING_MAX;
        for (unsigned levels = effective; levels <= effective + 1; levels++)
            for (int maps = 0; maps <= 1; maps++) {
                size_t length = 0;
                bytes[length++] = 0x92;
                bytes[length++] = levels > 2 ? 0x91 : 0x90;
                for (unsigned level = 3; level <= levels; level++) {
                    bytes[length++] = level == levels ? (maps ? 0x80 : 0x90) : maps ? 0x81 : 0x91;
                    if (maps && level < levels)
                        bytes[length++] = 0x01;
                }
                bytes[length++] = 0x80;
                assert_int_equal(check(DAFFI_REQUEST, daffi_span_of(bytes, length), bounds[i], &fault),
                                 levels == effective ? 0 : -EBADMSG);
                if (levels > effective)
                    assert_non_null(strstr(fault.text, "deeper"));
            }
    }
    assert_int_equal(check(DAFFI_REQUEST, bytes_of("929080"), 1, &fault), -EBADMSG);
    /* Closing one level makes room for the next: as many beside each other as one likes. */
    assert_int_equal(check(DAFFI_REQUEST, bytes_of("92 96 90 80 90 81c000 91c0 90 80"), 3, &fault), 0);
    assert_int_equal(check(DAFFI_REQUEST, bytes_of("92 90 82 a161 9101 a162 81c000"), 3, &fault), 0);
    assert_int_equal(check(DAFFI_REQUEST, bytes_of("92 90 81 a161 9190"), 3, &fault), -EBADMSG);
}

static void every_cut_is_refused(void **state) {
    (void)state;
    static const char whole[] =
        "92 97 01 ca3f800000 a3 c3a961 c402 ffff 83 a161 92 c0 c2 02 d6ff00000001 c0 c703 05010203 "
        "cb4004000000000000 d90161 82 a161 dc0001 01 a162 de0000";
    assert_good(DAFFI_REQUEST, whole);
    const size_t length = bytes_of(whole).length;
    for (size_t cut = 0; cut < length; cut++) {
        struct daffi_fault fault = {"", SIZE_MAX};
        assert_int_equal(check(DAFFI_REQUEST, daffi_span_of(bytes_of(whole).data, cut), 64, &fault),
                         -EBADMSG);
        assert_int_equal(fault.offset, cut);
    }
}

static void other_decoders(void **state) {
    (void)state;
    static const struct {
        enum daffi_flag flag;
        enum daffi_decoder decoder;
        bool is_bytes;
        const char *payload;
        bool good;
    } cases[] = {
        {DAFFI_REQUEST, DAFFI_MSGPACK, false, "\x92\x90\x80", false},
        {DAFFI_REQUEST, DAFFI_PICKLE, true, "\x80\x04.", true},
        {DAFFI_REQUEST, DAFFI_PICKLE, false, ".", false},
        {DAFFI_REQUEST, DAFFI_OPAQUE, true, "\xFF", true},
        {DAFFI_REQUEST, DAFFI_OPAQUE, true, "", true},
        {DAFFI_REQUEST, DAFFI_OPAQUE, false, "", true},
        {DAFFI_REQUEST, DAFFI_OPAQUE, false, "\xC3\xA9", true},
        {DAFFI_REQUEST, DAFFI_OPAQUE, false, "a\xFF", false},
        {DAFFI_RESPONSE, DAFFI_OPAQUE, true, "\xFF", true},
        {DAFFI_RESPONSE, DAFFI_OPAQUE, false, "\xFF", false},
        {DAFFI_ERROR, DAFFI_OPAQUE, false, "no such receiver", true},
        {DAFFI_ERROR, DAFFI_OPAQUE, true, "no such receiver", true},
        {DAFFI_ERROR, DAFFI_OPAQUE, true, "\xFF", false},
        {DAFFI_HANDSHAKE, DAFFI_MSGPACK, true, "\x92\x90\x80", false},
        {DAFFI_EVENTS, DAFFI_OPAQUE, true, "{}", false},
        {DAFFI_EVENTS, DAFFI_PICKLE, true, "\x80\x04.", false},
        {DAFFI_REQUEST, (enum daffi_decoder)7, true, "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct daffi_message message = {.flag = cases[i].flag,
                                              .decoder = cases[i].decoder,
                                              .is_bytes = cases[i].is_bytes,
                                              .payload = daffi_span_text(cases[i].payload)};
        struct daffi_fault fault = {"", 0};
        if (daffi_payload_check(&message, 64, &fault) != (cases[i].good ? 0 : -EBADMSG))
            fail_msg("case %zu: %s", i, fault.text);
        assert_true(cases[i].good || strlen(fault.text) > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelopes),
        cmocka_unit_test(values),
        cmocka_unit_test(keys),
        cmocka_unit_test(extensions),
        cmocka_unit_test(lengths_that_lie),
        cmocka_unit_test(answers),
        cmocka_unit_test(errors),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(other_decoders),
    };
    return cmocka_run_group_tests(tests, guarded_set_up, guarded_tear_down);
}
