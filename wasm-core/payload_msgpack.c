/* MSGPACK that Python's msgpack.unpackb(raw=False, strict_map_key=False) accepts, in daffi's envelope.
 *                                                                        (msgpack spec.md, protocol.md)
 * What is open is a count of the items that are still to come, by level: no recursion, whatever a peer nests. */
#include <errno.h>

#include "daffi/utf8.h"
#include "payload_internal.h"

enum {
    TIMESTAMP = 0xFF, /* extension type -1 */
    TIMESTAMP_NANOSECONDS_MAX = 999999999,
};

enum item_kind { ITEM_SCALAR, ITEM_TEXT, ITEM_ARRAY, ITEM_MAP };

struct item {
    enum item_kind kind;
    uint32_t count; /* of an array's or a map's entries */
};

struct msgpack {
    const uint8_t *begin, *at, *end;
    unsigned depth, nesting; /* levels open around `at`, and allowed */
    struct daffi_fault *fault;
};

static bool fault(struct msgpack *msgpack, const uint8_t *at, const char *text) {
    *msgpack->fault = (struct daffi_fault){text, (size_t)(at - msgpack->begin)};
    return false;
}

static bool skip(struct msgpack *msgpack, size_t bytes) {
    if ((size_t)(msgpack->end - msgpack->at) < bytes)
        return fault(msgpack, msgpack->end, "MSGPACK ends within a value");
    msgpack->at += bytes;
    return true;
}

/* A big-endian number of 1, 2 or 4 bytes. */
static bool read_number(struct msgpack *msgpack, size_t bytes, uint32_t *ret_number) {
    const uint8_t *const first = msgpack->at;
    if (!skip(msgpack, bytes))
        return false;
    uint32_t number = 0;
    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | first[i];
    *ret_number = number;
    return true;
}

static bool read_text(struct msgpack *msgpack, uint32_t length) {
    const uint8_t *const text = msgpack->at;
    if (!skip(msgpack, length))
        return false;
    struct daffi_fault not_utf8;
    if (daffi_utf8_check(daffi_span_of(text, length), &not_utf8) < 0)
        return fault(msgpack, text + not_utf8.offset,
                     "MSGPACK text is not UTF-8 (RFC 3629); bytes have to be of type bin");
    return true;
}

/* Type and data of an extension. Python raises for the types that the specification keeps for itself, and
 * for timestamps past a second's nanoseconds. */
