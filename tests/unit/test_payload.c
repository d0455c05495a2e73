/* Payload validity: what passes, what does not and why, at every cut. Python's own word on the same is tests/integration/test_payload_differential.py. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daffi/payload.h"
#include "daffi/utf8.h"
#include "guarded.h"

enum { GUARDED_BYTES = 1 << 16 };

static struct guarded guarded;

/* A copy that ends at the guard page. */
static const uint8_t *guard(const void *bytes, size_t length) {
    return guarded_copy(&guarded, daffi_span_of(bytes, length)).data;
}

enum { NESTING = 8 };

static int check(enum daffi_flag flag, enum daffi_decoder decoder, bool is_bytes, const void *bytes,
                 size_t length, struct daffi_fault *ret_fault) {
    const struct daffi_message message = {.flag = flag,
                                          .decoder = decoder,
                                          .is_bytes = is_bytes,
                                          .payload = daffi_span_of(guard(bytes, length), length)};
    return daffi_payload_check(&message, NESTING, ret_fault);
}

/* Passes whole; no part of it does, except where `cuts` says that the value can end early. */
static void passes(enum daffi_flag flag, enum daffi_decoder decoder, const void *bytes, size_t length) {
    struct daffi_fault fault = {0};
    bool is_bytes = decoder == DAFFI_MSGPACK;
    if (check(flag, decoder, is_bytes, bytes, length, &fault) != 0) {
        fail_msg("refused at %zu: %s: %.*s", fault.offset, fault.text, (int)length, (const char *)bytes);
    }
    for (size_t cut = 0; cut < length; cut++) {
        assert_int_equal(check(flag, decoder, is_bytes, bytes, cut, &fault), -EBADMSG);
        assert_true(fault.offset <= cut);
    }
}

static void refused(enum daffi_flag flag, enum daffi_decoder decoder, const void *bytes, size_t length,
                    const char *says) {
    struct daffi_fault fault = {0};
    if (check(flag, decoder, decoder == DAFFI_MSGPACK, bytes, length, &fault) != -EBADMSG) {
        fail_msg("passed: %.*s", (int)length, (const char *)bytes);
    }
    if (strstr(fault.text, says) == NULL) {
        fail_msg("\"%s\" does not say \"%s\": %.*s", fault.text, says, (int)length, (const char *)bytes);
    }
    assert_true(fault.offset <= length);
}

static void json_that_python_reads_passes(void **state) {
    (void)state;
    static const char *const requests[] = {
        "{\"args\":[],\"kwargs\":{}}",
        "{\"kwargs\":{},\"args\":[]}",
        " {\t\"args\" :\r\n[ 1 , 2 ] , \"kwargs\" : { \"a\" : 1 } }",
        "{\"args\":[null,true,false,0,-0,-1,1.5,1e5,1E-5,1.0e+300,12345678901234567890],\"kwargs\":{}}",
        "{\"args\":[\"\",\"a\\\"\\\\\\/"
        "\\b\\f\\n\\r\\t\\u00e9\",\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\",\"\\ud83d\\ude00\"],\"kwargs\":{}"
        "}",
        "{\"args\":[[[[[[[1]]]]]]],\"kwargs\":{}}",
        "{\"args\":[{\"a\":{\"b\":[{}]}}],\"kwargs\":{\"k\":{\"l\":[1,{\"m\":null}]}}}",
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        passes(DAFFI_REQUEST, DAFFI_JSON, requests[i], strlen(requests[i]));
    }
    static const char *const answers[] = {
        "{\"args\": [7], \"kwargs\": {}}",
        "{\"args\": [NaN], \"kwargs\": {}}",
        "{\"args\": [[Infinity, -Infinity]], \"kwargs\": {}}",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        passes(DAFFI_RESPONSE, DAFFI_JSON, answers[i], strlen(answers[i]));
    }
    static const char error[] =
        "{\"args\": [[\"ValueError\", \"builtins\", \"kaboom\", null]], \"kwargs\": {}}";
    passes(DAFFI_ERROR, DAFFI_JSON, error, sizeof error - 1);
}

