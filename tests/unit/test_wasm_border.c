/* The border of app.wasm in its native form, by the cases that run against app.wasm itself too (tests/wasm):
 * tests/vectors/core and the released daffi's own messages. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "daffi/message.h"
#include "daffi/msgpack.h"
#include "exports.h"
#include "hex.h"

static const json_t *current; /* the case that runs */

static const char *text_of(const char *key) {
    const char *text = json_string_value(json_object_get(current, key));
    assert_non_null(text);
    return text;
}

static int64_t number_of(const char *key) {
    const json_t *value = json_object_get(current, key);
    return json_is_string(value) ? (int64_t)strtoull(json_string_value(value), NULL, 10)
                                 : json_integer_value(value);
}

static int32_t field(unsigned index) {
    return daffi_wasm_fields()[index];
}

static uint32_t put(const char *text) {
    const size_t length = strlen(text);
    assert_true(length <= DAFFI_WASM_WINDOW);
    memcpy(daffi_wasm_window(), text, length);
    return (uint32_t)length;
}

static void assert_window(int32_t length, const char *text) {
    assert_int_equal(length, strlen(text));
    assert_memory_equal(daffi_wasm_window(), text, strlen(text));
}

static void assert_pointed(unsigned index, const char *text, size_t length) {
    assert_int_equal(field(index + 1), length);
    if (length > 0)
        assert_memory_equal(daffi_wasm_pointer(index), text, length);
}

static void assert_pointed_key(unsigned index, const char *key) {
    const json_t *text = json_object_get(current, key);
    assert_pointed(index, json_string_value(text), json_string_length(text));
}

/* A copy in the heap, exactly as long: one byte past it is noticed. */
static uint8_t *lend(const void *bytes, size_t length) {
    uint8_t *memory = daffi_wasm_allocate((uint32_t)length);
    assert_non_null(memory);
    if (length > 0)
        memcpy(memory, bytes, length);
    return memory;
}

static void refused(int32_t result) {
    assert_true(result < 0);
    assert_true(strlen(daffi_wasm_fault()) > 10);
}

/* Runs `run` for each case of the file, and says which one failed. */
static void each_case(const char *name, void (*run)(void)) {
    char path[512];
    snprintf(path, sizeof path, "%s/vectors/%s", TESTS_DIR, name);
    json_error_t error;
    json_t *file = json_load_file(path, JSON_ALLOW_NUL, &error);
    assert_non_null(file);
    json_t *cases = json_object_get(file, "cases");
    if (cases == NULL)
        cases = json_object_get(file, "vectors");
    assert_true(json_array_size(cases) > 0);
    size_t index;
    json_array_foreach(cases, index, current) {
        print_message("  %s\n", text_of("name"));
        run();
    }
    json_decref(file);
}

static void assert_part(unsigned index, const char *key) {
    const char *text = text_of(key);
    assert_int_equal(field(index + 1), strlen(text));
    assert_memory_equal(daffi_wasm_head() + field(index), text, strlen(text));
}

static void message_case(void) {
    static uint8_t bytes[4096], encoded[DAFFI_HEAD_MAX];
    const size_t length = hex_decode(text_of("hex"), bytes, sizeof bytes);
    memcpy(daffi_wasm_head(), bytes, length);
    const int32_t offset = daffi_wasm_message_decode((uint32_t)length);
    const char *verdict = text_of("verdict");
    if (strcmp(verdict, "message") != 0) {
        assert_int_equal(offset, strcmp(verdict, "more") == 0 ? DAFFI_WASM_MORE : DAFFI_WASM_BAD);
        refused(offset);
        if (offset == DAFFI_WASM_MORE)
            assert_int_equal(field(0), number_of("size"));
        return;
    }
    const size_t payload = strlen(text_of("payload")) / 2;
    assert_int_equal(offset, length - payload);
    assert_int_equal(field(0), number_of("uuid"));
    assert_int_equal(field(1), number_of("flag"));
    assert_int_equal(field(2), number_of("decoder"));
    assert_int_equal(field(3), json_is_true(json_object_get(current, "is_bytes")));
    assert_int_equal(field(4), json_is_true(json_object_get(current, "return_result")));
    assert_int_equal(field(5), length);
    assert_part(6, "transmitter");
    assert_part(8, "receiver");
    assert_part(10, "function");

    const uint32_t kind = (uint32_t)(field(1) | field(2) << 4 | field(3) << 6 | field(4) << 7);
    const uint32_t uuid = (uint32_t)field(0);
    memset(daffi_wasm_head(), 0xAA, DAFFI_HEADER_BYTES);
    assert_int_equal(
        daffi_wasm_message_encode(uuid, kind, (uint32_t)offset - DAFFI_HEADER_BYTES, (uint32_t)payload),
        offset);
    memcpy(encoded, daffi_wasm_head(), (size_t)offset);
    assert_memory_equal(encoded, bytes, (size_t)offset);
}

