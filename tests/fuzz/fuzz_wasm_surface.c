/* Bytes as a page's calls of app.wasm, one after another, over the border's native form: whatever the numbers, texts and
 * areas, every result is one that exports.h knows, and what it points at is there. */
#include <stdlib.h>

#include "daffi/message.h"
#include "exports.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS_MAX = 300 };

struct script {
    const uint8_t *at;
    size_t left;
};

static void insist(bool holds) {
    if (!holds)
        abort();
}

static uint32_t take(struct script *script, size_t bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < bytes && script->left > 0; i++, script->at++, script->left--)
        value |= (uint32_t)*script->at << 8 * i;
    return value;
}

/* The next text of the script: its length, then its bytes. */
static struct daffi_span take_text(struct script *script) {
    size_t length = take(script, 2);
    if (length > script->left)
        length = script->left;
    const struct daffi_span text = daffi_span_of(script->at, length);
    script->at += length;
    script->left -= length;
    return text;
}

static uint32_t put(uint8_t *area, size_t capacity, struct daffi_span text) {
    const size_t length = text.length < capacity ? text.length : capacity;
    if (length > 0)
        memcpy(area, text.data, length);
    return (uint32_t)length;
}

static uint32_t put_name(struct script *script) {
    return put(daffi_wasm_window(), DAFFI_WASM_WINDOW, take_text(script));
}

/* Looks at every byte, so that the sanitizer sees one that is not there. */
static void look(const void *memory, size_t length) {
    const uint8_t *const bytes = memory;
    volatile uint8_t seen = 0;
    for (size_t i = 0; i < length; i++)
        seen = (uint8_t)(seen ^ bytes[i]);
}

static void look_pointed(unsigned field) {
    const void *memory = daffi_wasm_pointer(field);
    const uint32_t length = (uint32_t)daffi_wasm_fields()[field + 1];
    insist(memory != NULL || length == 0);
    look(memory, length);
}

static int32_t checked(int32_t result) {
    insist(result >= DAFFI_WASM_MEMORY);
    if (result < 0)
        insist(strlen(daffi_wasm_fault()) > 0);
    return result;
}

/* The same with a length in the window. */
static void in_window(int32_t length) {
    checked(length);
    insist(length <= DAFFI_WASM_WINDOW);
}

static void message(struct script *script, uint32_t number) {
    uint8_t *const head = daffi_wasm_head();
    if (number & 1) {
        const uint32_t length = put(head + DAFFI_HEADER_BYTES, DAFFI_METADATA_MAX, take_text(script));
        const int32_t whole =
            checked(daffi_wasm_message_encode(take(script, 2), take(script, 1), length, take(script, 4)));
        if (whole < 0)
            return;
        insist(daffi_wasm_message_decode((uint32_t)whole) == whole ||
               daffi_wasm_message_decode((uint32_t)whole) == DAFFI_WASM_BAD);
        return;
    }
    const uint32_t length = put(head, DAFFI_HEAD_MAX, take_text(script));
    const int32_t offset = checked(daffi_wasm_message_decode(length));
    if (offset < 0)
        return;
    insist((uint32_t)offset <= length);
    for (unsigned field = 6; field <= 10; field += 2)
        insist((uint32_t)daffi_wasm_fields()[field] + (uint32_t)daffi_wasm_fields()[field + 1] <=
               (uint32_t)offset);
}

/* JSON and pickles come in blocks of the heap that are exactly as long. */
static void lend(struct script *script, uint32_t number) {
    const struct daffi_span text = take_text(script);
    uint8_t *memory = daffi_wasm_allocate((uint32_t)text.length);
    insist(memory != NULL);
    put(memory, text.length, text);
    const uint32_t length = (uint32_t)text.length;
    if (number % 3 == 0) {
        if (checked(daffi_wasm_handshake_read(memory, length, number & 4)) > 0) {
            look_pointed(0);
            look_pointed(7);
        }
    } else if (number % 3 == 1) {
        if (checked(daffi_wasm_event_read(memory, length)) >= 0)
            in_window(daffi_wasm_fields()[0]);
    } else if (checked(daffi_wasm_pickle_error(memory, length)) == 0) {
        look_pointed(0);
        look_pointed(2);
        look_pointed(4);
    }
    daffi_wasm_release(memory);
}

static void handshake(struct script *script, uint32_t number) {
    if (number % 3 == 0)
        checked(daffi_wasm_handshake_begin(put_name(script), number & 4));
    else if (number % 3 == 1)
        checked(daffi_wasm_handshake_method(put_name(script)));
    else if (checked(daffi_wasm_handshake_end()) > 0)
        look_pointed(0);
}

static int32_t opened[CALLS_MAX];
static size_t opened_count;

