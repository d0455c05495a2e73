/* Handshakes, events and the registry when memory ends: each allocation fails once, and, in a second run, with all that
 * follow it. Each time -ENOMEM, outputs and registry as they were, nothing left behind. jansson's allocations are counted
 * too: it takes its memory through json_read.c.                             Linked with --wrap=malloc,calloc,realloc,free */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daffi/members.h"

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);

static struct {
    long until_failure; /* allocations that still succeed; negative: all */
    bool stays_empty;
    bool has_failed;
    long blocks; /* allocated and not freed */
} memory_supply = {.until_failure = -1};

static bool is_refused(void) {
    if (memory_supply.until_failure < 0)
        return false;
    if (memory_supply.until_failure > 0) {
        memory_supply.until_failure--;
        return false;
    }
    if (!memory_supply.stays_empty)
        memory_supply.until_failure = -1;
    memory_supply.has_failed = true;
    return true;
}

static void *counted(void *memory) {
    memory_supply.blocks += memory != NULL ? 1 : 0;
    return memory;
}

void *__wrap_malloc(size_t size) {
    return is_refused() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size) {
    return is_refused() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size) {
    if (is_refused())
        return NULL;
    void *moved = __real_realloc(memory, size);
    memory_supply.blocks += memory == NULL && moved != NULL ? 1 : 0;
    return moved;
}