static void messages(void **state) {
    (void)state;
    each_case("core/messages.json", message_case);
}

static void vector_case(void) {
    static uint8_t bytes[4096];
    static const char *const keys[] = {"sent", "received"};
    for (size_t i = 0; i < 2; i++) {
        if (!json_is_string(json_object_get(current, keys[i])))
            continue;
        const size_t length = hex_decode(text_of(keys[i]), bytes, sizeof bytes);
        memcpy(daffi_wasm_head(), bytes, length);
        assert_true(daffi_wasm_message_decode((uint32_t)length) > DAFFI_HEADER_BYTES);
        assert_int_equal(field(5), length);
    }
}

static void released_daffi(void **state) {
    (void)state;
    each_case("daffi-3.0.1.json", vector_case);
}

static void message_limits(void **state) {
    (void)state;
    uint8_t *const head = daffi_wasm_head();
    memset(head, 'x', DAFFI_HEAD_MAX);
    head[DAFFI_HEADER_BYTES] = '|';
    head[DAFFI_HEAD_MAX - 1] = '|';
    assert_int_equal(daffi_wasm_message_encode(1, 1, DAFFI_METADATA_MAX, 0), DAFFI_HEAD_MAX);
    assert_int_equal(daffi_wasm_message_decode(UINT32_MAX), DAFFI_HEAD_MAX);
    const uint32_t most = DAFFI_LENGTH_MAX - DAFFI_METADATA_MAX;
    assert_int_equal(daffi_wasm_message_encode(1, 1, DAFFI_METADATA_MAX, most), DAFFI_HEAD_MAX);
    assert_int_equal(daffi_wasm_message_encode(1, 1, DAFFI_METADATA_MAX, most + 1), DAFFI_WASM_TOO_LARGE);
    assert_int_equal(daffi_wasm_message_encode(1, 1, DAFFI_METADATA_MAX + 1, 0), DAFFI_WASM_TOO_LARGE);
    assert_int_equal(daffi_wasm_message_encode(1, 1, UINT32_MAX, UINT32_MAX), DAFFI_WASM_TOO_LARGE);
    assert_int_equal(daffi_wasm_message_encode(1, 5, DAFFI_METADATA_MAX, 0), DAFFI_WASM_BAD);
    assert_int_equal(daffi_wasm_message_encode(1, 1, 5, 0), DAFFI_WASM_BAD);
    assert_int_equal(daffi_wasm_message_encode(1, 1, 0, 0), DAFFI_WASM_BAD);
}

static int32_t write_again(const char *how, int32_t at) {
    const uint32_t to = (uint32_t)at;
    const uint32_t length = (uint32_t)number_of("length");
    const int64_t integer = number_of("integer");
    if (strcmp(how, "nil") == 0)
        return daffi_wasm_pack_nil(to);
    if (strcmp(how, "bool") == 0)
        return daffi_wasm_pack_bool(to, integer != 0);
    if (strcmp(how, "int") == 0)
        return daffi_wasm_pack_int64(to, integer);
    if (strcmp(how, "uint") == 0)
        return daffi_wasm_pack_uint64(to, (uint64_t)number_of("natural"));
    if (strcmp(how, "double") == 0)
        return daffi_wasm_pack_number(to, json_real_value(json_object_get(current, "real")));
    if (strcmp(how, "text") == 0)
        return daffi_wasm_pack_text(to, length);
    if (strcmp(how, "binary") == 0)
        return daffi_wasm_pack_binary(to, length);
    if (strcmp(how, "array") == 0)
        return daffi_wasm_pack_array(to, length);
    if (strcmp(how, "map") == 0)
        return daffi_wasm_pack_map(to, length);
    assert_string_equal(how, "timestamp");
    return daffi_wasm_pack_timestamp(to, integer, (uint32_t)number_of("nanoseconds"));
}