static void json_that_stops_python_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"", "empty"},
        {"[1,2]", "\"args\""},
        {"{\"args\":[]}", "kwargs"},
        {"{\"args\":[],\"kwargs\":{},\"x\":1}", "kwargs"},
        {"{\"args\":[],\"args\":[],\"kwargs\":{}}", "each once"},
        {"{\"arg\\u0073\":[],\"kwargs\":{}}", "each once"},
        {"{\"args\":{},\"kwargs\":{}}", "array"},
        {"{\"args\":[],\"kwargs\":[]}", "object"},
        {"{\"args\":[],\"kwargs\":{}}x", "behind"},
        {"\xef\xbb\xbf{\"args\":[],\"kwargs\":{}}", "args"},
        {"{\"args\":[1,],\"kwargs\":{}}", "value"},
        {"{\"args\":[01],\"kwargs\":{}}", "number"},
        {"{\"args\":[1.],\"kwargs\":{}}", "point"},
        {"{\"args\":[1e],\"kwargs\":{}}", "exponent"},
        {"{\"args\":[-],\"kwargs\":{}}", "minus"},
        {"{\"args\":[NaN],\"kwargs\":{}}", "NaN"},
        {"{\"args\":[-Infinity],\"kwargs\":{}}", "minus"},
        {"{\"args\":[nul],\"kwargs\":{}}", "value"},
        {"{\"args\":['a'],\"kwargs\":{}}", "value"},
        {"{\"args\":[\"\\x\"],\"kwargs\":{}}", "escape"},
        {"{\"args\":[\"\\u12g4\"],\"kwargs\":{}}", "hexadecimal"},
        {"{\"args\":[\"\\ud800\"],\"kwargs\":{}}", "surrogate"},
        {"{\"args\":[\"\\ud800\\u0041\"],\"kwargs\":{}}", "surrogate"},
        {"{\"args\":[\"\\udc00\"],\"kwargs\":{}}", "surrogate"},
        {"{\"args\":[\"a\nb\"],\"kwargs\":{}}", "control"},
        {"{\"args\":[\"\xff\"],\"kwargs\":{}}", "UTF-8"},
        {"{\"args\":[[[[[[[[1]]]]]]]],\"kwargs\":{}}", "nested"},
        {"{\"args\":[],\"kwargs\":{a:1}}", "quotes"},
        {"{\"args\":[]\"kwargs\":{}}", "each once"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        refused(DAFFI_REQUEST, DAFFI_JSON, cases[i].json, strlen(cases[i].json), cases[i].says);
    }
    static const char zero[] = "{\"args\":[\"a\0b\"],\"kwargs\":{}}";
    refused(DAFFI_REQUEST, DAFFI_JSON, zero, sizeof zero - 1, "control");
    static const char *const answers[] = {"{\"args\": [], \"kwargs\": {}}",
                                          "{\"args\": [1, 2], \"kwargs\": {}}",
                                          "{\"args\": [1], \"kwargs\": {\"a\": 1}}"};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        refused(DAFFI_RESPONSE, DAFFI_JSON, answers[i], strlen(answers[i]), "answer");
    }
    static const char *const errors[] = {"{\"args\": [\"text\"], \"kwargs\": {}}",
                                         "{\"args\": [[1, 2, 3, null]], \"kwargs\": {}}",
                                         "{\"args\": [[\"a\", \"b\", \"c\"]], \"kwargs\": {}}",
                                         "{\"args\": [[\"a\", \"b\", \"c\", 1, 2]], \"kwargs\": {}}"};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        refused(DAFFI_ERROR, DAFFI_JSON, errors[i], strlen(errors[i]), "ERROR");
    }
}

static void integers_have_at_most_4300_digits(void **state) {
    (void)state;
    char json[8192];
    for (int digits = DAFFI_INTEGER_DIGITS_MAX; digits <= DAFFI_INTEGER_DIGITS_MAX + 1; digits++) {
        int length = snprintf(json, sizeof json, "{\"args\":[-%0*d],\"kwargs\":{}}", digits, 0);
        memset(json + 10, '9', (size_t)digits);
        if (digits == DAFFI_INTEGER_DIGITS_MAX) {
            passes(DAFFI_REQUEST, DAFFI_JSON, json, (size_t)length);
        } else {
            refused(DAFFI_REQUEST, DAFFI_JSON, json, (size_t)length, "4300");
        }
    }
}

static void depth_costs_no_stack(void **state) {
    (void)state;
    static char deep[GUARDED_BYTES];
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"args\":", 8);
    refused(DAFFI_REQUEST, DAFFI_JSON, deep, sizeof deep, "nested");
    memset(deep, (char)0x91, sizeof deep);
    deep[0] = (char)0x92;
    refused(DAFFI_REQUEST, DAFFI_MSGPACK, deep, sizeof deep, "nested");
}

