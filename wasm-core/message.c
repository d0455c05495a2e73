/* The daffi header and metadata.                                           (protocol.md, "Message")
 *
 *   byte 0-1  uuid
 *        2    flag (4 bits) | decoder (2) | is_bytes | return_result
 *        3-7  msg_len (25 bits) | metadata_len (15 bits)
 *        8    msg_parts (7 bits) | endian
 */
#include "daffi/message.h"

#include <endian.h>
#include <errno.h>

#include "daffi/utf8.h"

enum {
    IS_BYTES = 0x40,
    RETURN_RESULT = 0x80,
    ONE_PART_LITTLE_ENDIAN = 0x81,
    FLAG_AT = 16, /* bits, from the header's first */
    FLAG_BITS = 0x0F,
    DECODER_AT = 20,
    DECODER_BITS = 0x03,
    PAIR_AT = 24,
    LENGTH_BITS = 25,
    PAIR_BYTES = 5, /* msg_len and metadata_len share five bytes */
    BARS = 2,
    WORD_BYTES = sizeof(uint64_t),
};

static int fault_at(struct daffi_fault *ret_fault, const char *text, size_t offset) {
    *ret_fault = (struct daffi_fault){text, offset};
    return -EPROTO;
}

/* Eight bytes, the first one lowest: one load. Of shifts and ors compilers don't always make one. */
static uint64_t word_at(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return le64toh(word);
}

/* What is wrong with a header that is known to be whole; 0: nothing. `word` is its first eight bytes. */
static int check_header(uint64_t word, uint8_t parts, size_t metadata_length, size_t length,
                        struct daffi_fault *ret_fault) {
    if ((word >> FLAG_AT & FLAG_BITS) > DAFFI_EVENTS)
        return fault_at(ret_fault, "unknown message flag; 0 (HANDSHAKE) to 4 (EVENTS) are accepted", 2);
    if (metadata_length > length)
        return fault_at(ret_fault, "metadata_len is greater than msg_len, which counts metadata and payload",
                        6);
    if ((parts & 0x7F) != 1)
        return fault_at(ret_fault, "msg_parts is not 1; a message has to come in one part", 8);
    if (parts != ONE_PART_LITTLE_ENDIAN)
        return fault_at(ret_fault, "the sender is big-endian; little-endian messages are accepted", 8);
    return 0;
}

/* The highest bit of each byte that is a bar. Nothing is carried from one byte to the next. */
static uint64_t bars_of(uint64_t word) {
    const uint64_t low = UINT64_C(0x7F7F7F7F7F7F7F7F);
    const uint64_t x = word ^ UINT64_C(0x7C7C7C7C7C7C7C7C);
    return ~(((x & low) + low) | x | low);
}

/* Where the bars of transmitter|receiver|function are, a word at a time: each message that passes is taken apart here. A
 * header stands before it, so that the last word may begin before the metadata; what is none of it is shifted out. */
static inline int find_bars(struct daffi_span metadata, size_t ret_bars[BARS],
                            struct daffi_fault *ret_fault) {
    static const char form[] = "metadata has to be transmitter|receiver|function, with exactly two bars";
    uint64_t all = 0;
    size_t bars = 0;
    for (size_t at = 0; at < metadata.length; at += WORD_BYTES) {
        const size_t left = metadata.length - at;
        const uint64_t word = left >= WORD_BYTES ? word_at(metadata.data + at)
                                                 : word_at(metadata.data + metadata.length - WORD_BYTES) >>
                                                       8 * (WORD_BYTES - left);
        all |= word;
        for (uint64_t found = bars_of(word); found != 0; found &= found - 1) {
            const size_t bar = at + (size_t)__builtin_ctzll(found) / 8;
            if (bars == BARS)
                return fault_at(ret_fault, form, DAFFI_HEADER_BYTES + bar);
            ret_bars[bars++] = bar;
        }
    }
    if (bars < BARS)
        return fault_at(ret_fault, form, DAFFI_HEADER_BYTES + metadata.length);
    if ((all & UINT64_C(0x8080808080808080)) != 0 && daffi_utf8_check(metadata, ret_fault) < 0)
        return fault_at(ret_fault, "metadata is not UTF-8 (RFC 3629)",
                        DAFFI_HEADER_BYTES + ret_fault->offset);
    return 0;
}

/* `payload_too`: whether the payload has to be there. */
static inline int decode(struct daffi_span in, bool payload_too, struct daffi_message *ret_message,
                         size_t *ret_size, struct daffi_fault *ret_fault) {
    if (in.length < DAFFI_HEADER_BYTES) {
        *ret_size = DAFFI_HEADER_BYTES;
        return -EAGAIN;
    }
    const uint64_t word = word_at(in.data);
    const size_t length = (size_t)(word >> PAIR_AT & DAFFI_LENGTH_MAX);
    const size_t metadata_length = (size_t)(word >> (PAIR_AT + LENGTH_BITS));
    int r = check_header(word, in.data[WORD_BYTES], metadata_length, length, ret_fault);
    if (r < 0)
        return r;
    const size_t head = DAFFI_HEADER_BYTES + metadata_length;
    const size_t size = DAFFI_HEADER_BYTES + length;
    if (in.length < (payload_too ? size : head)) {
        *ret_size = size;
        return -EAGAIN;
    }
    const struct daffi_span metadata = daffi_span_of(in.data + DAFFI_HEADER_BYTES, metadata_length);
    size_t bars[BARS];
    r = find_bars(metadata, bars, ret_fault);
    if (r < 0)
        return r;
    const size_t receiver = bars[0] + 1;
    const size_t function = bars[1] + 1;
    *ret_message = (struct daffi_message){
        .uuid = (uint16_t)word,
        .flag = (enum daffi_flag)(word >> FLAG_AT & FLAG_BITS),
        .decoder = (enum daffi_decoder)(word >> DECODER_AT & DECODER_BITS),
        .is_bytes = (in.data[2] & IS_BYTES) != 0,
        .return_result = (in.data[2] & RETURN_RESULT) != 0,
        .transmitter = daffi_span_of(metadata.data, bars[0]),
        .receiver = daffi_span_of(metadata.data + receiver, bars[1] - receiver),
        .function = daffi_span_of(metadata.data + function, metadata_length - function),
        .payload = payload_too ? daffi_span_of(in.data + head, size - head) : daffi_span_of(NULL, 0),
    };
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