static void assert_value(const char *kind) {
    static const char *const kinds[] = {"nil",   "bool",  "int", "uint",      "double",   "text",
                                        "bytes", "array", "map", "timestamp", "extension"};
    assert_string_equal(kinds[field(0)], kind);
    int64_t integer;
    double real;
    memcpy(&integer, daffi_wasm_fields() + 4, sizeof integer);
    memcpy(&real, daffi_wasm_fields() + 6, sizeof real);
    if (json_object_get(current, "integer") != NULL)
        assert_true(integer == number_of("integer"));
    if (json_object_get(current, "natural") != NULL)
        assert_true(integer == number_of("natural"));
    if (json_object_get(current, "real") != NULL) {
        const double want = json_real_value(json_object_get(current, "real"));
        assert_memory_equal(&real, &want, sizeof real);
    }
    if (field(0) == DAFFI_MSGPACK_INT)
        assert_true(real == (double)integer);
    if (json_object_get(current, "length") != NULL)
        assert_int_equal((uint32_t)field(2), number_of("length"));
    assert_int_equal(field(8), number_of("nanoseconds"));
    if (field(0) == DAFFI_MSGPACK_EXTENSION)
        assert_int_equal(field(1), number_of("extension_type"));
}

static void msgpack_case(void) {
    uint8_t bytes[64];
    const size_t length = hex_decode(text_of("hex"), bytes, sizeof bytes);
    const char *kind = text_of("kind");
    /* at the window's end: nothing behind it is looked at */
    const uint32_t at = DAFFI_WASM_WINDOW - (uint32_t)length;
    memcpy(daffi_wasm_window() + at, bytes, length);
    const int32_t next = daffi_wasm_unpack(at, DAFFI_WASM_WINDOW);
    if (strcmp(kind, "more") == 0 || strcmp(kind, "bad") == 0) {
        assert_int_equal(next, kind[0] == 'm' ? DAFFI_WASM_MORE : DAFFI_WASM_BAD);
        return;
    }
    assert_int_equal(next, DAFFI_WASM_WINDOW);
    assert_value(kind);
    for (uint32_t cut = at; cut < DAFFI_WASM_WINDOW; cut++)
        assert_int_equal(daffi_wasm_unpack(at, cut), DAFFI_WASM_MORE);
    const char *writes = json_string_value(json_object_get(current, "writes"));
    if (writes != NULL) {
        memset(daffi_wasm_window(), 0, 100);
        assert_int_equal(write_again(writes, 7), 7 + length);
        assert_memory_equal(daffi_wasm_window() + 7, bytes, length);
    }
}

static void msgpack(void **state) {
    (void)state;
    each_case("core/msgpack.json", msgpack_case);
    const uint32_t last = DAFFI_WASM_WINDOW - DAFFI_MSGPACK_HEAD_MAX;
    assert_int_equal(daffi_wasm_pack_nil(last), last + 1);
    assert_int_equal(daffi_wasm_pack_nil(last + 1), DAFFI_WASM_TOO_LARGE);
    assert_int_equal(daffi_wasm_pack_number(UINT32_MAX, 0.5), DAFFI_WASM_TOO_LARGE);
    assert_int_equal(daffi_wasm_pack_timestamp(0, 0, 1000000000), DAFFI_WASM_BAD);
    assert_int_equal(daffi_wasm_unpack(5, 4), DAFFI_WASM_BAD);
    assert_int_equal(daffi_wasm_unpack(0, DAFFI_WASM_WINDOW + 1), DAFFI_WASM_BAD);
}

