/* Pickled errors are read, bounded, and never executed; what they say comes out as JSON. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "daffi/payload.h"
#include "daffi/remote_error.h"
#include "guarded.h"

enum { GUARDED_BYTES = 1 << 16 };

static struct guarded guarded;

/* A copy that ends at the guard page. */
static const uint8_t *guard(const void *bytes, size_t length) {
    return guarded_copy(&guarded, daffi_span_of(bytes, length)).data;
}

static uint8_t *from_hex(const char *hex, size_t *ret_length) {
    *ret_length = strlen(hex) / 2;
    uint8_t *bytes = malloc(*ret_length + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < *ret_length; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return bytes;
}

static void says(struct daffi_span part, const json_t *vector, const char *key) {
    const json_t *text = json_object_get(vector, key);
    assert_true(daffi_span_equal(part, daffi_span_of(json_string_value(text), json_string_length(text))));
}

/* The JSON is what callers read: jansson has to find the same three strings in it. */
static void check_json(const struct daffi_remote_error *error, const json_t *vector) {
    size_t needed = daffi_remote_error_to_json(error, NULL, 0);
    char *out = malloc(needed + 1);
    assert_non_null(out);
    memset(out, '#', needed + 1);
    assert_int_equal(daffi_remote_error_to_json(error, out, needed - 1), needed);
    assert_int_equal(out[0], '#');
    assert_int_equal(daffi_remote_error_to_json(error, out, needed), needed);
    assert_int_equal(out[needed], '#');
    json_t *root = json_loadb(out, needed, JSON_ALLOW_NUL, NULL);
    assert_non_null(root);
    json_t *list = json_array_get(json_object_get(root, "args"), 0);
    assert_int_equal(json_array_size(list), 4);
    static const char *const keys[] = {"type", "module", "text"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(json_equal(json_array_get(list, i), json_object_get(vector, keys[i])));
    }
    struct daffi_message message = {
        .flag = DAFFI_ERROR, .decoder = DAFFI_JSON, .payload = daffi_span_of(out, needed)};
    struct daffi_fault fault;
    assert_int_equal(daffi_payload_check(&message, 64, &fault), 0);
    json_decref(root);
    free(out);
}

static void every_pickle_is_read_and_none_that_is_cut_before_its_text(void **state) {
    (void)state;
    json_t *vectors = json_load_file(TESTS_DIR "/vectors/pickles.json", JSON_ALLOW_NUL, NULL);
    assert_non_null(vectors);
    size_t i;
    json_t *vector;
    json_array_foreach(vectors, i, vector) {
        size_t length = 0;
        uint8_t *bytes = from_hex(json_string_value(json_object_get(vector, "pickle")), &length);
        struct daffi_remote_error error;
        struct daffi_fault fault;
        if (daffi_remote_error_from_pickle(daffi_span_of(bytes, length), &error, &fault) != 0) {
            fail_msg("%s: %s at %zu", json_string_value(json_object_get(vector, "name")), fault.text,
                     fault.offset);
        }
        says(error.type, vector, "type");
        says(error.module, vector, "module");
        says(error.text, vector, "text");
        check_json(&error, vector);
        bool cut_can_be_read = false;
        for (size_t cut = 0; cut < length && cut < 600; cut++) {
            struct daffi_remote_error untouched = {.type = {.length = 4242}};
            const uint8_t *part = guard(bytes, cut);
            int result = daffi_remote_error_from_pickle(daffi_span_of(part, cut), &untouched, &fault);
            assert_true(result == 0 || (result == -EBADMSG && untouched.type.length == 4242));
            assert_true(result == 0 || !cut_can_be_read); /* once its three strings are there, they stay so */
            cut_can_be_read = result == 0;
        }
        free(bytes);
    }
    json_decref(vectors);
}

static void what_is_no_error_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "80",
        "8004",
        "80044e",
        "8004958000000000000000",
        "8004286300",                             /* GLOBAL: would import */
        "80048c056f732e7379948c0473797374949352", /* STACK_GLOBAL, REDUCE: would call */
        "80048cff41",                             /* a string past the end */
        "80048dffffffffffffffff41",
        "8001580100000041",     /* protocol 1 */
        "80065801000000419468", /* protocol 6 */
        "80046805",             /* remembers nothing */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = 0;
        uint8_t *bytes = from_hex(cases[i], &length);
        struct daffi_remote_error error;
        struct daffi_fault fault = {0};
        const uint8_t *copy = guard(bytes, length);
        assert_int_equal(daffi_remote_error_from_pickle(daffi_span_of(copy, length), &error, &fault),
                         -EBADMSG);
        assert_non_null(fault.text);
        free(bytes);
    }
}

static void broken_text_is_mended_on_its_way_into_json(void **state) {
    (void)state;
    const struct daffi_remote_error error = {.type = daffi_span_of("a\xff"
                                                                   "b",
                                                                   3),
                                             .module = daffi_span_of(NULL, 0),
                                             .text = daffi_span_of("\xe2\x82", 2)};
    char out[128];
    size_t length = daffi_remote_error_to_json(&error, out, sizeof out);
    assert_true(length < sizeof out);
    out[length] = '\0';
    assert_string_equal(out, "{\"args\": [[\"a\xEF\xBF\xBD"
                             "b\", \"\", \"\xEF\xBF\xBD\xEF\xBF\xBD\", null]], \"kwargs\": {}}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pickle_is_read_and_none_that_is_cut_before_its_text),
        cmocka_unit_test(what_is_no_error_is_refused),
        cmocka_unit_test(broken_text_is_mended_on_its_way_into_json),
    };
    guarded = guarded_new(GUARDED_BYTES);
    int failed = cmocka_run_group_tests_name("remote_error", tests, NULL, NULL);
    guarded_free(&guarded);
    return failed;
}
