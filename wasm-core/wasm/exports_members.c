/* Members and call ids at the border.                                                            (exports.h) */
#include "border.h"
#include "daffi/calls.h"

static struct daffi_members *registry;
static uint8_t own_name[DAFFI_NAME_MAX];
static size_t own_name_length;

static struct daffi_calls calls;
static bool calls_ready;
static uint16_t first_call = 1;

static int put_all(struct daffi_members *members, const struct daffi_handshake *handshake) {
    for (size_t i = 0; i < handshake->members_count; i++) {
        const int r = daffi_members_put(members, &handshake->members[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

int wasm_members_take(const struct daffi_handshake *handshake, bool replace) {
    if (!replace && registry != NULL)
        return put_all(registry, handshake);
    struct daffi_members *members = NULL;
    int r = daffi_members_new(daffi_span_of(own_name, own_name_length), &members);
    if (r < 0)
        return r;
    r = put_all(members, handshake);
    if (r < 0) {
        daffi_members_free(members);
        return r;
    }
    daffi_members_free(registry);
    registry = members;
    return 0;
}

void wasm_members_leave(struct daffi_span name) {
    if (registry != NULL && !daffi_span_equal(name, daffi_span_of(own_name, own_name_length)))
        daffi_members_remove(registry, name);
}

int32_t daffi_wasm_members_reset(uint32_t name_length) {
    struct daffi_span name;
    const int32_t refused = wasm_window_name(name_length, &name);
    if (refused < 0)
        return refused;
    struct daffi_fault fault = {0};
    int r = daffi_name_check(name, &fault);
    if (r < 0)
        return wasm_refuse_errno(r, &fault);
    struct daffi_members *members = NULL;
    r = daffi_members_new(name, &members);
    if (r < 0)
        return wasm_refuse_errno(r, NULL);
    memcpy(own_name, name.data, name.length);
    own_name_length = name.length;
    daffi_members_free(registry);
    registry = members;
    return 0;
}

int32_t daffi_wasm_members_count(void) {
    return registry != NULL ? (int32_t)daffi_members_count(registry) : 0;
}

int32_t daffi_wasm_member_pick(uint32_t function_length) {
    struct daffi_span function;
    const int32_t refused = wasm_window_name(function_length, &function);
    if (refused < 0)
        return refused;
    const struct daffi_member *member = registry != NULL ? daffi_members_pick(registry, function) : NULL;
    if (member == NULL)
        return wasm_refuse(DAFFI_WASM_NONE, "no other member exposes this function");
    return wasm_window_put(daffi_span_text(member->name));
}

static int32_t no_member(void) {
    return wasm_refuse(DAFFI_WASM_NONE, "there is no such member");
}

int32_t daffi_wasm_member_find(uint32_t name_length) {
    struct daffi_span name;
    const int32_t refused = wasm_window_name(name_length, &name);
    if (refused < 0)
        return refused;
    const struct daffi_member *member = registry != NULL ? daffi_members_find(registry, name) : NULL;
    const size_t count = member != NULL ? daffi_members_count(registry) : 0;
    for (size_t i = 0; i < count; i++)
        if (daffi_members_at(registry, i) == member)
            return (int32_t)i;
    return no_member();
}

static const struct daffi_member *member_at(uint32_t index) {
    return registry != NULL && index < daffi_members_count(registry) ? daffi_members_at(registry, index)
                                                                     : NULL;
}

int32_t daffi_wasm_member_name(uint32_t index) {
    const struct daffi_member *member = member_at(index);
    return member != NULL ? wasm_window_put(daffi_span_text(member->name)) : no_member();
}

int32_t daffi_wasm_member_methods(uint32_t index) {
    const struct daffi_member *member = member_at(index);
    if (member == NULL)
        return no_member();
    if (member->methods == NULL)
        return wasm_refuse(DAFFI_WASM_NONE, "this member has not said what it exposes");
    return (int32_t)member->methods_count;
}

int32_t daffi_wasm_member_method(uint32_t index, uint32_t method) {
    const struct daffi_member *member = member_at(index);
    if (member == NULL)
        return no_member();
    if (member->methods == NULL || method >= member->methods_count)
        return wasm_refuse(DAFFI_WASM_NONE, "this member exposes fewer functions");
    return wasm_window_put(daffi_span_text(member->methods[method]));
}

int32_t daffi_wasm_member_exposes(uint32_t index, uint32_t function_length) {
    struct daffi_span function;
    const int32_t refused = wasm_window_name(function_length, &function);
    if (refused < 0)
        return refused;
    const struct daffi_member *member = member_at(index);
    return member != NULL ? daffi_member_exposes(member, function) : no_member();
}

void wasm_calls_seed(uint32_t seed) {
    first_call = (uint16_t)(seed % DAFFI_CALLS_MAX + 1);
}

static struct daffi_calls *ready_calls(void) {
    if (!calls_ready) {
        daffi_calls_init(&calls, first_call);
        calls_ready = true;
    }
    return &calls;
}

int32_t daffi_wasm_call_open(void) {
    const int id = daffi_calls_open(ready_calls());
    return id >= 0 ? id
                   : wasm_refuse(DAFFI_WASM_NONE, "65535 calls are in flight; no more can be told apart");
}

int32_t daffi_wasm_call_close(uint32_t id) {
    if (id > DAFFI_CALLS_MAX || !daffi_calls_close(ready_calls(), (uint16_t)id))
        return wasm_refuse(DAFFI_WASM_NONE, "no call of this id is in flight");
    return 0;
}

int32_t daffi_wasm_calls_count(void) {
    return (int32_t)ready_calls()->count;
}