/* Any id: that of an open call closes it, any other is refused. */
static void close_any(uint32_t id) {
    const int32_t result = checked(daffi_wasm_call_close(id));
    for (size_t i = 0; i < opened_count; i++) {
        if ((uint32_t)opened[i] == id) {
            insist(result == 0);
            opened[i] = opened[--opened_count];
            return;
        }
    }
    insist(result < 0);
}

static void members(struct script *script, uint32_t number) {
    const uint32_t index = number >> 4;
    switch (number & 7) {
    case 0:
        checked(daffi_wasm_members_reset(put_name(script)));
        break;
    case 1:
        in_window(daffi_wasm_member_pick(put_name(script)));
        break;
    case 2:
        insist(checked(daffi_wasm_member_find(put_name(script))) < daffi_wasm_members_count());
        break;
    case 3:
        in_window(daffi_wasm_member_name(index));
        break;
    case 4:
        in_window(daffi_wasm_member_method(index, take(script, 1)));
        checked(daffi_wasm_member_methods(index));
        break;
    case 5:
        insist(checked(daffi_wasm_member_exposes(index, put_name(script))) <= 1);
        break;
    case 6: /* lengths and indexes that lie */
        checked(daffi_wasm_member_pick(take(script, 4)));
        checked(daffi_wasm_handshake_method(take(script, 4)));
        break;
    default:
        checked(daffi_wasm_member_name(take(script, 4)));
        close_any(take(script, 4));
    }
}

static void pack(struct script *script, uint32_t number) {
    const uint32_t at = take(script, 4) % (DAFFI_WASM_WINDOW + 100);
    const uint64_t value = take(script, 4) | (uint64_t)take(script, 4) << 32;
    const uint32_t length = (uint32_t)value;
    double real;
    memcpy(&real, &value, sizeof real);
    const int32_t results[] = {
        number % 10 == 0   ? daffi_wasm_pack_nil(at)
        : number % 10 == 1 ? daffi_wasm_pack_bool(at, length)
        : number % 10 == 2 ? daffi_wasm_pack_number(at, real)
        : number % 10 == 3 ? daffi_wasm_pack_int64(at, (int64_t)value)
        : number % 10 == 4 ? daffi_wasm_pack_uint64(at, value)
        : number % 10 == 5 ? daffi_wasm_pack_text(at, length)
        : number % 10 == 6 ? daffi_wasm_pack_binary(at, length)
        : number % 10 == 7 ? daffi_wasm_pack_array(at, length)
        : number % 10 == 8 ? daffi_wasm_pack_map(at, length)
                           : daffi_wasm_pack_timestamp(at, (int64_t)value, number),
    };
    const int32_t next = checked(results[0]);
    if (next < 0)
        return;
    insist((uint32_t)next > at && next <= DAFFI_WASM_WINDOW);
    insist(daffi_wasm_unpack(at, (uint32_t)next) == next); /* what was written is one whole head */
}

/* Walks a window of heads, as JavaScript does. */
static void unpack(struct script *script) {
    const uint32_t end = put(daffi_wasm_window(), DAFFI_WASM_WINDOW, take_text(script));
    for (int32_t at = 0; at >= 0 && (uint32_t)at < end;) {
        const int32_t next = checked(daffi_wasm_unpack((uint32_t)at, end));
        insist(next < 0 || (next > at && (uint32_t)next <= end));
        at = next;
    }
    checked(daffi_wasm_unpack(take(script, 4), take(script, 4)));
}

static void call(uint32_t number) {
    if (number & 1 && opened_count < CALLS_MAX) {
        const int32_t id = checked(daffi_wasm_call_open());
        insist(id > 0 && id <= 65535);
        for (size_t i = 0; i < opened_count; i++)
            insist(opened[i] != id);
        opened[opened_count++] = id;
    } else if (opened_count > 0) {
        insist(daffi_wasm_call_close((uint32_t)opened[--opened_count]) == 0);
    }
    insist((size_t)daffi_wasm_calls_count() == opened_count);
}

static void step(struct script *script) {
    const uint32_t what = take(script, 1);
    const uint32_t number = take(script, 1);
    switch (what % 8) {
    case 0:
        message(script, number);
        break;
    case 1:
    case 2:
        lend(script, number);
        break;
    case 3:
        handshake(script, number);
        break;
    case 4:
        members(script, number);
        break;
    case 5:
        pack(script, number);
        break;
    case 6:
        unpack(script);
        break;
    default:
        call(number);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct script script = {data, size};
    daffi_wasm_seed(1, 65000);
    memcpy(daffi_wasm_window(), "me", 2);
    insist(daffi_wasm_members_reset(2) == 0); /* nothing of a former run is left */
    insist(daffi_wasm_handshake_begin(2, 0) == 0);
    while (script.left > 0)
        step(&script);
    while (opened_count > 0)
        insist(daffi_wasm_call_close((uint32_t)opened[--opened_count]) == 0);
    return 0;
}