void __wrap_free(void *memory) {
    memory_supply.blocks -= memory != NULL ? 1 : 0;
    __real_free(memory);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* Runs `attempt` with the first, then the second … allocation failing, until one run needs no more than it gets. `attempt`
 * returns as the function it tries and leaves nothing allocated when that failed; `undo` takes back what succeeded. */
static void with_every_failure(int (*attempt)(void), void (*undo)(void), long failures_min) {
    for (int stays_empty = 0; stays_empty <= 1; stays_empty++) {
        long failures = 0;
        for (;; failures++) {
            const long before = memory_supply.blocks;
            memory_supply.has_failed = false;
            memory_supply.stays_empty = stays_empty != 0;
            memory_supply.until_failure = failures;
            const int result = attempt();
            memory_supply.until_failure = -1;
            if (!memory_supply.has_failed) {
                assert_int_equal(result, 0);
                undo();
                assert_int_equal(memory_supply.blocks, before);
                break;
            }
            assert_int_equal(result, -ENOMEM);
            assert_int_equal(memory_supply.blocks, before);
        }
        assert_true(failures >= failures_min);
    }
}

/* -- handshakes and events -- */

static struct daffi_handshake *handshake;
static struct daffi_event event;
static char *json;

/* Strings longer than the lexer's buffer is at first, so that it has to grow; one of them with every escape. */
#define LONG_TEXT                                                                                            \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef012345" \
    "6789"                                                                                                   \
    "\\u0436\\ud83d\\udc0d\\n\\\\ \xD0\xB6"

static int read_client(void) {
    static const char text[] =
        "{\"meta\":{\"type\":\"client\",\"error\":null},\"members\":[{\"name\":\"a worker\","
        "\"methods\":[\"f\",\"g\",\"another_function_with_a_name\",\"h\"]}]}";
    struct daffi_fault fault = {.text = "untouched"};
    handshake = NULL;
    const int result = daffi_handshake_parse_client(daffi_span_text(text), &handshake, &fault);
    assert_true(result == 0 || handshake == NULL);
    assert_string_equal(fault.text, "untouched");
    return result;
}

static int read_server(void) {
    static const char text[] =
        "{\"meta\":{\"type\":\"router\",\"error\":\"" LONG_TEXT "\",\"new\":[1,2.5,{\"" LONG_TEXT
        "\":true}]},\"members\":["
        "{\"name\":\"a\",\"methods\":[\"f\",\"g\"]},{\"name\":\"left out\",\"methods\":[\"f\",\"f\"]},"
        "{\"name\":\"b\",\"methods\":null},{\"name\":\"c\",\"methods\":[]}]}";
    struct daffi_fault fault = {.text = "untouched"};
    handshake = NULL;
    const int result = daffi_handshake_parse_server(daffi_span_text(text), &handshake, &fault);
    assert_true(result == 0 || handshake == NULL);
    if (handshake != NULL)
        assert_int_equal(handshake->members_count, 3);
    assert_string_equal(fault.text, "untouched");
    return result;
}

static void free_handshake(void) {
    daffi_handshake_free(handshake);
    handshake = NULL;
}

static int write_handshake(void) {
    char *former = (char *)&event;
    char *written = former;
    size_t length = 4711;
    const int result = daffi_handshake_format(handshake, &written, &length);
    if (result < 0) {
        assert_ptr_equal(written, former);
        assert_int_equal(length, 4711);
        return result;
    }
    json = written;
    return 0;
}

static void free_json(void) {
    free(json);
    json = NULL;
}

static int read_event(void) {
    static const char text[] = "{\"type\":\"connected\",\"member\":\"" LONG_TEXT "\",\"more\":[null,\"x\"]}";
    struct daffi_fault fault = {.text = "untouched"};
    memset(&event, 0x5A, sizeof event);
    const struct daffi_event before = event;
    const int result = daffi_event_parse(daffi_span_text(text), &event, &fault);
    if (result < 0)
        assert_memory_equal(&event, &before, sizeof event);
    assert_string_equal(fault.text, "untouched");
    return result;
}

static int write_event(void) {
    size_t length = 0;
    return daffi_event_format(&event, &json, &length);
}

static void undo_nothing(void) {}

static void a_client_s_handshake(void **state) {
    (void)state;
    with_every_failure(read_client, free_handshake, 30);
}

static void a_server_s_handshake(void **state) {
    (void)state;
    with_every_failure(read_server, free_handshake, 40);
    assert_int_equal(read_server(), 0);
    with_every_failure(write_handshake, free_json, 1);
    free_handshake();
}

static void events(void **state) {
    (void)state;
    with_every_failure(read_event, undo_nothing, 10);
    with_every_failure(write_event, free_json, 1);
}

/* What is no JSON is told as such, and does not hold memory back. */
static void broken_json_after_all_that(void **state) {
    (void)state;
    static const char text[] = "{\"meta\":{\"type\":\"client\"},\"" LONG_TEXT "\":[\"" LONG_TEXT "\",oops]}";
    const long before = memory_supply.blocks;
    struct daffi_fault fault = {.text = "untouched"};
    assert_int_equal(daffi_handshake_parse_client(daffi_span_text(text), &handshake, &fault), -EBADMSG);
    assert_string_equal(fault.text, "no valid JSON; one object without duplicate keys is expected");
    assert_int_equal(memory_supply.blocks, before);
}

/* -- the registry -- */

static struct daffi_members *members;

static int make_members(void) {
    struct daffi_members *untouched = (struct daffi_members *)&event;
    members = untouched;
    const int result = daffi_members_new(daffi_span_text("me"), &members);
    assert_true(result == 0 || members == untouched);
    return result;
}

static void free_members(void) {
    daffi_members_free(members);
    members = NULL;
}

static int put(const char *name, const char *const *functions, size_t count) {
    char name_copy[32], copies[16][32];
    char *methods[16];
    snprintf(name_copy, sizeof name_copy, "%s", name);
    for (size_t i = 0; i < count; i++) {
        snprintf(copies[i], sizeof copies[i], "%s", functions[i]);
        methods[i] = copies[i];
    }
    const struct daffi_member member = {
        .name = name_copy, .methods = functions != NULL ? methods : NULL, .methods_count = count};
    return daffi_members_put(members, &member);
}

/* a, b and c, of which b is next to be picked for "shared", and a for "mine". */
static void begin_registry(void) {
    static const char *const functions[] = {"shared", "mine"};
    assert_int_equal(make_members(), 0);
    assert_int_equal(put("a", functions, 2), 0);
    assert_int_equal(put("b", functions, 1), 0);
    assert_int_equal(put("c", functions, 2), 0);
    assert_string_equal(daffi_members_pick(members, daffi_span_text("shared"))->name, "a");
}

static void assert_picks(const char *function, const char *name) {
    const struct daffi_member *member = daffi_members_pick(members, daffi_span_text(function));
    assert_string_equal(member != NULL ? member->name : "-", name);
}

/* Looks at everything, and ends where it began: three picks of three, two of two. */
static void assert_registry_is_as_it_was(void) {
    assert_int_equal(daffi_members_count(members), 3);
    assert_picks("shared", "b");
    assert_picks("shared", "c");
    assert_picks("shared", "a");
    assert_picks("mine", "a");
    assert_picks("mine", "c");
    assert_picks("new0", "-");
    assert_picks("new9", "-");
    static const size_t counts[] = {2, 1, 2};
    static const char *const names[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(daffi_members_at(members, i)->name, names[i]);
        assert_int_equal(daffi_members_at(members, i)->methods_count, counts[i]);
        assert_ptr_equal(daffi_members_find(members, daffi_span_text(names[i])),
                         daffi_members_at(members, i));
    }
}

static const char *const many[] = {"shared", "new0", "new1", "new2", "new3", "new4",
                                   "new5",   "new6", "new7", "new8", "new9", "mine"};

/* The registry is made anew for each try: what it gives back after a failure may be held in its tables' larger room. */
static int put_in_new_registry(const char *name, const char *const *functions, size_t count) {
    const bool stays_empty = memory_supply.stays_empty;
    const long until_failure = memory_supply.until_failure;
    memory_supply.until_failure = -1;
    begin_registry();
    memory_supply.until_failure = until_failure;
    const int result = put(name, functions, count);
    const long left = memory_supply.until_failure;
    memory_supply.until_failure = -1;
    if (result < 0) {
        assert_registry_is_as_it_was();
        assert_int_equal(put(name, functions, count), 0);
        assert_non_null(daffi_members_find(members, daffi_span_text(name)));
        free_members();
    }
    memory_supply.until_failure = left;
    memory_supply.stays_empty = stays_empty;
    return result;
}

static int put_newcomer(void) {
    return put_in_new_registry("d", many, sizeof many / sizeof *many);
}

static int put_replacement(void) {
    return put_in_new_registry("b", many, sizeof many / sizeof *many);
}

static int put_one_without_functions(void) {
    return put_in_new_registry("d", NULL, 0);
}

static void a_registry(void **state) {
    (void)state;
    with_every_failure(make_members, free_members, 2);
}

static void a_newcomer(void **state) {
    (void)state;
    with_every_failure(put_newcomer, free_members, 40);
    with_every_failure(put_one_without_functions, free_members, 2);
}

static void a_replacement(void **state) {
    (void)state;
    with_every_failure(put_replacement, free_members, 40);
}

/* The tables and the list of arrivals grow at other moments than those above: a few dozen, each failing at each step. */
static void a_crowd(void **state) {
    (void)state;
    assert_int_equal(make_members(), 0);
    for (size_t i = 0; i < 40; i++) {
        char name[16], own[16];
        snprintf(name, sizeof name, "w%zu", i);
        snprintf(own, sizeof own, "own%zu", i);
        const char *const functions[] = {"all", own};
        int result = -ENOMEM;
        for (long failures = 0; result < 0; failures++) {
            assert_int_equal(daffi_members_count(members), i);
            assert_null(daffi_members_pick(members, daffi_span_text(own)));
            memory_supply.stays_empty = false;
            memory_supply.until_failure = failures;
            result = put(name, functions, 2);
            memory_supply.until_failure = -1;
            assert_true(result == 0 || result == -ENOMEM);
        }
        assert_picks("all", name);
        assert_picks(own, name);
    }
    free_members();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_s_handshake),
        cmocka_unit_test(a_server_s_handshake),
        cmocka_unit_test(events),
        cmocka_unit_test(broken_json_after_all_that),
        cmocka_unit_test(a_registry),
        cmocka_unit_test(a_newcomer),
        cmocka_unit_test(a_replacement),
        cmocka_unit_test(a_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
