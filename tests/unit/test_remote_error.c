/* Workers' errors out of real pickles (vectors/make_pickles.py) and hostile ones, and into JSON. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "daffi/payload.h"
#include "daffi/remote_error.h"
#include "guarded.h"
#include "hex.h"
#include "vectors.h"

enum { BYTES_MAX = 1 << 17 };

static struct daffi_span json_span(const json_t *object, const char *key) {
    const json_t *string = json_object_get(object, key);
    return daffi_span_of(json_string_value(string), json_string_length(string));
}

/* What Python's other side would read: json.loads of what is made of `error`, by jansson. */
static json_t *as_json(const struct daffi_remote_error *error) {
    static char out[6 * BYTES_MAX];
    const size_t length = daffi_remote_error_to_json(error, out, sizeof out);
    assert_true(length <= sizeof out);
    const struct daffi_message message = {
        .flag = DAFFI_ERROR, .decoder = DAFFI_JSON, .payload = daffi_span_of(out, length)};
    struct daffi_fault fault;
    assert_int_equal(daffi_payload_check(&message, 3, &fault), 0);
    json_t *json = json_loadb(out, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    assert_non_null(json);
    return json;
}

static void assert_text(const json_t *tuple, size_t index, struct daffi_span expected) {
    const json_t *string = json_array_get(tuple, index);
    assert_int_equal(json_string_length(string), expected.length);
    if (expected.length > 0)
        assert_memory_equal(json_string_value(string), expected.data, expected.length);
}

/* Its state is the vector. */
static void vector(void **state) {
    static uint8_t bytes[BYTES_MAX];
    const json_t *object = *state;
    size_t length = hex_decode(json_string_value(json_object_get(object, "pickle")), bytes, sizeof bytes);
    struct daffi_span text = json_span(object, "text");
    const json_t *repeat = json_object_get(object, "repeat");
    if (repeat) {
        const size_t count = (size_t)json_integer_value(json_array_get(repeat, 1));
        memset(bytes + length, json_string_value(json_array_get(repeat, 0))[0], count);
        text = daffi_span_of(bytes + length, count);
        length += count;
        length += hex_decode(json_string_value(json_object_get(object, "behind")), bytes + length,
                             sizeof bytes - length);
    }
    const struct daffi_span pickle = guarded_copy(&guarded, daffi_span_of(bytes, length));
    struct daffi_remote_error error;
    struct daffi_fault fault = {"", 0};
    if (daffi_remote_error_from_pickle(pickle, &error, &fault) != 0)
        fail_msg("%s at %zu", fault.text, fault.offset);

    json_t *json = as_json(&error);
    const json_t *tuple = json_array_get(json_object_get(json, "args"), 0);
    assert_text(tuple, 0, json_span(object, "type"));
    assert_text(tuple, 1, json_span(object, "module"));
    assert_text(tuple, 2, text);
    assert_true(json_is_null(json_array_get(tuple, 3)));
    json_decref(json);

    /* Cut anywhere before the third string's end, it is refused; behind it, nothing matters. Long ones: at some places. */
    size_t enough = 0;
    for (size_t cut = 0; cut <= length; cut += length > 4000 ? 997 : 1) {
        struct daffi_remote_error cut_error;
        const struct daffi_span in = guarded_copy(&guarded, daffi_span_of(bytes, cut));
        const int r = daffi_remote_error_from_pickle(in, &cut_error, &fault);
        assert_true(r == 0 || r == -EBADMSG);
        assert_true(r == 0 || fault.offset <= cut);
        if (r == 0 && enough == 0)
            enough = cut;
        assert_true(enough == 0 || r == 0);
    }
}

static int from_hex(const char *hex, struct daffi_remote_error *ret_error) {
    uint8_t bytes[256];
    struct daffi_fault fault = {"", 0};
    const size_t length = hex_decode(hex, bytes, sizeof bytes);
    const int r = daffi_remote_error_from_pickle(guarded_copy(&guarded, daffi_span_of(bytes, length)),
                                                 ret_error, &fault);
    if (r < 0)
        assert_true(strlen(fault.text) > 0 && fault.offset <= length);
    return r;
}

static void pickles_that_are_no_errors(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "80",
        "8004",
        "8001 28 8c0161 8c0162 8c0163", /* protocol 1 */
        "8006 28 8c0161 8c0162 8c0163",
        "28 8c0161 8c0162 8c0163",    /* no protocol */
        "8004 8c0161 8c0162 2e",      /* two strings */
        "8004 8c0161 4b01 8c0162",    /* a number among them */
        "8004 8c0161 8c0162 43 0163", /* bytes */
        "8004 8c0161 8c0162 8cff63",  /* longer than what is there */
        "8004 8c0161 8c0162 58ffffffff63",
        "8004 8c0161 8c0162 8d0100000001000000 63",
        "8004 8c0161 8c0162 8dffffffffffffffff 63",
        "8004 8c0161 8c0162 6800",       /* nothing is remembered */
        "8004 8c0161 94 8c0162 94 6802", /* not under that number */
        "8004 8c0161 94 8c0162 94 6affffffff",
        "8004 94 8c0161 8c0162 8c0163", /* nothing to remember yet */
        "8004 6800 8c0161 8c0162 8c0163",
        "8004 63 6f730a73797374656d0a", /* os.system: never executed, never read */
        "8004 8c026f73 8c0673797374656d 93 8c026c73 85 52 2e",
        "8004 95 01000000",
        "8002 8c0161 71",
        "8002 8c0161 72000000",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct daffi_remote_error error = {.type = daffi_span_text("untouched")};
        if (from_hex(bad[i], &error) != -EBADMSG)
            fail_msg("accepted: %s", bad[i]);
        assert_memory_equal(error.type.data, "untouched", 9);
    }
}

