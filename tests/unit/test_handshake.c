/* HANDSHAKE payloads: real peers' bytes both ways, every refusal by its sentence, what is left out, and bounds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "daffi/handshake.h"
#include "daffi/message.h"
#include "guarded.h"
#include "hex.h"

enum { ROOM = (1 << 24) + 4096 };

typedef int parse_function(struct daffi_span, struct daffi_handshake **, struct daffi_fault *);

static const char broken[] = "no valid JSON; one object without duplicate keys is expected";
static const char no_object[] = "JSON that is no object; an object is expected";
static const char too_long[] = "more JSON than a handshake or an event can have";

static char *text; /* ROOM bytes to write long handshakes into */

static struct daffi_handshake *read_whole(parse_function *parse, struct daffi_span json) {
    struct daffi_handshake *handshake = NULL;
    struct daffi_fault fault = {.text = "?"};
    const int result = parse(guarded_copy(&guarded, json), &handshake, &fault);
    if (result != 0)
        fail_msg("%s at %zu (%d)", fault.text, fault.offset, result);
    assert_non_null(handshake);
    return handshake;
}

static void assert_formats_as(const struct daffi_handshake *handshake, struct daffi_span expected) {
    char *json = NULL;
    size_t length = 0;
    assert_int_equal(daffi_handshake_format(handshake, &json, &length), 0);
    assert_int_equal(length, expected.length);
    assert_memory_equal(json, expected.data, length);
    free(json);
}

static void assert_reads_and_formats_as(parse_function *parse, struct daffi_span json,
                                        struct daffi_span expected) {
    struct daffi_handshake *handshake = read_whole(parse, json);
    assert_formats_as(handshake, expected);
    daffi_handshake_free(handshake);
}

static void assert_refused(parse_function *parse, struct daffi_span json, const char *sentence) {
    struct daffi_handshake untouched;
    struct daffi_handshake *handshake = &untouched;
    struct daffi_fault fault = {.text = "?"};
    assert_int_equal(parse(guarded_copy(&guarded, json), &handshake, &fault), -EBADMSG);
    assert_ptr_equal(handshake, &untouched);
    assert_string_equal(fault.text, sentence);
    assert_true(fault.offset <= json.length);
}

/* -- names -- */