static void numbers_of_javascript(void **state) {
    (void)state;
    static const struct {
        double number;
        uint8_t first;
    } cases[] = {{0, 0x00},
                 {-0.0, 0xcb},
                 {1, 0x01},
                 {-1, 0xff},
                 {9007199254740991.0, 0xcf},
                 {-9007199254740991.0, 0xd3},
                 {9007199254740992.0, 0xcb},
                 {0.5, 0xcb},
                 {NAN, 0xcb},
                 {INFINITY, 0xcb},
                 {-INFINITY, 0xcb}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(daffi_wasm_pack_number(0, cases[i].number) > 0);
        assert_int_equal(daffi_wasm_window()[0], cases[i].first);
    }
}

/* The pickle: its hexadecimal text, a letter many times, and what follows that. */
static size_t pickle_of(uint8_t *out, size_t capacity) {
    const json_t *hex = json_object_get(current, "pickle");
    const json_t *repeat = json_object_get(current, "repeat");
    size_t length = hex_decode(hex != NULL ? json_string_value(hex) : text_of("hex"), out, capacity);
    if (repeat == NULL)
        return length;
    const size_t times = (size_t)json_integer_value(json_array_get(repeat, 1));
    assert_true(times < capacity - length);
    memset(out + length, json_string_value(json_array_get(repeat, 0))[0], times);
    length += times;
    return length + hex_decode(text_of("behind"), out + length, capacity - length);
}

static void pickle_case(void) {
    static uint8_t bytes[1 << 18];
    const size_t length = pickle_of(bytes, sizeof bytes);
    uint8_t *pickle = lend(bytes, length);
    const int32_t result = daffi_wasm_pickle_error(pickle, (uint32_t)length);
    if (json_object_get(current, "type") == NULL) {
        refused(result);
    } else {
        assert_int_equal(result, 0);
        assert_pointed_key(0, "type");
        assert_pointed_key(2, "module");
        const json_t *repeat = json_object_get(current, "repeat");
        if (repeat != NULL)
            assert_int_equal(field(5), json_integer_value(json_array_get(repeat, 1)));
        else if (strstr(text_of("text"), "\xEF\xBF\xBD") ==
                 NULL) /* that is what JavaScript makes of broken text */
            assert_pointed_key(4, "text");
    }
    daffi_wasm_release(pickle);
}

static void pickles(void **state) {
    (void)state;
    each_case("core/pickles.json", pickle_case);
    each_case("pickles.json", pickle_case);
}

static void name_case(void) {
    const uint32_t length = (uint32_t)hex_decode(text_of("hex"), daffi_wasm_window(), DAFFI_WASM_WINDOW);
    const bool accepted = json_is_true(json_object_get(current, "accepted"));
    assert_int_equal(daffi_wasm_members_reset(length), accepted ? 0 : DAFFI_WASM_BAD);
    assert_int_equal(daffi_wasm_handshake_begin(length, 0), accepted ? 0 : DAFFI_WASM_BAD);
}

static void names(void **state) {
    (void)state;
    each_case("core/names.json", name_case);
    assert_int_equal(daffi_wasm_members_reset(DAFFI_WASM_WINDOW + 1), DAFFI_WASM_TOO_LARGE);
    assert_int_equal(daffi_wasm_member_pick(UINT32_MAX), DAFFI_WASM_TOO_LARGE);
}

static void assert_methods(int32_t member, const json_t *methods) {
    assert_true(member >= 0);
    const int32_t count = daffi_wasm_member_methods((uint32_t)member);
    assert_int_equal(count, json_is_null(methods) ? DAFFI_WASM_NONE : (int32_t)json_array_size(methods));
    for (int32_t i = 0; i < count; i++)
        assert_window(daffi_wasm_member_method((uint32_t)member, (uint32_t)i),
                      json_string_value(json_array_get(methods, (size_t)i)));
    assert_int_equal(daffi_wasm_member_method((uint32_t)member, (uint32_t)(count > 0 ? count : 0)),
                     DAFFI_WASM_NONE);
}