static void pickles_by_hand(void **state) {
    (void)state;
    struct daffi_remote_error error;
    assert_int_equal(from_hex("8002 8c0161 8c0162 8c0163", &error), 0);
    assert_int_equal(error.type.data[0], 'a');
    assert_int_equal(error.text.data[0], 'c');
    /* A number may be given twice, and repeated strings repeated again. */
    assert_int_equal(from_hex("8002 5801000000 61 7105 5801000000 62 72 07000000 6a 05000000", &error), 0);
    assert_int_equal(error.module.data[0], 'b');
    assert_int_equal(error.text.data[0], 'a');
    assert_int_equal(from_hex("8004 8c0161 94 6800 6800", &error), 0);
    assert_int_equal(error.text.data[0], 'a');
    assert_int_equal(from_hex("8004 8d0100000000000000 61 4e 8c00", &error), 0);
    assert_int_equal(error.module.length, 0);
    assert_int_equal(error.text.length, 0);
}

static void assert_json(const char *text, size_t length, const char *expected) {
    const struct daffi_remote_error error = {daffi_span_text("T"), daffi_span_of(NULL, 0),
                                             daffi_span_of(text, length)};
    char whole[512], out[512];
    const int needed =
        snprintf(whole, sizeof whole, "{\"args\": [[\"T\", \"\", \"%s\", null]], \"kwargs\": {}}", expected);
    for (size_t capacity = 0; capacity < (size_t)needed + 3; capacity++) {
        memset(out, '#', sizeof out);
        assert_int_equal(daffi_remote_error_to_json(&error, out, capacity), needed);
        if (capacity >= (size_t)needed)
            assert_memory_equal(out, whole, (size_t)needed);
        const size_t written = capacity >= (size_t)needed ? (size_t)needed : 0;
        for (size_t i = written; i < sizeof out; i++)
            assert_int_equal(out[i], '#');
    }
    assert_int_equal(daffi_remote_error_to_json(&error, NULL, 0), needed);
}

static void json_of_every_kind_of_text(void **state) {
    (void)state;
    assert_json("", 0, "");
    assert_json("plain", 5, "plain");
    assert_json("a\"b\\c/", 6, "a\\\"b\\\\c/");
    assert_json("\n\t\x00\x1F\x7F", 5, "\\u000a\\u0009\\u0000\\u001f\x7F");
    assert_json("\xC3\xA9\xF0\x9F\x98\x80", 6, "\xC3\xA9\xF0\x9F\x98\x80");
    assert_json("a\xFFz", 3, "a\xEF\xBF\xBDz");
    assert_json("\xED\xA0\x80", 3, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_json("\xE2\x82", 2, "\xEF\xBF\xBD\xEF\xBF\xBD");
}

static void json_of_every_byte(void **state) {
    (void)state;
    uint8_t text[256];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)i;
    for (size_t from = 0; from < sizeof text; from++) {
        const struct daffi_span span = daffi_span_of(text + from, sizeof text - from);
        const struct daffi_remote_error error = {span, span, span};
        json_decref(as_json(&error));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pickles_that_are_no_errors),
        cmocka_unit_test(pickles_by_hand),
        cmocka_unit_test(json_of_every_kind_of_text),
        cmocka_unit_test(json_of_every_byte),
    };
    int failed = cmocka_run_group_tests_name("remote error", tests, guarded_set_up, guarded_tear_down);
    failed += vectors_run("pickles of Python", TESTS_DIR "/vectors/pickles.json", JSON_ALLOW_NUL, vector,
                          guarded_set_up, guarded_tear_down);
    return failed;
}