#define MSGPACK(flag, text)          passes(flag, DAFFI_MSGPACK, text, sizeof text - 1)
#define NO_MSGPACK(flag, text, says) refused(flag, DAFFI_MSGPACK, text, sizeof text - 1, says)

static void msgpack_that_python_reads_passes(void **state) {
    (void)state;
    MSGPACK(DAFFI_REQUEST, "\x92\x90\x80");
    MSGPACK(DAFFI_REQUEST, "\x92\x92\x03\x04\x80");
    MSGPACK(DAFFI_REQUEST, "\x92\x91\xc4\x03\x00\x01\x02\x80");
    MSGPACK(DAFFI_REQUEST, "\x92\x91\x81\xa1k\x96\x01\xff\xcb@\x04\0\0\0\0\0\0\xc3\xc0\xa2\xc3\xa9\x80");
    MSGPACK(DAFFI_REQUEST, "\xdc\0\x02\xdd\0\0\0\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x81\xa1k\x90");
    MSGPACK(DAFFI_REQUEST, "\x92\x91\x83\x01\xc0\xc0\x02\xc4\x01z\x03\x80");
    MSGPACK(DAFFI_REQUEST, "\x92\x91\xd6\xff\0\0\0\x01\x80");
    MSGPACK(DAFFI_REQUEST, "\x92\x91\xd7\xff\0\0\0\0\0\0\0\x01\x80");
    MSGPACK(DAFFI_REQUEST, "\x92\x91\xc7\x0c\xff\x3b\x9a\xc9\xff\0\0\0\0\0\0\0\x01\x80");
    MSGPACK(DAFFI_REQUEST, "\x92\x91\xc7\x03\x05"
                           "abc\x80");
    MSGPACK(DAFFI_REQUEST, "\x92\x90\x81\xa1k\x82\x01\x02\x03\x04");
    MSGPACK(DAFFI_RESPONSE, "\x92\x91\x07\x80");
    MSGPACK(DAFFI_ERROR, "\x92\x91\x94\xaaValueError\xa8"
                         "builtins\xa6kaboom\xc0\x80");
}

static void msgpack_that_stops_python_is_refused(void **state) {
    (void)state;
    NO_MSGPACK(DAFFI_REQUEST, "", "empty");
    NO_MSGPACK(DAFFI_REQUEST, "\x80", "payload has to be");
    NO_MSGPACK(DAFFI_REQUEST, "\x93\x90\x80\x80", "payload has to be");
    NO_MSGPACK(DAFFI_REQUEST, "\x92\x80\x80", "array");
    NO_MSGPACK(DAFFI_REQUEST, "\x92\x90\x90", "map");
    NO_MSGPACK(DAFFI_REQUEST, "\x92\x90\x81\x01\x02", "text");
    NO_MSGPACK(DAFFI_REQUEST, "\x92\x90\x80\x00", "behind");
    NO_MSGPACK(DAFFI_REQUEST, "\x92\x91\x81\x80\x01\x80", "key");
    NO_MSGPACK(DAFFI_REQUEST, "\x92\x91\x81\x90\x01\x80", "key");
    NO_MSGPACK(DAFFI_REQUEST, "\x92\x91\xa1\xff\x80", "UTF-8");
    NO_MSGPACK(DAFFI_REQUEST, "\x92\x91\xc1\x80", "0xC1");
    NO_MSGPACK(DAFFI_REQUEST, "\x92\x91\xd7\xff\xff\xff\xff\xff\0\0\0\0\x80", "nanoseconds");
    NO_MSGPACK(DAFFI_REQUEST, "\x92\x91\xc7\x0c\xff\x3b\x9a\xca\x00\0\0\0\0\0\0\0\x01\x80", "nanoseconds");
    NO_MSGPACK(DAFFI_REQUEST,
               "\x92\x91\xc7\x05\xff"
               "abcde\x80",
               "odd length");
    NO_MSGPACK(DAFFI_REQUEST, "\x92\x91\xd4\xfe\x01\x80", "reserved");
    NO_MSGPACK(DAFFI_REQUEST, "\x92\x91\x91\x91\x91\x91\x91\x91\x91\x01\x80", "nested");
    NO_MSGPACK(DAFFI_REQUEST, "\x92\xdd\xff\xff\xff\xff\x01\x80", "ends");
    NO_MSGPACK(DAFFI_RESPONSE, "\x92\x92\x01\x02\x80", "one value");
    NO_MSGPACK(DAFFI_RESPONSE, "\x92\x91\x01\x81\xa1k\x01", "empty");
    NO_MSGPACK(DAFFI_ERROR, "\x92\x91\xa1x\x80", "ERROR");
    struct daffi_fault fault = {0};
    assert_int_equal(check(DAFFI_REQUEST, DAFFI_MSGPACK, false, "\x92\x90\x80", 3, &fault), -EBADMSG);
    assert_non_null(strstr(fault.text, "is_bytes"));
}

