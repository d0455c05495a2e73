/* MessagePack heads, by msgpack-c's own templates: the packer appends to a buffer of ours, the unpacker is stopped by its first
 * callback, so that one call reads one head and keeps no state.                          (MessagePack specification) */
#include "daffi/msgpack.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <msgpack/sysdep.h>
#include <msgpack/timestamp.h>
#include <msgpack/unpack.h>

static uint64_t big_endian(const void *from, size_t length) {
    const uint8_t *const bytes = from;
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void put_big_endian(void *to, uint64_t value, size_t length) {
    for (uint8_t *byte = (uint8_t *)to + length; byte > (uint8_t *)to; value >>= 8)
        *--byte = (uint8_t)value;
}

/* The templates' own loads and stores are written out at each of their fifty places: a third of app.wasm's msgpack. */
#undef _msgpack_load16
#undef _msgpack_load32
#undef _msgpack_load64
#undef _msgpack_store16
#undef _msgpack_store32
#undef _msgpack_store64
#define _msgpack_load16(type, from, to) (*(to) = (type)big_endian(from, 2))
#define _msgpack_load32(type, from, to) (*(to) = (type)big_endian(from, 4))
#define _msgpack_load64(type, from, to) (*(to) = (type)big_endian(from, 8))
#define _msgpack_store16(to, value)     put_big_endian(to, (uint64_t)(value), 2)
#define _msgpack_store32(to, value)     put_big_endian(to, (uint64_t)(value), 4)
#define _msgpack_store64(to, value)     put_big_endian(to, (uint64_t)(value), 8)

/* The packer: `user` is where the next byte goes. The template returns at each append, which is why nothing else is asked of it. */
static inline int append(uint8_t **at, const void *bytes, size_t length) {
    memcpy(*at, bytes, length);
    *at += length;
    return 0;
}

#define msgpack_pack_inline_func(name)                  static inline int msgpack_pack##name
#define msgpack_pack_inline_func_cint(name)             static inline int msgpack_pack##name
#define msgpack_pack_inline_func_fixint(name)           static inline int msgpack_pack_fix##name
#define msgpack_pack_user                               uint8_t **
#define msgpack_pack_append_buffer(user, bytes, length) return append(user, bytes, length)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#include <msgpack/pack_template.h>
#pragma GCC diagnostic pop

size_t daffi_msgpack_write_nil(uint8_t *out) {
    uint8_t *at = out;
    msgpack_pack_nil(&at);
    return (size_t)(at - out);
}

size_t daffi_msgpack_write_bool(uint8_t *out, bool value) {
    uint8_t *at = out;
    if (value)
        msgpack_pack_true(&at);
    else
        msgpack_pack_false(&at);
    return (size_t)(at - out);
}

size_t daffi_msgpack_write_int(uint8_t *out, int64_t value) {
    uint8_t *at = out;
    msgpack_pack_int64(&at, value);
    return (size_t)(at - out);
}

size_t daffi_msgpack_write_uint(uint8_t *out, uint64_t value) {
    if (value <= INT64_MAX)
        return daffi_msgpack_write_int(out, (int64_t)value);
    uint8_t *at = out;
    msgpack_pack_fix_uint64(&at, value);
    return (size_t)(at - out);
}

size_t daffi_msgpack_write_double(uint8_t *out, double value) {
    uint8_t *at = out;
    msgpack_pack_double(&at, value);
    return (size_t)(at - out);
}

size_t daffi_msgpack_write_text_head(uint8_t *out, uint32_t bytes) {
    uint8_t *at = out;
    msgpack_pack_str(&at, bytes);
    return (size_t)(at - out);
}

size_t daffi_msgpack_write_bytes_head(uint8_t *out, uint32_t bytes) {
    uint8_t *at = out;
    msgpack_pack_bin(&at, bytes);
    return (size_t)(at - out);
}

size_t daffi_msgpack_write_array_head(uint8_t *out, uint32_t items) {
    uint8_t *at = out;
    msgpack_pack_array(&at, items);
    return (size_t)(at - out);
}

size_t daffi_msgpack_write_map_head(uint8_t *out, uint32_t pairs) {
    uint8_t *at = out;
    msgpack_pack_map(&at, pairs);
    return (size_t)(at - out);
}

size_t daffi_msgpack_write_timestamp(uint8_t *out, int64_t seconds, uint32_t nanoseconds) {
    uint8_t *at = out;
    const msgpack_timestamp timestamp = {.tv_sec = seconds, .tv_nsec = nanoseconds};
    msgpack_pack_timestamp(&at, &timestamp);
    return (size_t)(at - out);
}

/* The unpacker: what the first callback was told. `body` is where the bytes of a text, binary or extension begin. */
struct head {
    struct daffi_msgpack_value value;
    const char *body;
};

enum {
    STOP = -100
}; /* what every callback returns, so that the template looks at nothing behind the first head */

/* The template builds a tree of "objects"; there is none here. */
typedef struct {
    char none;
} no_object;

static no_object head_root(struct head *head) {
    (void)head;
    return (no_object){0};
}

static int take_int(struct head *head, int64_t value) {
    head->value.kind = DAFFI_MSGPACK_INT;
    head->value.integer = value;
    return STOP;
}

static int take_uint(struct head *head, uint64_t value) {
    if (value <= INT64_MAX)
        return take_int(head, (int64_t)value);
    head->value.kind = DAFFI_MSGPACK_UINT;
    head->value.natural = value;
    return STOP;
}

static int take_double(struct head *head, double value) {
    head->value.kind = DAFFI_MSGPACK_DOUBLE;
    head->value.real = value;
    return STOP;
}

static int take_plain(struct head *head, enum daffi_msgpack_kind kind, int64_t value) {
    head->value.kind = kind;
    head->value.integer = value;
    return STOP;
}

static int take_body(struct head *head, enum daffi_msgpack_kind kind, const char *body, unsigned int length) {
    head->value.kind = kind;
    head->value.length = length;
    head->body = body;
    return STOP;
}

static int take_container(struct head *head, enum daffi_msgpack_kind kind, unsigned int items) {
    head->value.kind = kind;
    head->value.length = items;
    return STOP;
}

#define HEAD_NUMBER(name, type, take)                                                                        \
    static int head_##name(struct head *head, type value, no_object *out) {                                  \
        (void)out;                                                                                           \
        return take(head, value);                                                                            \
    }
