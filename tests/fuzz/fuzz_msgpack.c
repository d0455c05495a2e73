/* Any bytes as MessagePack heads, one behind the other: each is read within its bytes, reads the same with nothing behind
 * it, wants more when it is cut, and written anew is no longer and reads the same. */
#include <errno.h>
#include <stdlib.h>

#include "daffi/msgpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As bytes: NaN is itself, and 0.0 is not -0.0. */
static uint64_t bits_of(double number) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static bool is_same(const struct daffi_msgpack_value *a, const struct daffi_msgpack_value *b) {
    return a->kind == b->kind && a->extension_type == b->extension_type && a->length == b->length &&
           a->integer == b->integer && a->natural == b->natural && a->nanoseconds == b->nanoseconds &&
           bits_of(a->real) == bits_of(b->real);
}

/* The value's head as we write it; 0 bytes for other extensions, which we don't. */
static size_t write_head(const struct daffi_msgpack_value *value, uint8_t *out) {
    switch (value->kind) {
    case DAFFI_MSGPACK_NIL:
        return daffi_msgpack_write_nil(out);
    case DAFFI_MSGPACK_BOOL:
        return daffi_msgpack_write_bool(out, value->integer != 0);
    case DAFFI_MSGPACK_INT:
        return daffi_msgpack_write_int(out, value->integer);
    case DAFFI_MSGPACK_UINT:
        return daffi_msgpack_write_uint(out, value->natural);
    case DAFFI_MSGPACK_DOUBLE:
        return daffi_msgpack_write_double(out, value->real);
    case DAFFI_MSGPACK_TEXT:
        return daffi_msgpack_write_text_head(out, value->length);
    case DAFFI_MSGPACK_BYTES:
        return daffi_msgpack_write_bytes_head(out, value->length);
    case DAFFI_MSGPACK_ARRAY:
        return daffi_msgpack_write_array_head(out, value->length);
    case DAFFI_MSGPACK_MAP:
        return daffi_msgpack_write_map_head(out, value->length);
    case DAFFI_MSGPACK_TIMESTAMP:
        return daffi_msgpack_write_timestamp(out, value->integer, value->nanoseconds);
    case DAFFI_MSGPACK_EXTENSION:
        return 0;
    }
    abort();
}

/* In an allocation of its own size, so that a byte read beyond it is seen. */
static int read_alone(const uint8_t *data, size_t size, struct daffi_msgpack_value *ret_value) {
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    const int head = daffi_msgpack_read(daffi_span_of(copy, size), ret_value);
    free(copy);
    return head;
}

static void check_head(const uint8_t *data, size_t head, const struct daffi_msgpack_value *value) {
    struct daffi_msgpack_value again;
    if (head > DAFFI_MSGPACK_HEAD_MAX || read_alone(data, head, &again) != (int)head ||
        !is_same(&again, value))
        abort();
    for (size_t cut = 0; cut < head; cut++) {
        if (read_alone(data, cut, &again) != -EAGAIN)
            abort();
    }
    uint8_t written[DAFFI_MSGPACK_HEAD_MAX];
    const size_t length = write_head(value, written);
    if (length == 0)
        return;
    /* A single-precision number is written as a double. */
    if (length > head && value->kind != DAFFI_MSGPACK_DOUBLE)
        abort();
    if (read_alone(written, length, &again) != (int)length)
        abort();
    /* A timestamp says its length. */
    if (value->kind == DAFFI_MSGPACK_TIMESTAMP)
        again.length = value->length;
    if (!is_same(&again, value))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (size_t at = 0; at <= size;) {
        struct daffi_msgpack_value value;
        const int head = daffi_msgpack_read(daffi_span_of(data + at, size - at), &value);
        if (head == -EAGAIN && size - at >= DAFFI_MSGPACK_HEAD_MAX)
            abort();
        if (head == -EAGAIN || head == -EBADMSG)
            return 0;
        if (head <= 0 || (size_t)head > size - at)
            abort();
        check_head(data + at, (size_t)head, &value);
        const bool has_body = value.kind == DAFFI_MSGPACK_TEXT || value.kind == DAFFI_MSGPACK_BYTES ||
                              value.kind == DAFFI_MSGPACK_EXTENSION;
        at += (size_t)head;
        if (has_body && value.length > size - at)
            return 0;
        at += has_body ? value.length : 0;
    }
    return 0;
}