static void opaque_is_bytes_or_utf8(void **state) {
    (void)state;
    struct daffi_fault fault = {0};
    assert_int_equal(check(DAFFI_REQUEST, DAFFI_OPAQUE, true, "\xff\0\xfe", 3, &fault), 0);
    assert_int_equal(check(DAFFI_REQUEST, DAFFI_OPAQUE, false, "gr\xc3\xbc\xc3\x9f", 6, &fault), 0);
    assert_int_equal(check(DAFFI_REQUEST, DAFFI_OPAQUE, false, "", 0, &fault), 0);
    assert_int_equal(check(DAFFI_REQUEST, DAFFI_OPAQUE, false, "ab\xff", 3, &fault), -EBADMSG);
    assert_int_equal(fault.offset, 2);
    assert_int_equal(check(DAFFI_ERROR, DAFFI_OPAQUE, true, "ab\xff", 3, &fault), -EBADMSG);
    assert_int_equal(check(DAFFI_EVENTS, DAFFI_OPAQUE, false, "x", 1, &fault), -EBADMSG);
    assert_int_equal(check(DAFFI_EVENTS, DAFFI_JSON, false, "{\"type\":\"connected\"}", 20, &fault), 0);
    assert_int_equal(check(DAFFI_REQUEST, DAFFI_PICKLE, true, "anything", 8, &fault), 0);
    assert_int_equal(check(DAFFI_REQUEST, DAFFI_PICKLE, false, "anything", 8, &fault), -EBADMSG);
}

/* Every string of up to three bytes of a telling alphabet, against the definition in RFC 3629. */
static void utf8_is_rfc_3629(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t good; /* bytes that are well formed */
    } cases[] = {
        {"plain", 5},
        {"\x7f", 1},
        {"\x80", 0},
        {"\xc2\x80", 2},
        {"\xc1\xbf", 0},
        {"\xdf\xbf", 2},
        {"\xe0\x9f\xbf", 0},
        {"\xe0\xa0\x80", 3},
        {"\xed\x9f\xbf", 3},
        {"\xed\xa0\x80", 0},
        {"\xee\x80\x80", 3},
        {"\xef\xbf\xbf", 3},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xf0\x90\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xc2", 0},
        {"\xe2\x82", 0},
        {"\xf0\x9f\x98", 0},
        {"a\xc2", 1},
        {"\xc2\xc2\x80", 0},
        {"\xe2\x82\xac\xff", 3},
    };
    for (size_t pad = 0; pad < 70; pad += 7) { /* at every place of the fast sweep */
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            char text[128];
            size_t length = strlen(cases[i].bytes);
            memset(text, 'x', pad);
            memcpy(text + pad, cases[i].bytes, length);
            struct daffi_fault fault = {0};
            int result = daffi_utf8_check(daffi_span_of(guard(text, pad + length), pad + length), &fault);
            assert_int_equal(result, cases[i].good == length ? 0 : -EBADMSG);
            if (result < 0) {
                assert_int_equal(fault.offset, pad + cases[i].good);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_that_python_reads_passes),
        cmocka_unit_test(json_that_stops_python_is_refused),
        cmocka_unit_test(integers_have_at_most_4300_digits),
        cmocka_unit_test(depth_costs_no_stack),
        cmocka_unit_test(msgpack_that_python_reads_passes),
        cmocka_unit_test(msgpack_that_stops_python_is_refused),
        cmocka_unit_test(opaque_is_bytes_or_utf8),
        cmocka_unit_test(utf8_is_rfc_3629),
    };
    guarded = guarded_new(GUARDED_BYTES);
    int failed = cmocka_run_group_tests_name("payload", tests, NULL, NULL);
    guarded_free(&guarded);
    return failed;
}
