/* msgpack at the border, value by value through the window.                                      (exports.h) */
#include <errno.h>
#include <math.h>

#include "border.h"
#include "daffi/msgpack.h"

static const double LARGEST_SAFE_INTEGER = 9007199254740991.0; /* 2^53 - 1 */

static bool has_room(uint32_t at) {
    if (at <= DAFFI_WASM_WINDOW - DAFFI_MSGPACK_HEAD_MAX)
        return true;
    wasm_refuse(DAFFI_WASM_TOO_LARGE,
                "fewer than 18 bytes of the window are left; it has to be emptied first");
    return false;
}

/* `written` is evaluated only where there is room for it. */
#define APPEND(at, written) (has_room(at) ? (int32_t)((at) + (written)) : DAFFI_WASM_TOO_LARGE)

int32_t daffi_wasm_pack_nil(uint32_t at) {
    return APPEND(at, daffi_msgpack_write_nil(wasm_border.window + at));
}

int32_t daffi_wasm_pack_bool(uint32_t at, uint32_t value) {
    return APPEND(at, daffi_msgpack_write_bool(wasm_border.window + at, value != 0));
}

int32_t daffi_wasm_pack_number(uint32_t at, double value) {
    const bool is_safe = value >= -LARGEST_SAFE_INTEGER && value <= LARGEST_SAFE_INTEGER;
    const bool is_integer = is_safe && value == (double)(int64_t)value && !(value == 0 && signbit(value));
    return is_integer ? APPEND(at, daffi_msgpack_write_int(wasm_border.window + at, (int64_t)value))
                      : APPEND(at, daffi_msgpack_write_double(wasm_border.window + at, value));
}

int32_t daffi_wasm_pack_int64(uint32_t at, int64_t value) {
    return APPEND(at, daffi_msgpack_write_int(wasm_border.window + at, value));
}

int32_t daffi_wasm_pack_uint64(uint32_t at, uint64_t value) {
    return APPEND(at, daffi_msgpack_write_uint(wasm_border.window + at, value));
}

int32_t daffi_wasm_pack_text(uint32_t at, uint32_t bytes) {
    return APPEND(at, daffi_msgpack_write_text_head(wasm_border.window + at, bytes));
}

int32_t daffi_wasm_pack_binary(uint32_t at, uint32_t bytes) {
    return APPEND(at, daffi_msgpack_write_bytes_head(wasm_border.window + at, bytes));
}

int32_t daffi_wasm_pack_array(uint32_t at, uint32_t items) {
    return APPEND(at, daffi_msgpack_write_array_head(wasm_border.window + at, items));
}

int32_t daffi_wasm_pack_map(uint32_t at, uint32_t pairs) {
    return APPEND(at, daffi_msgpack_write_map_head(wasm_border.window + at, pairs));
}

int32_t daffi_wasm_pack_timestamp(uint32_t at, int64_t seconds, uint32_t nanoseconds) {
    if (nanoseconds > 999999999)
        return wasm_refuse(DAFFI_WASM_BAD, "a timestamp has more than 999999999 nanoseconds");
    return APPEND(at, daffi_msgpack_write_timestamp(wasm_border.window + at, seconds, nanoseconds));
}

/* Every member of the value that its kind has none of reads as 0. */
static void put_value(const struct daffi_msgpack_value *value) {
    int32_t *const fields = wasm_border.fields;
    double real = value->real;
    uint64_t integer = (uint64_t)value->integer;
    if (value->kind == DAFFI_MSGPACK_UINT)
        integer = value->natural;
    else if (value->kind == DAFFI_MSGPACK_INT)
        real = (double)value->integer;
    fields[0] = (int32_t)value->kind;
    fields[1] = (int32_t)value->extension_type;
    wasm_field_size(2, value->length);
    memcpy(&fields[4], &integer, sizeof integer);
    memcpy(&fields[6], &real, sizeof real);
    fields[8] = (int32_t)value->nanoseconds;
}

int32_t daffi_wasm_unpack(uint32_t at, uint32_t end) {
    if (end > DAFFI_WASM_WINDOW || at > end)
        return wasm_refuse(DAFFI_WASM_BAD, "the value lies outside the window");
    struct daffi_msgpack_value value = {0};
    const int head = daffi_msgpack_read(daffi_span_of(wasm_border.window + at, end - at), &value);
    if (head == -EAGAIN)
        return wasm_refuse(DAFFI_WASM_MORE, "the msgpack ends within a value");
    if (head < 0)
        return wasm_refuse(DAFFI_WASM_BAD, "the msgpack holds the byte 0xc1, or a timestamp out of range");
    put_value(&value);
    return (int32_t)at + head;
}