static void handshake_case(void) {
    assert_int_equal(daffi_wasm_members_reset(put("me")), 0);
    const char *text = text_of("json");
    uint8_t *json = lend(text, strlen(text));
    const int32_t type = daffi_wasm_handshake_read(json, (uint32_t)strlen(text), 1);
    daffi_wasm_release(json);
    if (json_is_true(json_object_get(current, "refused"))) {
        refused(type);
        assert_int_equal(daffi_wasm_members_count(), 0);
        return;
    }
    assert_int_equal(type, strcmp(text_of("type"), "service") == 0 ? 1 : 2);
    const json_t *error = json_object_get(current, "error");
    const json_t *bridge = json_object_get(current, "bridge");
    const json_t *members = json_object_get(current, "members");
    if (error != NULL)
        assert_pointed_key(0, "error");
    else
        assert_null(daffi_wasm_pointer(0));
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(field(2 + i), json_integer_value(json_array_get(bridge, i)));
    assert_int_equal(field(6), json_array_size(members));
    assert_int_equal(daffi_wasm_members_count(), json_array_size(members));
    char joined[256] = "";
    size_t index;
    const json_t *member;
    json_array_foreach(members, index, member) {
        const char *name = json_string_value(json_object_get(member, "name"));
        snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%s", index > 0 ? "|" : "", name);
    }
    assert_pointed(7, joined, strlen(joined));
    json_array_foreach(members, index, member) {
        const char *name = json_string_value(json_object_get(member, "name"));
        assert_window(daffi_wasm_member_name((uint32_t)index), name);
        assert_int_equal(daffi_wasm_member_find(put(name)), index);
        assert_methods((int32_t)index, json_object_get(member, "methods"));
    }
}

static void handshakes_in(void **state) {
    (void)state;
    each_case("core/handshakes.json", handshake_case);
}

static void handshakes_out(void **state) {
    (void)state;
    assert_int_equal(daffi_wasm_handshake_begin(put("me"), 0), 0);
    static const char bare[] =
        "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"me\",\"methods\":null}]}";
    assert_int_equal(daffi_wasm_handshake_end(), sizeof bare - 1);
    assert_memory_equal(daffi_wasm_pointer(0), bare, sizeof bare - 1);
    refused(daffi_wasm_handshake_end());
    refused(daffi_wasm_handshake_method(put("f")));

    assert_int_equal(daffi_wasm_handshake_begin(put("me"), 1), 0);
    static const char empty[] =
        "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"me\",\"methods\":[]}]}";
    assert_int_equal(daffi_wasm_handshake_end(), sizeof empty - 1);
    assert_memory_equal(daffi_wasm_pointer(0), empty, sizeof empty - 1);

    assert_int_equal(daffi_wasm_handshake_begin(put("a \"b\""), 0), 0);
    assert_int_equal(daffi_wasm_handshake_method(put("f")), 0);
    assert_int_equal(daffi_wasm_handshake_method(put("f")), DAFFI_WASM_BAD);
    assert_int_equal(daffi_wasm_handshake_method(put("\xD0\xB6")), 0);
    static const char two[] = "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"a "
                              "\\\"b\\\"\",\"methods\":[\"f\",\"\xD0\xB6\"]}]}";
    assert_int_equal(daffi_wasm_handshake_end(), sizeof two - 1);
    assert_memory_equal(daffi_wasm_pointer(0), two, sizeof two - 1);
}

static void event_case(void) {
    static const char *const types[] = {"connected", "disconnected", "evicted"};
    const char *text = text_of("json");
    uint8_t *json = lend(text, strlen(text));
    const int32_t type = daffi_wasm_event_read(json, (uint32_t)strlen(text));
    daffi_wasm_release(json);
    if (json_is_true(json_object_get(current, "refused"))) {
        refused(type);
        return;
    }
    assert_true(type >= 0 && type < 3);
    assert_string_equal(types[type], text_of("type"));
    assert_window(field(0), text_of("member"));
}

static void events(void **state) {
    (void)state;
    each_case("core/events.json", event_case);
}

/* One member's worth of a server's handshake, as the wire brings it. */
static void arrive(const json_t *name, const json_t *methods) {
    json_t *message = json_pack("{s:{s:s},s:[{s:O,s:O}]}", "meta", "type", "router", "members", "name", name,
                                "methods", methods);
    char *text = json_dumps(message, 0);
    uint8_t *json = lend(text, strlen(text));
    assert_int_equal(daffi_wasm_handshake_read(json, (uint32_t)strlen(text), 0), 2);
    daffi_wasm_release(json);
    free(text);
    json_decref(message);
}

