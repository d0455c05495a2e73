/* A worker's ERROR: its three strings out of a pickle, and into JSON that every caller understands.
 *
 * Python pickles a tuple's items before the tuple: until the third string only the opcodes below can come,
 * and whatever follows (a traceback, with opcodes that call things) is never looked at. */
#include "daffi/remote_error.h"

#include <errno.h>

#include "json_write.h"

/* CPython Lib/pickletools.py */
enum opcode {
    OP_MARK = '(',
    OP_NONE = 'N',
    OP_BINUNICODE = 'X',
    OP_BINGET = 'h',
    OP_LONG_BINGET = 'j',
    OP_BINPUT = 'q',
    OP_LONG_BINPUT = 'r',
    OP_PROTO = 0x80,
    OP_SHORT_BINUNICODE = 0x8C,
    OP_BINUNICODE8 = 0x8D,
    OP_MEMOIZE = 0x94,
    OP_FRAME = 0x95,
};

enum { STRINGS = 3, PROTOCOL_MIN = 2, PROTOCOL_MAX = 5 };
#define NOT_REMEMBERED UINT64_MAX /* numbers on the wire have 32 bits at most */

struct pickle {
    const uint8_t *begin, *at, *end;
    struct daffi_span strings[STRINGS];
    uint64_t memo[STRINGS]; /* the number under which each is remembered, or NOT_REMEMBERED */
    unsigned found, remembered;
};

/* The little-endian number of `bytes` bytes at the front; false at the pickle's end. */
static bool pickle_number(struct pickle *pickle, size_t bytes, uint64_t *ret_number) {
    if ((size_t)(pickle->end - pickle->at) < bytes)
        return false;
    uint64_t number = 0;
    for (size_t i = bytes; i-- > 0;)
        number = number << 8 | pickle->at[i];
    pickle->at += bytes;
    *ret_number = number;
    return true;
}

static bool pickle_add(struct pickle *pickle, struct daffi_span string, uint64_t memo) {
    pickle->strings[pickle->found] = string;
    pickle->memo[pickle->found++] = memo;
    return true;
}

static bool pickle_string(struct pickle *pickle, size_t length_bytes) {
    uint64_t length;
    if (!pickle_number(pickle, length_bytes, &length) || length > (uint64_t)(pickle->end - pickle->at))
        return false;
    const uint8_t *const string = pickle->at;
    pickle->at += length;
    return pickle_add(pickle, daffi_span_of(string, (size_t)length), NOT_REMEMBERED);
}

static bool pickle_remember(struct pickle *pickle, uint64_t number) {
    if (pickle->found == 0)
        return false;
    pickle->memo[pickle->found - 1] = number;
    pickle->remembered++;
    return true;
}

static bool pickle_repeat(struct pickle *pickle, uint64_t number) {
    for (unsigned i = 0; i < pickle->found; i++)
        if (pickle->memo[i] == number)
            return pickle_add(pickle, pickle->strings[i], number);
    return false;
}

/* Carries out one opcode of those that build strings; false where anything else comes, or the end. */
static bool pickle_step(struct pickle *pickle) {
    uint64_t number;
    if (!pickle_number(pickle, 1, &number))
        return false;
    switch (number) {
    case OP_PROTO:
        return pickle_number(pickle, 1, &number) && number >= PROTOCOL_MIN && number <= PROTOCOL_MAX;
    case OP_FRAME: /* its length only tells how much may be read at once */
        return pickle_number(pickle, 8, &number);
    case OP_MARK:
        return true;
    case OP_NONE: /* a class can have no module */
        return pickle_add(pickle, daffi_span_of(NULL, 0), NOT_REMEMBERED);
    case OP_SHORT_BINUNICODE:
        return pickle_string(pickle, 1);
    case OP_BINUNICODE:
        return pickle_string(pickle, 4);
    case OP_BINUNICODE8:
        return pickle_string(pickle, 8);
    case OP_MEMOIZE:
        return pickle_remember(pickle, pickle->remembered);
    case OP_BINPUT:
        return pickle_number(pickle, 1, &number) && pickle_remember(pickle, number);
    case OP_LONG_BINPUT:
        return pickle_number(pickle, 4, &number) && pickle_remember(pickle, number);
    case OP_BINGET:
        return pickle_number(pickle, 1, &number) && pickle_repeat(pickle, number);
    case OP_LONG_BINGET:
        return pickle_number(pickle, 4, &number) && pickle_repeat(pickle, number);
    default:
        return false;
    }
}

int daffi_remote_error_from_pickle(struct daffi_span payload, struct daffi_remote_error *ret_error,
                                   struct daffi_fault *ret_fault) {
    static const char what[] = "no pickled error of daffi: type, module and text have to come first";
    const size_t proto_bytes = 2;
    if (payload.length < proto_bytes || payload.data[0] != OP_PROTO) {
        *ret_fault = (struct daffi_fault){what, 0};
        return -EBADMSG;
    }
    struct pickle pickle = {.begin = payload.data, .at = payload.data, .end = payload.data + payload.length};
    while (pickle.found < STRINGS) {
        const uint8_t *const opcode = pickle.at;
        if (!pickle_step(&pickle)) {
            *ret_fault = (struct daffi_fault){what, (size_t)(opcode - pickle.begin)};
            return -EBADMSG;
        }
    }
    *ret_error = (struct daffi_remote_error){pickle.strings[0], pickle.strings[1], pickle.strings[2]};
    return 0;
}

static size_t write_error(const struct daffi_remote_error *error, char *out) {
    struct json_writer writer = {0};
    writer.out = out;
    json_write_text(&writer, "{\"args\": [[");
    json_write_string(&writer, error->type);
    json_write_text(&writer, ", ");
    json_write_string(&writer, error->module);
    json_write_text(&writer, ", ");
    json_write_string(&writer, error->text);
    json_write_text(&writer, ", null]], \"kwargs\": {}}");
    return writer.length;
}

size_t daffi_remote_error_to_json(const struct daffi_remote_error *error, char *out, size_t capacity) {
    const size_t needed = write_error(error, NULL);
    if (needed <= capacity)
        write_error(error, out);
    return needed;
}
