/* Handshakes and events at the border.                                                           (exports.h) */
#include <errno.h>
#include <stdlib.h>

#include "border.h"
#include "daffi/utf8.h"

/* The handshake being written. */
static struct {
    enum { OUT_NOTHING, OUT_MEMBER, OUT_WRITTEN } state;
    struct daffi_member member;
    size_t methods_room;
    char *json;
} out;

/* What the last handshake read leaves behind for JavaScript to look at. */
static struct {
    char *error;
    char *names;
} in;

static void clear_out(void) {
    for (size_t i = 0; i < out.member.methods_count; i++)
        free(out.member.methods[i]);
    free(out.member.methods);
    free(out.member.name);
    free(out.json);
    memset(&out, 0, sizeof out);
}

/* A function's name is what a call's metadata can carry, as the other side checks it. */
static int function_check(struct daffi_span name, struct daffi_fault *ret_fault) {
    *ret_fault = (struct daffi_fault){.text = "a function's name is a text of 1 to 255 bytes without a bar"};
    const bool is_sound =
        name.length > 0 && name.length <= DAFFI_NAME_MAX && memchr(name.data, '|', name.length) == NULL &&
        memchr(name.data, '\0', name.length) == NULL && daffi_utf8_check(name, &(struct daffi_fault){0}) == 0;
    return is_sound ? 0 : -EINVAL;
}

/* The name in the window, checked and copied for the caller to free. */
static int32_t copy_name(uint32_t length, int (*check)(struct daffi_span, struct daffi_fault *),
                         char **ret_name) {
    struct daffi_span name;
    const int32_t refused = wasm_window_name(length, &name);
    if (refused < 0)
        return refused;
    struct daffi_fault fault = {0};
    const int r = check(name, &fault);
    if (r < 0)
        return wasm_refuse_errno(r, &fault);
    char *copy = daffi_span_copy(name);
    if (copy == NULL)
        return wasm_refuse(DAFFI_WASM_MEMORY, "app.wasm has no memory left");
    *ret_name = copy;
    return 0;
}

static bool reserve_methods(size_t room) {
    char **methods = realloc(out.member.methods, room * sizeof *methods);
    if (methods == NULL)
        return false;
    out.member.methods = methods;
    out.methods_room = room;
    return true;
}

int32_t daffi_wasm_handshake_begin(uint32_t name_length, uint32_t exposes) {
    clear_out();
    const int32_t refused = copy_name(name_length, daffi_name_check, &out.member.name);
    if (refused < 0)
        return refused;
    if (exposes != 0 && !reserve_methods(8)) {
        clear_out();
        return wasm_refuse(DAFFI_WASM_MEMORY, "app.wasm has no memory left");
    }
    out.state = OUT_MEMBER;
    return 0;
}

static bool exposes_already(const char *function) {
    for (size_t i = 0; i < out.member.methods_count; i++)
        if (strcmp(out.member.methods[i], function) == 0)
            return true;
    return false;
}

int32_t daffi_wasm_handshake_method(uint32_t length) {
    if (out.state != OUT_MEMBER)
        return wasm_refuse(DAFFI_WASM_BAD,
                           "no handshake was begun; functions come between its begin and its end");
    if (out.member.methods_count == DAFFI_METHODS_MAX)
        return wasm_refuse(DAFFI_WASM_TOO_LARGE, "more than 4096 functions; so many may be exposed");
    char *function = NULL;
    int32_t refused = copy_name(length, function_check, &function);
    if (refused < 0 || function == NULL)
        return refused;
    if (exposes_already(function)) {
        refused = wasm_refuse(DAFFI_WASM_BAD, "the same function is exposed twice; once is accepted");
        goto fail;
    }
    if (out.member.methods_count == out.methods_room && !reserve_methods(2 * out.methods_room + 8)) {
        refused = wasm_refuse(DAFFI_WASM_MEMORY, "app.wasm has no memory left");
        goto fail;
    }
    out.member.methods[out.member.methods_count++] = function;
    return 0;

fail:
    free(function);
    return refused;
}