HEAD_NUMBER(uint8, uint8_t, take_uint)
HEAD_NUMBER(uint16, uint16_t, take_uint)
HEAD_NUMBER(uint32, uint32_t, take_uint)
HEAD_NUMBER(uint64, uint64_t, take_uint)
HEAD_NUMBER(int8, int8_t, take_int)
HEAD_NUMBER(int16, int16_t, take_int)
HEAD_NUMBER(int32, int32_t, take_int)
HEAD_NUMBER(int64, int64_t, take_int)
HEAD_NUMBER(float, float, take_double)
HEAD_NUMBER(double, double, take_double)

#define HEAD_PLAIN(name, kind, value)                                                                        \
    static int head_##name(struct head *head, no_object *out) {                                              \
        (void)out;                                                                                           \
        return take_plain(head, kind, value);                                                                \
    }
HEAD_PLAIN(nil, DAFFI_MSGPACK_NIL, 0)
HEAD_PLAIN(true, DAFFI_MSGPACK_BOOL, 1)
HEAD_PLAIN(false, DAFFI_MSGPACK_BOOL, 0)

#define HEAD_BODY(name, kind)                                                                                \
    static int head_##name(struct head *head, const char *base, const char *body, unsigned int length,       \
                           no_object *out) {                                                                 \
        (void)base;                                                                                          \
        (void)out;                                                                                           \
        return take_body(head, kind, body, length);                                                          \
    }
HEAD_BODY(str, DAFFI_MSGPACK_TEXT)
HEAD_BODY(bin, DAFFI_MSGPACK_BYTES)
HEAD_BODY(ext, DAFFI_MSGPACK_EXTENSION)

#define HEAD_CONTAINER(name, kind)                                                                           \
    static int head_##name(struct head *head, unsigned int items, no_object *out) {                          \
        (void)out;                                                                                           \
        return take_container(head, kind, items);                                                            \
    }
