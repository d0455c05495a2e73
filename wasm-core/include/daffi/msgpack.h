/* MessagePack value by value, both ways, through msgpack-c's packer and unpack templates.
 *
 * Writing: each call appends one head to a window; the caller empties the window and goes on. Strings and
 * binaries are a head here and their bytes by the caller.
 * Reading: a pull parser. Feed it a window of bytes, take values one at a time. */
#ifndef DAFFI_MSGPACK_H
#define DAFFI_MSGPACK_H

#include "daffi/span.h"

enum { DAFFI_MSGPACK_HEAD_MAX = 18 }; /* no head is longer */

/* Writers: bytes written at `out` (which has DAFFI_MSGPACK_HEAD_MAX free), in the shortest form. */
size_t daffi_msgpack_write_nil(uint8_t *out);
size_t daffi_msgpack_write_bool(uint8_t *out, bool value);
size_t daffi_msgpack_write_int(uint8_t *out, int64_t value);
size_t daffi_msgpack_write_uint(uint8_t *out, uint64_t value);
size_t daffi_msgpack_write_double(uint8_t *out, double value);
size_t daffi_msgpack_write_text_head(uint8_t *out, uint32_t bytes);
size_t daffi_msgpack_write_bytes_head(uint8_t *out, uint32_t bytes);
size_t daffi_msgpack_write_array_head(uint8_t *out, uint32_t items);
size_t daffi_msgpack_write_map_head(uint8_t *out, uint32_t pairs);
/* The timestamp extension, type -1; nanoseconds 0 to 999,999,999. */
size_t daffi_msgpack_write_timestamp(uint8_t *out, int64_t seconds, uint32_t nanoseconds);

enum daffi_msgpack_kind {
    DAFFI_MSGPACK_NIL,
    DAFFI_MSGPACK_BOOL,
    DAFFI_MSGPACK_INT,  /* integer: fits int64 */
    DAFFI_MSGPACK_UINT, /* natural: past INT64_MAX */
    DAFFI_MSGPACK_DOUBLE,
    DAFFI_MSGPACK_TEXT,  /* length bytes follow: take them from the input, daffi_msgpack_skip them */
    DAFFI_MSGPACK_BYTES, /* likewise */
    DAFFI_MSGPACK_ARRAY, /* length items follow */
    DAFFI_MSGPACK_MAP,   /* length pairs follow */
    DAFFI_MSGPACK_TIMESTAMP,
    DAFFI_MSGPACK_EXTENSION, /* another extension, of extension_type; length bytes follow as for BYTES */
};

struct daffi_msgpack_value {
    enum daffi_msgpack_kind kind;
    int8_t extension_type;
    uint32_t length;
    int64_t integer;      /* BOOL, INT; TIMESTAMP's seconds */
    uint64_t natural;     /* UINT */
    double real;          /* DOUBLE */
    uint32_t nanoseconds; /* TIMESTAMP */
};

/* Reads the head of the value at the front of `in`.
 *   > 0     bytes of the head; *ret_value is set
 *   -EAGAIN `in` ends inside the head (more bytes must be put behind it)
 *   -EBADMSG a byte that msgpack does not know (0xc1), a timestamp of no length or range that it can have, or an
 *           extension of 2^32-1 bytes */
int daffi_msgpack_read(struct daffi_span in, struct daffi_msgpack_value *ret_value);

#endif
