/* The daffi header and metadata.                                           (protocol.md, "Message")
 *
 *   byte 0-1  uuid
 *        2    flag (4 bits) | decoder (2) | is_bytes | return_result
 *        3-7  msg_len (25 bits) | metadata_len (15 bits)
 *        8    msg_parts (7 bits) | endian
 */
#include "daffi/message.h"

#include <errno.h>

#include "daffi/utf8.h"

enum {
    IS_BYTES = 0x40,
    RETURN_RESULT = 0x80,
    ONE_PART_LITTLE_ENDIAN = 0x81,
    LENGTH_BITS = 25,
    PAIR_BYTES = 5, /* msg_len and metadata_len share five bytes */
    BARS = 2,
    WORD_BYTES = 8,
};

struct lengths {
    size_t metadata, payload;
};

static int fault_at(struct daffi_fault *ret_fault, const char *text, size_t offset) {
    *ret_fault = (struct daffi_fault){text, offset};
    return -EPROTO;
}

/* Reads a header that is known to be whole. */
static int decode_header(const uint8_t *header, struct daffi_message *ret_message,
                         struct lengths *ret_lengths, struct daffi_fault *ret_fault) {
    uint64_t pair = 0;
    for (int i = PAIR_BYTES - 1; i >= 0; i--)
        pair = pair << 8 | header[3 + i];
    const size_t length = (size_t)(pair & DAFFI_LENGTH_MAX);
    const size_t metadata_length = (size_t)(pair >> LENGTH_BITS);

    if ((header[2] & 0x0F) > DAFFI_EVENTS)
        return fault_at(ret_fault, "unknown message flag; 0 (HANDSHAKE) to 4 (EVENTS) are accepted", 2);
    if (metadata_length > length)
        return fault_at(ret_fault, "metadata_len is greater than msg_len, which counts metadata and payload",
                        6);
    if ((header[8] & 0x7F) != 1)
        return fault_at(ret_fault, "msg_parts is not 1; a message has to come in one part", 8);
    if (header[8] != ONE_PART_LITTLE_ENDIAN)
        return fault_at(ret_fault, "the sender is big-endian; little-endian messages are accepted", 8);

    *ret_message = (struct daffi_message){
        .uuid = (uint16_t)(header[0] | header[1] << 8),
        .flag = (enum daffi_flag)(header[2] & 0x0F),
        .decoder = (enum daffi_decoder)(header[2] >> 4 & 0x03),
        .is_bytes = (header[2] & IS_BYTES) != 0,
        .return_result = (header[2] & RETURN_RESULT) != 0,
    };
    *ret_lengths = (struct lengths){metadata_length, length - metadata_length};
    return 0;
}

/* Up to eight bytes, the first one lowest; 0 where there are none. Compilers make one load of it. */
static uint64_t word_at(const uint8_t *at, size_t length) {
    uint64_t word = 0;
    if (length >= WORD_BYTES)
        for (unsigned i = 0; i < WORD_BYTES; i++)
            word |= (uint64_t)at[i] << 8 * i;
    else
        for (unsigned i = 0; i < length; i++)
            word |= (uint64_t)at[i] << 8 * i;
    return word;
}

/* The highest bit of each byte that is a bar. Nothing is carried from one byte to the next. */
static uint64_t bars_of(uint64_t word) {
    const uint64_t low = UINT64_C(0x7F7F7F7F7F7F7F7F);
    const uint64_t x = word ^ UINT64_C(0x7C7C7C7C7C7C7C7C);
    return ~(((x & low) + low) | x | low);
}

/* Splits transmitter|receiver|function, a word at a time: each message that passes is taken apart here. */
static int decode_metadata(struct daffi_span metadata, struct daffi_message *message,
                           struct daffi_fault *ret_fault) {
    struct daffi_span *const parts[] = {&message->transmitter, &message->receiver, &message->function};
    static const char form[] = "metadata has to be transmitter|receiver|function, with exactly two bars";
    uint64_t all = 0;
    size_t bars = 0;
    size_t begin = 0;
    for (size_t at = 0; at < metadata.length; at += WORD_BYTES) {
        const uint64_t word = word_at(metadata.data + at, metadata.length - at);
        all |= word;
        for (uint64_t found = bars_of(word); found != 0; found &= found - 1) {
            const size_t bar = at + (size_t)__builtin_ctzll(found) / 8;
            if (bars == BARS)
                return fault_at(ret_fault, form, DAFFI_HEADER_BYTES + bar);
            *parts[bars++] = daffi_span_of(metadata.data + begin, bar - begin);
            begin = bar + 1;
        }
    }
    if (bars < BARS)
        return fault_at(ret_fault, form, DAFFI_HEADER_BYTES + metadata.length);
    *parts[BARS] = daffi_span_of(metadata.data + begin, metadata.length - begin);
    struct daffi_fault not_utf8;
    if ((all & UINT64_C(0x8080808080808080)) != 0 && daffi_utf8_check(metadata, &not_utf8) < 0)
        return fault_at(ret_fault, "metadata is not UTF-8 (RFC 3629)", DAFFI_HEADER_BYTES + not_utf8.offset);
    return 0;
}