static void names_that_any_peer_may_bear(void **state) {
    (void)state;
    static const char *const good[] = {
        "a", "worker-1", " ", "w 1.!?\"\\/", "\xD0\xBC\xD0\xB8\xD1\x80", "\xF0\x9F\x90\x8D"};
    struct daffi_fault fault = {.text = "untouched"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(daffi_name_check(guarded_copy(&guarded, daffi_span_text(good[i])), &fault), 0);
    memset(text, 'n', DAFFI_NAME_MAX);
    assert_int_equal(daffi_name_check(daffi_span_of(text, DAFFI_NAME_MAX), &fault), 0);
    assert_string_equal(fault.text, "untouched");
}

static void names_that_nobody_may_bear(void **state) {
    (void)state;
    static const char length[] = "a name has 1 to 255 bytes";
    static const char sign[] = "a name has no bar, comma or control character";
    static const char utf8[] = "a name is UTF-8";
    static const struct {
        const char *name;
        size_t length;
        const char *sentence;
        size_t offset;
    } bad[] = {
        {"", 0, length, 0},           {"a|b", 3, sign, 1},      {"|", 1, sign, 0},
        {"ab,", 3, sign, 2},          {"a\nb", 3, sign, 1},     {"a\0b", 3, sign, 1},
        {"a\x1F", 2, sign, 1},        {"a\x7F", 2, sign, 1},    {"a\xFF", 2, utf8, 1},
        {"\xD0\xBC\xD1", 3, utf8, 2}, {"\xC0\x80", 2, utf8, 0}, {"ab\xED\xBF\xBF", 5, utf8, 2},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct daffi_fault fault = {0};
        const struct daffi_span name = guarded_copy(&guarded, daffi_span_of(bad[i].name, bad[i].length));
        assert_int_equal(daffi_name_check(name, &fault), -EINVAL);
        assert_string_equal(fault.text, bad[i].sentence);
        assert_int_equal(fault.offset, bad[i].offset);
    }
    struct daffi_fault fault = {0};
    memset(text, 'n', DAFFI_NAME_MAX + 1);
    assert_int_equal(daffi_name_check(daffi_span_of(text, DAFFI_NAME_MAX + 1), &fault), -EINVAL);
    assert_string_equal(fault.text, length);
}

/* -- what real peers send -- */

static struct daffi_span payload_of(const json_t *vector, const char *key, uint8_t *bytes, size_t room) {
    const size_t length = hex_decode(json_string_value(json_object_get(vector, key)), bytes, room);
    struct daffi_message message;
    struct daffi_fault fault;
    size_t whole = 0;
    assert_int_equal(daffi_message_decode(daffi_span_of(bytes, length), &message, &whole, &fault), 0);
    assert_int_equal(message.flag, DAFFI_HANDSHAKE);
    assert_int_equal(whole, length);
    return message.payload;
}

static void real_exchanges_byte_for_byte(void **state) {
    (void)state;
    json_t *file = json_load_file(TESTS_DIR "/vectors/daffi-3.0.1.json", 0, NULL);
    assert_non_null(file);
    const json_t *vectors = json_object_get(file, "vectors");
    size_t index = 0, handshakes = 0;
    const json_t *vector = NULL;
    json_array_foreach(vectors, index, vector) {
        if (strcmp(json_string_value(json_object_get(vector, "name")), "handshake") != 0)
            continue;
        uint8_t bytes[4096];
        const struct daffi_span sent = payload_of(vector, "sent", bytes, sizeof bytes);
        assert_reads_and_formats_as(daffi_handshake_parse_client, sent, sent);
        const struct daffi_span received = payload_of(vector, "received", bytes, sizeof bytes);
        assert_reads_and_formats_as(daffi_handshake_parse_server, received, received);

        struct daffi_handshake *router = read_whole(daffi_handshake_parse_server, received);
        assert_int_equal(router->type, DAFFI_TYPE_ROUTER);
        assert_null(router->error);
        assert_int_equal(router->bridge.abi, 0);
        assert_int_equal(router->members_count, 3);
        assert_string_equal(router->members[1].name, "w1");
        assert_int_equal(router->members[1].methods_count, 4);
        assert_string_equal(router->members[1].methods[3], "blen");
        assert_string_equal(router->members[2].name, "br");
        assert_null(router->members[2].methods);
        daffi_handshake_free(router);
        handshakes++;
    }
    assert_int_equal(handshakes, 1);
    json_decref(file);
}

static void what_reads_and_writes_the_same(void **state) {
    (void)state;
    static const struct {
        parse_function *parse;
        const char *json;
    } same[] = {
        {daffi_handshake_parse_client,
         "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"a\",\"methods\":[]}]}"},
        {daffi_handshake_parse_client, "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"a\\\"\\\\/"
                                       "\xF0\x9F\x90\x8D\",\"methods\":[\"f\",\"g,h\",\"\\u0001\"]}]}"},
        {daffi_handshake_parse_server, "{\"meta\":{\"type\":\"router\",\"error\":null},\"members\":[]}"},
        {daffi_handshake_parse_server,
         "{\"meta\":{\"type\":\"service\",\"error\":\"the name \\\"a\\\" is taken\"},\"members\":[]}"},
        {daffi_handshake_parse_server, "{\"meta\":{\"type\":\"service\",\"error\":\"\"},\"members\":[]}"},
        {daffi_handshake_parse_server,
         "{\"meta\":{\"type\":\"router\",\"error\":null,\"bridge\":{\"abi\":1,\"maxMessage\":8388608,"
         "\"maxBatch\":65536,\"heartbeat\":15000}},\"members\":[{\"name\":\"w\",\"methods\":null}]}"},
        {daffi_handshake_parse_server, "{\"meta\":{\"type\":\"router\",\"error\":null,\"bridge\":{\"abi\":"
                                       "2147483647,\"maxMessage\":2147483647,"
                                       "\"maxBatch\":0,\"heartbeat\":0}},\"members\":[]}"},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_reads_and_formats_as(same[i].parse, daffi_span_text(same[i].json),
                                    daffi_span_text(same[i].json));
}

static void what_python_s_client_adds_is_not_passed_on(void **state) {
    (void)state;
    static const char plain[] =
        "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"a\",\"methods\":null}]}";
    static const char *const alike[] = {
        "{\"meta\":{\"type\":\"client\",\"error\":null},\"members\":[{\"name\":\"a\",\"methods\":null}]}",
        ("{ \"members\": [{\"methods\":null, \"name\":\"\\u0061\"}],\n \"meta\": {\"error\":null, "
         "\"type\":\"client\"} }\r\n\t"),
        "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"a\"}]}",
    };
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        assert_reads_and_formats_as(daffi_handshake_parse_client, daffi_span_text(alike[i]),
                                    daffi_span_text(plain));
}

/* What stands in a struct, but can't be sent as it is. */
static void names_that_are_no_utf8_are_mended(void **state) {
    (void)state;
    char name[] = "a\xFF", function[] = "\xD0", error[] = "\xED\xA0\x80";
    char *functions[] = {function};
    struct daffi_member member = {.name = name, .methods = functions, .methods_count = 1};
    const struct daffi_handshake handshake = {
        .type = DAFFI_TYPE_SERVICE, .error = error, .members = &member, .members_count = 1};
    assert_formats_as(
        &handshake,
        daffi_span_text("{\"meta\":{\"type\":\"service\",\"error\":\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"},"
                        "\"members\":[{\"name\":\"a\xEF\xBF\xBD\",\"methods\":[\"\xEF\xBF\xBD\"]}]}"));
}

/* -- refusals -- */

static void every_refusal_of_a_client_has_its_sentence(void **state) {
    (void)state;
    static const char shape[] = "a handshake is {\"meta\": {…}, \"members\": […]}, and nothing else";
    static const char type[] = "a handshake's meta.type is \"client\"";
    static const char meta[] = "a handshake's meta has type, and error: null at most";
    static const char one[] = "a handshake names exactly one member: its sender";
    static const char member[] = "a member is an object with name and methods, and nothing else";
    static const char name[] = "a member's name is missing, or no text";
    static const char list[] = "a member's methods are a list of names, or null";
    static const char function[] = "a function's name is a text of 1 to 255 bytes without a bar";
    static const char twice[] = "a member names the same function twice";
#define CLIENT(member) "{\"meta\":{\"type\":\"client\"},\"members\":[" member "]}"
    static const struct {
        const char *json;
        const char *sentence;
    } refused[] = {
        {"", broken},
        {"hello", broken},
        {"{", broken},
        {"{}x", broken},
        {"{\"meta\":{\"type\":\"client\"},\"meta\":{\"type\":\"client\"},\"members\":[]}", broken},
        {CLIENT("{\"name\":\"a\",\"name\":\"a\",\"methods\":null}"), broken},
        {CLIENT("{\"name\":\"a\\u0000\",\"methods\":null}"), broken},
        {CLIENT("{\"name\":\"\\ud800\",\"methods\":null}"), broken},
        {CLIENT("{\"name\":\"\xFF\",\"methods\":null}"), broken},
        {CLIENT("{\"name\":\"a\",\"methods\":99999999999999999999}"), broken},
        {CLIENT("{\"name\":\"a\",\"methods\":1e999}"), broken},
        {"[]", no_object},
        {"[{}]", no_object},
        {"{}", shape},
        {"{\"meta\":{\"type\":\"client\"}}", shape},
        {"{\"members\":[]}", shape},
        {"{\"meta\":null,\"members\":[]}", shape},
        {"{\"meta\":{\"type\":\"client\"},\"members\":{}}", shape},
        {"{\"meta\":{\"type\":\"client\"},\"members\":null}", shape},
        {"{\"meta\":{\"type\":\"client\"},\"members\":[],\"more\":1}", shape},
        {"{\"meta\":{},\"members\":[]}", type},
        {"{\"meta\":{\"type\":null},\"members\":[]}", type},
        {"{\"meta\":{\"type\":\"router\"},\"members\":[]}", type},
        {"{\"meta\":{\"type\":\"service\"},\"members\":[]}", type},
        {"{\"meta\":{\"type\":\"client \"},\"members\":[]}", type},
        {"{\"meta\":{\"type\":\"client\",\"error\":\"no\"},\"members\":[]}", meta},
        {"{\"meta\":{\"type\":\"client\",\"error\":false},\"members\":[]}", meta},
        {"{\"meta\":{\"type\":\"client\",\"token\":\"x\"},\"members\":[]}", meta},
        {"{\"meta\":{\"type\":\"client\",\"error\":null,\"token\":\"x\"},\"members\":[]}", meta},
        {CLIENT(""), one},
        {CLIENT("{\"name\":\"a\",\"methods\":null},{\"name\":\"victim\",\"methods\":null}"), one},
        {CLIENT("null"), member},
        {CLIENT("\"a\""), member},
        {CLIENT("[\"a\",null]"), member},
        {CLIENT("{}"), member},
        {CLIENT("{\"name\":\"a\",\"methods\":null,\"more\":1}"), member},
        {CLIENT("{\"name\":\"a\",\"more\":1}"), member},
        {CLIENT("{\"nam\":\"a\"}"), name},
        {CLIENT("{\"nam\":\"a\",\"methods\":null}"), name},
        {CLIENT("{\"name\":null,\"methods\":null}"), name},
        {CLIENT("{\"name\":[\"a\"],\"methods\":null}"), name},
        {CLIENT("{\"name\":\"\",\"methods\":null}"), "a name has 1 to 255 bytes"},
        {CLIENT("{\"name\":\"a|b\",\"methods\":null}"), "a name has no bar, comma or control character"},
        {CLIENT("{\"name\":\"a,b\",\"methods\":null}"), "a name has no bar, comma or control character"},
        {CLIENT("{\"name\":\"a\\nb\",\"methods\":null}"), "a name has no bar, comma or control character"},
        {CLIENT("{\"name\":\"a\",\"methods\":{}}"), list},
        {CLIENT("{\"name\":\"a\",\"methods\":\"f\"}"), list},
        {CLIENT("{\"name\":\"a\",\"methods\":false}"), list},
        {CLIENT("{\"name\":\"a\",\"methods\":[null]}"), function},
        {CLIENT("{\"name\":\"a\",\"methods\":[\"f\",1]}"), function},
        {CLIENT("{\"name\":\"a\",\"methods\":[\"f\",[\"g\"]]}"), function},
        {CLIENT("{\"name\":\"a\",\"methods\":[\"\"]}"), function},
        {CLIENT("{\"name\":\"a\",\"methods\":[\"f|g\"]}"), function},
        {CLIENT("{\"name\":\"a\",\"methods\":[\"f\",\"g\",\"f\"]}"), twice},
        {CLIENT("{\"name\":\"a\",\"methods\":[\"f\",\"\\u0066\"]}"), twice},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_refused(daffi_handshake_parse_client, daffi_span_text(refused[i].json), refused[i].sentence);
}

static void every_refusal_of_a_server_has_its_sentence(void **state) {
    (void)state;
    static const char shape[] = "a server's handshake has meta and members";
    static const char type[] = "a server's meta.type is \"service\" or \"router\"";
    static const struct {
        const char *json;
        const char *sentence;
    } refused[] = {
        {"", broken},
        {"\xEF\xBB\xBF{}", broken},
        {"{\"meta\":{\"type\":\"router\"},\"members\":[],\"members\":[]}", broken},
        {"{\"meta\":{\"type\":\"router\",\"error\":\"\\u0000\"},\"members\":[]}", broken},
        {"[]", no_object},
        {"{}", shape},
        {"{\"members\":[]}", shape},
        {"{\"meta\":[],\"members\":[]}", shape},
        {"{\"meta\":{\"type\":\"router\"}}", shape},
        {"{\"meta\":{\"type\":\"router\"},\"members\":{}}", shape},
        {"{\"meta\":{},\"members\":[]}", type},
        {"{\"meta\":{\"type\":\"client\"},\"members\":[]}", type},
        {"{\"meta\":{\"type\":[\"router\"]},\"members\":[]}", type},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_refused(daffi_handshake_parse_server, daffi_span_text(refused[i].json), refused[i].sentence);
}

static void cut_anywhere_it_is_refused(void **state) {
    (void)state;
    static const char client[] =
        "{\"meta\":{\"type\":\"client\",\"error\":null},\"members\":[{\"name\":\"a\\u0436\xD0\xB6\","
        "\"methods\":[\"f\",\"g\"]}]}";
    static const char server[] = "{\"meta\":{\"type\":\"router\",\"error\":null,\"bridge\":{\"abi\":1,\"x\":-"
                                 "1.5e3}},\"members\":[{\"name\":\"a\","
                                 "\"methods\":[\"f\"]},{\"name\":\"b\",\"methods\":null}],\"t\":true}";
    for (size_t cut = 0; cut < strlen(client); cut++)
        assert_refused(daffi_handshake_parse_client, daffi_span_of(client, cut), broken);
    for (size_t cut = 0; cut < strlen(server); cut++)
        assert_refused(daffi_handshake_parse_server, daffi_span_of(server, cut), broken);
}

/* -- servers -- */

static void members_that_can_t_be_called_are_left_out(void **state) {
    (void)state;
    static const char json[] = "{\"meta\":{\"type\":\"router\"},\"members\":["
                               "{\"name\":\"a\",\"methods\":[\"f\"]},"
                               "null,1,\"x\",[],{},"
                               "{\"methods\":[\"f\"]},"
                               "{\"name\":null,\"methods\":[\"f\"]},"
                               "{\"name\":\"\",\"methods\":[\"f\"]},"
                               "{\"name\":\"x|y\",\"methods\":[\"f\"]},"
                               "{\"name\":\"x,y\",\"methods\":[\"f\"]},"
                               "{\"name\":\"x\\u001b\",\"methods\":[\"f\"]},"
                               "{\"name\":\"x\",\"methods\":{}},"
                               "{\"name\":\"x\",\"methods\":[\"f\",\"g|h\"]},"
                               "{\"name\":\"x\",\"methods\":[\"f\",\"\"]},"
                               "{\"name\":\"x\",\"methods\":[\"f\",null]},"
                               "{\"name\":\"x\",\"methods\":[\"f\",\"f\"]},"
                               "{\"name\":\"b\",\"methods\":null},"
                               "{\"name\":\"c\"},"
                               "{\"name\":\"d\",\"methods\":[],\"more\":[1]}"
                               "]}";
    static const char left[] = "{\"meta\":{\"type\":\"router\",\"error\":null},\"members\":["
                               "{\"name\":\"a\",\"methods\":[\"f\"]},"
                               "{\"name\":\"b\",\"methods\":null},"
                               "{\"name\":\"c\",\"methods\":null},"
                               "{\"name\":\"d\",\"methods\":[]}"
                               "]}";
    assert_reads_and_formats_as(daffi_handshake_parse_server, daffi_span_text(json), daffi_span_text(left));
}

static void unknown_fields_of_a_server_are_ignored(void **state) {
    (void)state;
    static const char json[] = "{\"v\":2,\"meta\":{\"new\":{\"x\":[true,false,null,0.5]},\"type\":"
                               "\"service\"},\"members\":[],\"z\":\"\"}";
    assert_reads_and_formats_as(
        daffi_handshake_parse_server, daffi_span_text(json),
        daffi_span_text("{\"meta\":{\"type\":\"service\",\"error\":null},\"members\":[]}"));
}

static void an_error_that_is_no_text_is_a_refusal_all_the_same(void **state) {
    (void)state;
    static const char *const errors[] = {"1", "true", "false", "[]", "{\"text\":\"no\"}"};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        snprintf(text, ROOM, "{\"meta\":{\"type\":\"router\",\"error\":%s},\"members\":[]}", errors[i]);
        struct daffi_handshake *handshake = read_whole(daffi_handshake_parse_server, daffi_span_text(text));
        assert_string_equal(handshake->error, "refused without a text");
        daffi_handshake_free(handshake);
    }
}

static void a_bridge_s_numbers_are_taken_where_they_are_numbers(void **state) {
    (void)state;
    static const struct {
        const char *bridge;
        struct daffi_bridge_offer offer;
    } offers[] = {
        {"null", {0}},
        {"[]", {0}},
        {"\"abi\"", {0}},
        {"{}", {0}},
        {"{\"abi\":1}", {.abi = 1}},
        {"{\"abi\":2,\"maxMessage\":3,\"maxBatch\":4,\"heartbeat\":5,\"more\":6}", {2, 3, 4, 5}},
        {"{\"abi\":0,\"maxMessage\":-1,\"maxBatch\":\"4\",\"heartbeat\":5.5}", {0}},
        {"{\"abi\":true,\"maxMessage\":2147483648,\"maxBatch\":9223372036854775807,\"heartbeat\":2147483647}",
         {.heartbeat = DAFFI_HEARTBEAT_MAX}},
    };
    for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
        snprintf(text, ROOM, "{\"meta\":{\"type\":\"router\",\"bridge\":%s},\"members\":[]}",
                 offers[i].bridge);
        struct daffi_handshake *handshake = read_whole(daffi_handshake_parse_server, daffi_span_text(text));
        assert_int_equal(handshake->bridge.abi, offers[i].offer.abi);
        assert_int_equal(handshake->bridge.max_message, offers[i].offer.max_message);
        assert_int_equal(handshake->bridge.max_batch, offers[i].offer.max_batch);
        assert_int_equal(handshake->bridge.heartbeat, offers[i].offer.heartbeat);
        daffi_handshake_free(handshake);
    }
}

/* -- bounds -- */

static size_t append(size_t at, const char *piece) {
    const size_t length = strlen(piece);
    assert_true(at + length <= ROOM);
    memcpy(text + at, piece, length); /* NOLINT(bugprone-not-null-terminated-result): a run of bytes */
    return at + length;
}

/* A handshake in `text` of `members` members, each with `methods` functions. */
static struct daffi_span write_handshake(const char *type, size_t members, size_t methods) {
    char piece[64];
    snprintf(piece, sizeof piece, "{\"meta\":{\"type\":\"%s\"},\"members\":[", type);
    size_t at = append(0, piece);
    for (size_t i = 0; i < members; i++) {
        snprintf(piece, sizeof piece, "%s{\"name\":\"m%zu\",\"methods\":[", i > 0 ? "," : "", i);
        at = append(at, piece);
        for (size_t method = 0; method < methods; method++) {
            snprintf(piece, sizeof piece, "%s\"f%zu\"", method > 0 ? "," : "", method);
            at = append(at, piece);
        }
        at = append(at, "]}");
    }
    return daffi_span_of(text, append(at, "]}"));
}

static void as_many_functions_as_4096(void **state) {
    (void)state;
    struct daffi_handshake *client =
        read_whole(daffi_handshake_parse_client, write_handshake("client", 1, DAFFI_METHODS_MAX));
    assert_int_equal(client->members[0].methods_count, DAFFI_METHODS_MAX);
    assert_string_equal(client->members[0].methods[4095], "f4095");
    daffi_handshake_free(client);
    assert_refused(daffi_handshake_parse_client, write_handshake("client", 1, DAFFI_METHODS_MAX + 1),
                   "a member has at most 4096 functions");
    struct daffi_handshake *server =
        read_whole(daffi_handshake_parse_server, write_handshake("router", 1, DAFFI_METHODS_MAX + 1));
    assert_int_equal(server->members_count, 0);
    daffi_handshake_free(server);
}

/* A client's largest handshake fits the bytes that it may have. */
static void all_functions_may_have_255_bytes(void **state) {
    (void)state;
    size_t at = append(0, "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"a\",\"methods\":[");
    for (int i = 0; i < DAFFI_METHODS_MAX - 300; i++) {
        char function[DAFFI_NAME_MAX + 4];
        snprintf(function, sizeof function, "%s\"%0*d\"", i > 0 ? "," : "", DAFFI_NAME_MAX, i);
        at = append(at, function);
    }
    at = append(at, "]}]}");
    struct daffi_handshake *client = read_whole(daffi_handshake_parse_client, daffi_span_of(text, at));
    assert_int_equal(strlen(client->members[0].methods[0]), DAFFI_NAME_MAX);
    daffi_handshake_free(client);

    char function[DAFFI_NAME_MAX + 2];
    memset(function, 'f', DAFFI_NAME_MAX + 1);
    function[DAFFI_NAME_MAX + 1] = '\0';
    snprintf(text, ROOM,
             "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"a\",\"methods\":[\"%s\"]}]}",
             function);
    assert_refused(daffi_handshake_parse_client, daffi_span_text(text),
                   "a function's name is a text of 1 to 255 bytes without a bar");
}

static void as_many_members_as_16384(void **state) {
    (void)state;
    struct daffi_handshake *router =
        read_whole(daffi_handshake_parse_server, write_handshake("router", DAFFI_MEMBERS_MAX, 1));
    assert_int_equal(router->members_count, DAFFI_MEMBERS_MAX);
    assert_string_equal(router->members[16383].name, "m16383");
    daffi_handshake_free(router);
    assert_refused(daffi_handshake_parse_server, write_handshake("router", DAFFI_MEMBERS_MAX + 1, 1),
                   "a server's handshake has at most 16384 members");
}

static void as_many_functions_in_all_as_262144(void **state) {
    (void)state;
    struct daffi_handshake *router =
        read_whole(daffi_handshake_parse_server, write_handshake("router", 64, 4096));
    assert_int_equal(router->members_count, 64);
    daffi_handshake_free(router);
    assert_refused(daffi_handshake_parse_server, write_handshake("router", 65, 4096),
                   "a server's handshake has at most 262144 functions in all");
}

static void bytes_are_bounded(void **state) {
    (void)state;
    const size_t client = write_handshake("client", 1, 1).length;
    memset(text + client, ' ', ROOM - client);
    daffi_handshake_free(read_whole(daffi_handshake_parse_client, daffi_span_of(text, 1 << 20)));
    assert_refused(daffi_handshake_parse_client, daffi_span_of(text, (1 << 20) + 1), too_long);
    const size_t server = write_handshake("router", 1, 1).length;
    memset(text + server, ' ', ROOM - server);
    daffi_handshake_free(read_whole(daffi_handshake_parse_server, daffi_span_of(text, 1 << 24)));
    assert_refused(daffi_handshake_parse_server, daffi_span_of(text, (1 << 24) + 1), too_long);
}

static void depth_is_bounded(void **state) {
    (void)state;
    const size_t begin = append(0, "{\"meta\":{\"type\":\"router\"},\"members\":[],\"x\":");
    memset(text + begin, '[', 100000);
    memset(text + begin + 100000, ']', 100000);
    const size_t end = append(begin + 200000, "}");
    assert_refused(daffi_handshake_parse_server, daffi_span_of(text, end), broken);
    assert_refused(daffi_handshake_parse_client, daffi_span_of(text, end), broken);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_any_peer_may_bear),
        cmocka_unit_test(names_that_nobody_may_bear),
        cmocka_unit_test(real_exchanges_byte_for_byte),
        cmocka_unit_test(what_reads_and_writes_the_same),
        cmocka_unit_test(what_python_s_client_adds_is_not_passed_on),
        cmocka_unit_test(names_that_are_no_utf8_are_mended),
        cmocka_unit_test(every_refusal_of_a_client_has_its_sentence),
        cmocka_unit_test(every_refusal_of_a_server_has_its_sentence),
        cmocka_unit_test(cut_anywhere_it_is_refused),
        cmocka_unit_test(members_that_can_t_be_called_are_left_out),
        cmocka_unit_test(unknown_fields_of_a_server_are_ignored),
        cmocka_unit_test(an_error_that_is_no_text_is_a_refusal_all_the_same),
        cmocka_unit_test(a_bridge_s_numbers_are_taken_where_they_are_numbers),
        cmocka_unit_test(as_many_functions_as_4096),
        cmocka_unit_test(all_functions_may_have_255_bytes),
        cmocka_unit_test(as_many_members_as_16384),
        cmocka_unit_test(as_many_functions_in_all_as_262144),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(depth_is_bounded),
    };
    guarded = guarded_new(ROOM);
    text = malloc(ROOM);
    const int failed = text == NULL ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
    free(text);
    guarded_free(&guarded);
    daffi_handshake_free(NULL);
    return failed;
}