int32_t daffi_wasm_handshake_end(void) {
    if (out.state != OUT_MEMBER)
        return wasm_refuse(DAFFI_WASM_BAD, "no handshake was begun");
    const struct daffi_handshake handshake = {
        .type = DAFFI_TYPE_CLIENT, .members = &out.member, .members_count = 1};
    char *json = NULL;
    size_t length = 0;
    const int r = daffi_handshake_format(&handshake, &json, &length);
    if (r < 0)
        return wasm_refuse_errno(r, NULL);
    out.json = json;
    out.state = OUT_WRITTEN;
    wasm_field_span(0, daffi_span_of(json, length));
    return (int32_t)length;
}

/* The members' names, a bar behind each but the last. NULL without memory. */
static char *join_names(const struct daffi_handshake *handshake) {
    size_t length = 0;
    for (size_t i = 0; i < handshake->members_count; i++)
        length += strlen(handshake->members[i].name) + 1;
    char *names = malloc(length + 1);
    if (names == NULL)
        return NULL;
    char *at = names;
    for (size_t i = 0; i < handshake->members_count; i++) {
        const size_t part = strlen(handshake->members[i].name);
        if (i > 0)
            *at++ = '|';
        memcpy(at, handshake->members[i].name, part);
        at += part;
    }
    *at = '\0';
    return names;
}

static struct daffi_span span_of_text(const char *text) {
    return text != NULL && text[0] != '\0' ? daffi_span_text(text) : daffi_span_of(NULL, 0);
}

static void put_handshake(const struct daffi_handshake *handshake) {
    const struct daffi_bridge_offer *bridge = &handshake->bridge;
    wasm_field_span(0, in.error != NULL ? daffi_span_text(in.error) : daffi_span_of(NULL, 0));
    wasm_field_size(2, bridge->abi);
    wasm_field_size(3, bridge->max_message);
    wasm_field_size(4, bridge->max_batch);
    wasm_field_size(5, bridge->heartbeat);
    wasm_field_size(6, handshake->members_count);
    wasm_field_span(7, span_of_text(in.names));
}

int32_t daffi_wasm_handshake_read(const uint8_t *json, uint32_t length, uint32_t replace) {
    struct daffi_handshake *handshake = NULL;
    struct daffi_fault fault = {0};
    int r = daffi_handshake_parse_server(daffi_span_of(json, length), &handshake, &fault);
    if (r < 0)
        return wasm_refuse_errno(r, &fault);
    int32_t result;
    char *names = join_names(handshake);
    if (names == NULL) {
        result = wasm_refuse(DAFFI_WASM_MEMORY, "app.wasm has no memory left");
        goto end;
    }
    if (handshake->error == NULL && (r = wasm_members_take(handshake, replace != 0)) < 0) {
        free(names);
        result = wasm_refuse_errno(r, NULL);
        goto end;
    }
    free(in.error);
    free(in.names);
    in.error = handshake->error;
    handshake->error = NULL;
    in.names = names;
    put_handshake(handshake);
    result = handshake->type == DAFFI_TYPE_SERVICE ? 1 : 2;

end:
    daffi_handshake_free(handshake);
    return result;
}

int32_t daffi_wasm_event_read(const uint8_t *json, uint32_t length) {
    struct daffi_event event;
    struct daffi_fault fault = {0};
    const int r = daffi_event_parse(daffi_span_of(json, length), &event, &fault);
    if (r < 0)
        return wasm_refuse_errno(r, &fault);
    const struct daffi_span name = daffi_span_text(event.member);
    if (event.type != DAFFI_EVENT_CONNECTED)
        wasm_members_leave(name);
    wasm_border.fields[0] = wasm_window_put(name);
    return (int32_t)event.type;
}