static void leave(const char *name) {
    char event[400];
    const int length = snprintf(event, sizeof event, "{\"type\":\"disconnected\",\"member\":\"%s\"}", name);
    assert_int_equal(daffi_wasm_event_read((const uint8_t *)event, (uint32_t)length), 1);
}

static void member_step(const json_t *step) {
    const char *verb = json_string_value(json_array_get(step, 0));
    const json_t *first = json_array_get(step, 1);
    const json_t *second = json_array_get(step, 2);
    if (strcmp(verb, "put") == 0) {
        arrive(first, second);
    } else if (strcmp(verb, "leave") == 0) {
        leave(json_string_value(first));
    } else if (strcmp(verb, "count") == 0) {
        assert_int_equal(daffi_wasm_members_count(), json_integer_value(first));
    } else if (strcmp(verb, "pick") == 0) {
        const int32_t length = daffi_wasm_member_pick(put(json_string_value(first)));
        if (json_is_null(second))
            assert_int_equal(length, DAFFI_WASM_NONE);
        else
            assert_window(length, json_string_value(second));
    } else if (strcmp(verb, "names") == 0) {
        for (size_t i = 0; i < json_array_size(first); i++)
            assert_window(daffi_wasm_member_name((uint32_t)i), json_string_value(json_array_get(first, i)));
        assert_int_equal(daffi_wasm_member_name((uint32_t)json_array_size(first)), DAFFI_WASM_NONE);
    } else if (strcmp(verb, "methods") == 0) {
        assert_methods(daffi_wasm_member_find(put(json_string_value(first))), second);
    } else {
        assert_string_equal(verb, "exposes");
        const int32_t index = daffi_wasm_member_find(put(json_string_value(first)));
        assert_int_equal(daffi_wasm_member_exposes((uint32_t)index, put(json_string_value(second))),
                         json_is_true(json_array_get(step, 3)));
    }
}

static void member_case(void) {
    assert_int_equal(daffi_wasm_members_reset(put(text_of("self"))), 0);
    size_t index;
    const json_t *step;
    json_array_foreach(json_object_get(current, "steps"), index, step) member_step(step);
}

static void members(void **state) {
    (void)state;
    each_case("core/members.json", member_case);
}

enum { SEED_CALLS = 3 * 65535 + 65530 }; /* a round ends soon */

static void calls(void **state) {
    (void)state;
    const int32_t first = daffi_wasm_call_open();
    assert_int_equal(first, SEED_CALLS % 65535 + 1); /* as it was seeded */
    assert_int_equal(daffi_wasm_calls_count(), 1);
    assert_int_equal(daffi_wasm_call_close((uint32_t)first), 0);
    assert_int_equal(daffi_wasm_call_close((uint32_t)first), DAFFI_WASM_NONE);
    assert_int_equal(daffi_wasm_call_close(0), DAFFI_WASM_NONE);
    assert_int_equal(daffi_wasm_call_close((uint32_t)first + 65536), DAFFI_WASM_NONE);
    static bool seen[65536];
    for (int i = 0; i < 65535; i++) {
        const int32_t id = daffi_wasm_call_open();
        assert_true(id > 0 && id < 65536 && !seen[id]);
        seen[id] = true;
    }
    assert_int_equal(daffi_wasm_call_open(), DAFFI_WASM_NONE);
    assert_int_equal(daffi_wasm_calls_count(), 65535);
    assert_int_equal(daffi_wasm_call_close(777), 0);
    assert_int_equal(daffi_wasm_call_open(), 777);
    for (uint32_t id = 1; id < 65536; id++)
        assert_int_equal(daffi_wasm_call_close(id), 0);
    assert_int_equal(daffi_wasm_calls_count(), 0);
}

int main(void) {
    daffi_wasm_seed(12345, SEED_CALLS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),
        cmocka_unit_test(released_daffi),
        cmocka_unit_test(message_limits),
        cmocka_unit_test(msgpack),
        cmocka_unit_test(numbers_of_javascript),
        cmocka_unit_test(pickles),
        cmocka_unit_test(names),
        cmocka_unit_test(handshakes_in),
        cmocka_unit_test(handshakes_out),
        cmocka_unit_test(events),
        cmocka_unit_test(members),
        cmocka_unit_test(calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