static bool read_extension(struct msgpack *msgpack, uint32_t length) {
    const uint8_t *const type = msgpack->at;
    if (!skip(msgpack, 1) || !skip(msgpack, length))
        return false;
    if (*type < 0x80)
        return true;
    if (*type != TIMESTAMP)
        return fault(msgpack, type,
                     "reserved MSGPACK extension type; 0 to 127 and -1 (timestamp) are accepted");
    const uint8_t *const data = type + 1;
    if (length == 4)
        return true;
    if (length != 8 && length != 12)
        return fault(msgpack, type, "MSGPACK timestamp of an odd length; 4, 8 and 12 bytes are accepted");
    uint32_t first = (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
    if (length == 8)
        first >>= 2; /* 30 bits of nanoseconds, then 34 of seconds */
    if (first > TIMESTAMP_NANOSECONDS_MAX)
        return fault(msgpack, type, "MSGPACK timestamp with more than 999,999,999 nanoseconds");
    return true;
}

/* One value that holds no other, or the head of one that does. */
static bool read_item(struct msgpack *msgpack, struct item *ret_item) {
    uint32_t number = 0;
    const uint8_t *const first = msgpack->at;
    if (!skip(msgpack, 1))
        return false;
    const uint8_t lead = *first;
    *ret_item = (struct item){ITEM_SCALAR, 0};

    if (lead < 0x80 || lead >= 0xE0) /* fixint */
        return true;
    if (lead < 0x90) { /* fixmap */
        *ret_item = (struct item){ITEM_MAP, lead & 0x0F};
        return true;
    }
    if (lead < 0xA0) { /* fixarray */
        *ret_item = (struct item){ITEM_ARRAY, lead & 0x0F};
        return true;
    }
    if (lead < 0xC0) { /* fixstr */
        ret_item->kind = ITEM_TEXT;
        return read_text(msgpack, lead & 0x1F);
    }
    switch (lead) {
    case 0xC0: /* nil, false, true */
    case 0xC2:
    case 0xC3:
        return true;
    case 0xC4: /* bin 8, 16, 32 */
    case 0xC5:
    case 0xC6:
        return read_number(msgpack, (size_t)1 << (lead - 0xC4), &number) && skip(msgpack, number);
    case 0xC7: /* ext 8, 16, 32 */
    case 0xC8:
    case 0xC9:
        return read_number(msgpack, (size_t)1 << (lead - 0xC7), &number) && read_extension(msgpack, number);
    case 0xCA: /* float 32, 64 */
    case 0xCB:
        return skip(msgpack, (size_t)4 << (lead - 0xCA));
    case 0xCC: /* uint 8, 16, 32, 64 */
    case 0xCD:
    case 0xCE:
    case 0xCF:
        return skip(msgpack, (size_t)1 << (lead - 0xCC));
    case 0xD0: /* int 8, 16, 32, 64 */
    case 0xD1:
    case 0xD2:
    case 0xD3:
        return skip(msgpack, (size_t)1 << (lead - 0xD0));
    case 0xD4: /* fixext 1, 2, 4, 8, 16 */
    case 0xD5:
    case 0xD6:
    case 0xD7:
    case 0xD8:
        return read_extension(msgpack, 1U << (lead - 0xD4));
    case 0xD9: /* str 8, 16, 32 */
    case 0xDA:
    case 0xDB:
        ret_item->kind = ITEM_TEXT;
        return read_number(msgpack, (size_t)1 << (lead - 0xD9), &number) && read_text(msgpack, number);
    case 0xDC: /* array 16, 32 */
    case 0xDD:
        ret_item->kind = ITEM_ARRAY;
        return read_number(msgpack, (size_t)2 << (lead - 0xDC), &ret_item->count);
    case 0xDE: /* map 16, 32 */
    case 0xDF:
        ret_item->kind = ITEM_MAP;
        return read_number(msgpack, (size_t)2 << (lead - 0xDE), &ret_item->count);
    default:
        return fault(msgpack, first, "0xC1 is no MSGPACK type");
    }
}

static bool open_level(struct msgpack *msgpack, const uint8_t *at) {
    if (msgpack->depth >= msgpack->nesting)
        return fault(msgpack, at, "MSGPACK nested deeper than allowed");
    msgpack->depth++;
    return true;
}

/* The head of an array or map that the envelope asks for. */
static bool expect(struct msgpack *msgpack, enum item_kind kind, const char *or_else, uint32_t *ret_count) {
    const uint8_t *const first = msgpack->at;
    struct item item;
    if (!read_item(msgpack, &item))
        return false;
    if (item.kind != kind)
        return fault(msgpack, first, or_else);
    if ((kind == ITEM_ARRAY || kind == ITEM_MAP) && !open_level(msgpack, first))
        return false;
    if (ret_count)
        *ret_count = item.count;
    return true;
}

/* Any `values` values with all that is in them. */
static bool read_values(struct msgpack *msgpack, uint32_t values) {
    /* Items still to come by level, a map's entry counting two; its lowest bit says that it is a map. */
    uint64_t open[DAFFI_NESTING_MAX + 1];
    const unsigned around = msgpack->depth;
    open[around] = (uint64_t)values << 1;
    for (;;) {
        while (open[msgpack->depth] <= 1) {
            if (msgpack->depth == around)
                return true;
            msgpack->depth--;
        }
        uint64_t *const level = &open[msgpack->depth];
        const bool is_key = (*level & 3) == 1; /* a map with an even number of items to come */
        *level -= 2;

        const uint8_t *const first = msgpack->at;
        struct item item;
        if (!read_item(msgpack, &item))
            return false;
        if (item.kind != ITEM_ARRAY && item.kind != ITEM_MAP)
            continue;
        if (is_key)
            return fault(msgpack, first,
                         "an array or a map is no MSGPACK map's key for Python; scalars are accepted");
        if (!open_level(msgpack, first))
            return false;
        open[msgpack->depth] =
            item.kind == ITEM_MAP ? (uint64_t)item.count << 2 | 1 : (uint64_t)item.count << 1;
    }
}

/* [type, module, text, anything] */
static bool read_error(struct msgpack *msgpack) {
    static const char what[] = "an ERROR's argument has to be [type, module, text, traceback or nil]";
    const uint8_t *const first = msgpack->at;
    uint32_t count;
    if (!expect(msgpack, ITEM_ARRAY, what, &count))
        return false;
    if (count != 4)
        return fault(msgpack, first, what);
    for (int i = 0; i < 3; i++)
        if (!expect(msgpack, ITEM_TEXT, what, NULL))
            return false;
    if (!read_values(msgpack, 1))
        return false;
    msgpack->depth--;
    return true;
}

static bool read_args(struct msgpack *msgpack, enum daffi_flag flag) {
    const uint8_t *const first = msgpack->at;
    uint32_t count;
    if (!expect(msgpack, ITEM_ARRAY, "the arguments have to be an array", &count))
        return false;
    if (flag != DAFFI_REQUEST && count != 1)
        return fault(msgpack, first, "an answer has to hold one value: [[value], {}]");
    if (!(flag == DAFFI_ERROR ? read_error(msgpack) : read_values(msgpack, count)))
        return false;
    msgpack->depth--;
    return true;
}

static bool read_kwargs(struct msgpack *msgpack, enum daffi_flag flag) {
    const uint8_t *const first = msgpack->at;
    uint32_t count;
    if (!expect(msgpack, ITEM_MAP, "the keyword arguments have to be a map", &count))
        return false;
    if (flag != DAFFI_REQUEST && count != 0)
        return fault(msgpack, first, "an answer's keyword arguments have to be empty: [[value], {}]");
    for (; count > 0; count--)
        if (!expect(msgpack, ITEM_TEXT, "a keyword argument's name has to be text", NULL) ||
            !read_values(msgpack, 1))
            return false;
    msgpack->depth--;
    return true;
}

int daffi_payload_msgpack_check(struct daffi_span payload, enum daffi_flag flag, unsigned nesting,
                                struct daffi_fault *ret_fault) {
    static const char what[] = "a payload has to be [[arguments...], {keyword arguments}]";
    if (payload.length == 0) {
        *ret_fault = (struct daffi_fault){"the MSGPACK payload is empty", 0};
        return -EBADMSG;
    }
    struct msgpack msgpack = {
        .begin = payload.data,
        .at = payload.data,
        .end = payload.data + payload.length,
        .nesting = nesting,
        .fault = ret_fault,
    };
    uint32_t count;
    bool good = expect(&msgpack, ITEM_ARRAY, what, &count);
    if (good && count != 2)
        good = fault(&msgpack, msgpack.begin, what);
    good = good && read_args(&msgpack, flag) && read_kwargs(&msgpack, flag);
    if (good && msgpack.at != msgpack.end)
        good = fault(&msgpack, msgpack.at, "more stands behind the MSGPACK value");
    return good ? 0 : -EBADMSG;
}
