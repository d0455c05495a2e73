/* EVENTS: the reference's bytes both ways, every refusal by its sentence. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daffi/handshake.h"
#include "guarded.h"

static int parse(struct daffi_span json, struct daffi_event *ret_event, struct daffi_fault *ret_fault) {
    return daffi_event_parse(guarded_copy(&guarded, json), ret_event, ret_fault);
}

static void assert_formats_as(const struct daffi_event *event, const char *expected) {
    char *json = NULL;
    size_t length = 0;
    assert_int_equal(daffi_event_format(event, &json, &length), 0);
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(json, expected, length);
    free(json);
}

static void every_type_both_ways(void **state) {
    (void)state;
    static const struct {
        const char *json;
        enum daffi_event_type type;
        const char *member;
    } events[] = {
        {"{\"type\":\"connected\",\"member\":\"w1\"}", DAFFI_EVENT_CONNECTED, "w1"},
        {"{\"type\":\"disconnected\",\"member\":\"w1\"}", DAFFI_EVENT_DISCONNECTED, "w1"},
        {"{\"type\":\"evicted\",\"member\":\"w1\"}", DAFFI_EVENT_EVICTED, "w1"},
        {"{\"type\":\"connected\",\"member\":\"\xD0\xBC\xD0\xB8\xD1\x80 \\\"\\\\\"}", DAFFI_EVENT_CONNECTED,
         "\xD0\xBC\xD0\xB8\xD1\x80 \"\\"},
        {"{\"type\":\"connected\",\"member\":\"a\\u0001b\\u001fc\\u000a\"}", DAFFI_EVENT_CONNECTED,
         "a\x01"
         "b\x1F"
         "c\n"},
    };
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        struct daffi_event event;
        struct daffi_fault fault = {0};
        assert_int_equal(parse(daffi_span_text(events[i].json), &event, &fault), 0);
        assert_int_equal(event.type, events[i].type);
        assert_string_equal(event.member, events[i].member);
        assert_formats_as(&event, events[i].json);
    }
}

static void what_else_may_stand_there(void **state) {
    (void)state;
    static const char *const same[] = {
        " { \"member\" : \"w\" , \"type\" : \"evicted\" } \n",
        "{\"type\":\"evicted\",\"member\":\"w\",\"at\":[1,2.5,{\"x\":null}],\"more\":true}",
        "{\"\\u0074ype\":\"evict\\u0065d\",\"member\":\"\\u0077\"}",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct daffi_event event;
        struct daffi_fault fault = {0};
        assert_int_equal(parse(daffi_span_text(same[i]), &event, &fault), 0);
        assert_formats_as(&event, "{\"type\":\"evicted\",\"member\":\"w\"}");
    }
}

static void assert_refused(struct daffi_span json, const char *sentence) {
    struct daffi_event event;
    memset(&event, 0x5A, sizeof event);
    const struct daffi_event before = event;
    struct daffi_fault fault = {0};
    assert_int_equal(parse(json, &event, &fault), -EBADMSG);
    assert_string_equal(fault.text, sentence);
    assert_true(fault.offset <= json.length);
    assert_memory_equal(&event, &before, sizeof event);
}

static void every_refusal_has_its_sentence(void **state) {
    (void)state;
    static const char json[] = "no valid JSON; one object without duplicate keys is expected";
    static const char object[] = "JSON that is no object; an object is expected";
    static const char type[] = "an event's type is connected, disconnected or evicted";
    static const char member[] = "an event's member is a name of 1 to 255 bytes";
    static const struct {
        const char *json;
        const char *sentence;
    } refused[] = {
        {"", json},
        {"hello", json},
        {"{\"type\":\"evicted\",\"member\":\"w\"}x", json},
        {"{\"type\":\"evicted\",\"type\":\"evicted\",\"member\":\"w\"}", json},
        {"{\"type\":\"evicted\",\"member\":\"\xFF\"}", json},
        {"{\"type\":\"evicted\",\"member\":\"a\\u0000b\"}", json},
        {"{\"type\":\"evicted\",\"member\":\"\\ud800\"}", json},
        {"[]", object},
        {"{}", type},
        {"{\"member\":\"w\"}", type},
        {"{\"type\":null,\"member\":\"w\"}", type},
        {"{\"type\":1,\"member\":\"w\"}", type},
        {"{\"type\":\"\",\"member\":\"w\"}", type},
        {"{\"type\":\"Evicted\",\"member\":\"w\"}", type},
        {"{\"type\":\"evicte\",\"member\":\"w\"}", type},
        {"{\"type\":\"evictedd\",\"member\":\"w\"}", type},
        {"{\"type\":\"evicted\"}", member},
        {"{\"type\":\"evicted\",\"member\":null}", member},
        {"{\"type\":\"evicted\",\"member\":[\"w\"]}", member},
        {"{\"type\":\"evicted\",\"member\":\"\"}", member},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_refused(daffi_span_text(refused[i].json), refused[i].sentence);
}

static void names_have_255_bytes_at_most(void **state) {
    (void)state;
    char name[DAFFI_NAME_MAX + 2];
    char json[512];
    for (size_t length = DAFFI_NAME_MAX; length <= DAFFI_NAME_MAX + 1; length++) {
        memset(name, 'n', length);
        name[length] = '\0';
        snprintf(json, sizeof json, "{\"type\":\"connected\",\"member\":\"%s\"}", name);
        if (length > DAFFI_NAME_MAX) {
            assert_refused(daffi_span_text(json), "an event's member is a name of 1 to 255 bytes");
            continue;
        }
        struct daffi_event event;
        struct daffi_fault fault = {0};
        assert_int_equal(parse(daffi_span_text(json), &event, &fault), 0);
        assert_string_equal(event.member, name);
        assert_formats_as(&event, json);
    }
}

static void an_event_has_4096_bytes_at_most(void **state) {
    (void)state;
    static char json[4097 + 1];
    memset(json, ' ', sizeof json - 1);
    static const char text[] = "{\"type\":\"connected\",\"member\":\"w\"}";
    memcpy(json, text, sizeof text - 1);
    struct daffi_event event;
    struct daffi_fault fault = {0};
    assert_int_equal(parse(daffi_span_of(json, 4096), &event, &fault), 0);
    assert_refused(daffi_span_of(json, 4097), "more JSON than a handshake or an event can have");
}

static void cut_anywhere_it_is_refused(void **state) {
    (void)state;
    static const char text[] = "{\"type\":\"disconnected\",\"member\":\"\xD0\xBC\xD0\xB8\xD1\x80\"}";
    for (size_t cut = 0; cut < strlen(text); cut++)
        assert_refused(daffi_span_of(text, cut),
                       "no valid JSON; one object without duplicate keys is expected");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_both_ways),
        cmocka_unit_test(what_else_may_stand_there),
        cmocka_unit_test(every_refusal_has_its_sentence),
        cmocka_unit_test(names_have_255_bytes_at_most),
        cmocka_unit_test(an_event_has_4096_bytes_at_most),
        cmocka_unit_test(cut_anywhere_it_is_refused),
    };
    return cmocka_run_group_tests(tests, guarded_set_up, guarded_tear_down);
}