/* `payload_too`: whether the payload has to be there. */
static int decode(struct daffi_span in, bool payload_too, struct daffi_message *ret_message, size_t *ret_size,
                  struct daffi_fault *ret_fault) {
    if (in.length < DAFFI_HEADER_BYTES) {
        *ret_size = DAFFI_HEADER_BYTES;
        return -EAGAIN;
    }
    struct daffi_message message;
    struct lengths lengths;
    int r = decode_header(in.data, &message, &lengths, ret_fault);
    if (r < 0)
        return r;
    const size_t head = DAFFI_HEADER_BYTES + lengths.metadata;
    const size_t size = head + lengths.payload;
    if (in.length < (payload_too ? size : head)) {
        *ret_size = size;
        return -EAGAIN;
    }
    r = decode_metadata(daffi_span_of(in.data + DAFFI_HEADER_BYTES, lengths.metadata), &message, ret_fault);
    if (r < 0)
        return r;
    if (payload_too)
        message.payload = daffi_span_of(in.data + head, lengths.payload);
    *ret_message = message;
    *ret_size = size;
    return 0;
}

int daffi_message_decode(struct daffi_span in, struct daffi_message *ret_message, size_t *ret_size,
                         struct daffi_fault *ret_fault) {
    return decode(in, true, ret_message, ret_size, ret_fault);
}

int daffi_message_decode_head(struct daffi_span in, struct daffi_message *ret_message, size_t *ret_size,
                              struct daffi_fault *ret_fault) {
    return decode(in, false, ret_message, ret_size, ret_fault);
}

bool daffi_message_is_awaited(struct daffi_span head) {
    return (head.data[2] & 0x0F) == DAFFI_REQUEST && (head.data[2] & RETURN_RESULT) != 0;
}

static bool holds_bar(struct daffi_span part) {
    return part.length > 0 && memchr(part.data, '|', part.length) != NULL;
}

static uint8_t *append(uint8_t *to, struct daffi_span part) {
    if (part.length > 0)
        memmove(to, part.data, part.length);
    return to + part.length;
}

int daffi_message_encode_head(const struct daffi_message *message, uint8_t *out, size_t capacity) {
    const struct daffi_span *const parts[] = {&message->transmitter, &message->receiver, &message->function};
    size_t metadata_length = BARS;
    for (size_t i = 0; i <= BARS; i++) {
        if (parts[i]->length > DAFFI_METADATA_MAX - metadata_length)
            return -EMSGSIZE;
        metadata_length += parts[i]->length;
    }
    if (message->payload.length > DAFFI_LENGTH_MAX - metadata_length)
        return -EMSGSIZE;
    if ((unsigned)message->flag > DAFFI_EVENTS || (unsigned)message->decoder > DAFFI_MSGPACK ||
        holds_bar(*parts[0]) || holds_bar(*parts[1]) || holds_bar(*parts[2]))
        return -EINVAL;
    const size_t head = DAFFI_HEADER_BYTES + metadata_length;
    if (capacity < head)
        return -ENOBUFS;

    uint64_t pair = (metadata_length + message->payload.length) | (uint64_t)metadata_length << LENGTH_BITS;
    out[0] = (uint8_t)message->uuid;
    out[1] = (uint8_t)(message->uuid >> 8);
    out[2] = (uint8_t)((unsigned)message->flag | (unsigned)message->decoder << 4 |
                       (message->is_bytes ? IS_BYTES : 0U) | (message->return_result ? RETURN_RESULT : 0U));
    for (int i = 0; i < PAIR_BYTES; i++, pair >>= 8)
        out[3 + i] = (uint8_t)pair;
    out[8] = ONE_PART_LITTLE_ENDIAN;

    uint8_t *at = append(out + DAFFI_HEADER_BYTES, *parts[0]);
    *at++ = '|';
    at = append(at, *parts[1]);
    *at++ = '|';
    append(at, *parts[2]);
    return (int)head;
}