HEAD_CONTAINER(array, DAFFI_MSGPACK_ARRAY)
HEAD_CONTAINER(map, DAFFI_MSGPACK_MAP)

/* Never reached: containers stop before their first item. The template wants the names. */
static int head_array_item(struct head *head, no_object *container, no_object item) {
    (void)head, (void)container, (void)item;
    return STOP;
}

static int head_map_item(struct head *head, no_object *container, no_object key, no_object value) {
    (void)head, (void)container, (void)key, (void)value;
    return STOP;
}

#undef MSGPACK_EMBED_STACK_SIZE
#define MSGPACK_EMBED_STACK_SIZE          1
#define msgpack_unpack_struct(name)       struct head##name
#define msgpack_unpack_func(result, name) static inline result head##name
#define msgpack_unpack_callback(name)     head##name
#define msgpack_unpack_object             no_object
#define msgpack_unpack_user               struct head
#include <msgpack/unpack_define.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
#include <msgpack/unpack_template.h>
#pragma GCC diagnostic pop

/* Type -1 is the timestamp: its 4, 8 or 12 bytes belong to the head. */
static int read_timestamp(struct daffi_msgpack_value *value, const uint8_t *body, size_t available) {
    if (value->length != 4 && value->length != 8 && value->length != 12)
        return -EBADMSG;
    if (available < value->length)
        return -EAGAIN;
    if (value->length == 4) {
        value->integer = (int64_t)big_endian(body, 4);
        value->nanoseconds = 0;
    } else if (value->length == 8) {
        const uint64_t both = big_endian(body, 8);
        value->integer = (int64_t)(both & 0x3FFFFFFFF);
        value->nanoseconds = (uint32_t)(both >> 34);
    } else {
        value->nanoseconds = (uint32_t)big_endian(body, 4);
        value->integer = (int64_t)big_endian(body + 4, 8);
    }
    value->kind = DAFFI_MSGPACK_TIMESTAMP;
    return value->nanoseconds <= 999999999 ? 0 : -EBADMSG;
}

/* An extension's length as the template counts it holds its type byte, which stands at the body's beginning. */
static int read_extension(struct head *head, struct daffi_span in, size_t *size) {
    if (head->value.length == 0)
        return -EBADMSG; /* 2^32-1 bytes, which wrapped */
    if (*size >= in.length)
        return -EAGAIN;
    head->value.extension_type = (int8_t)in.data[(*size)++];
    head->value.length--;
    if (head->value.extension_type != -1)
        return 0;
    const int result = read_timestamp(&head->value, in.data + *size, in.length - *size);
    if (result == 0)
        *size += head->value.length;
    return result;
}

int daffi_msgpack_read(struct daffi_span in, struct daffi_msgpack_value *ret_value) {
    struct head_context context = {.user = {.value = {.kind = DAFFI_MSGPACK_NIL}}};
    struct head *head = &context.user;
    size_t size = 0;
    if (in.length == 0)
        return -EAGAIN;
    head_init(&context);
    const int result = head_execute(&context, (const char *)in.data, in.length, &size);
    if (result == 0) {
        /* The input ends: inside the head, or inside the body, of which only the length matters. */
        if (context.cs == MSGPACK_ACS_STR_VALUE)
            take_body(head, DAFFI_MSGPACK_TEXT, NULL, context.trail);
        else if (context.cs == MSGPACK_ACS_BIN_VALUE)
            take_body(head, DAFFI_MSGPACK_BYTES, NULL, context.trail);
        else if (context.cs == MSGPACK_ACS_EXT_VALUE)
            take_body(head, DAFFI_MSGPACK_EXTENSION, NULL, context.trail);
        else
            return -EAGAIN;
    } else if (result != STOP) {
        return -EBADMSG;
    } else if (head->value.length > 0 && head->body != NULL) {
        size =
            (size_t)(head->body - (const char *)in.data); /* the template went on to the body's last byte */
    } else {
        size++; /* it stands on the head's last byte */
    }
    if (head->value.kind == DAFFI_MSGPACK_EXTENSION) {
        const int extension = read_extension(head, in, &size);
        if (extension < 0)
            return extension;
    }
    *ret_value = head->value;
    return (int)size;
}
