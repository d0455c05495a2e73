#include "ws/ws_frame.h"

#include <endian.h>
#include <errno.h>

enum {
    FINAL_BIT = 0x80,
    RSV_BITS = 0x70,
    OPCODE_BITS = 0x0f,
    MASK_BIT = 0x80,
    LENGTH_BITS = 0x7f,
    LENGTH_U16 = 126,
    LENGTH_U64 = 127,
};

static int refuse(struct daffi_fault *ret_fault, size_t offset, const char *text) {
    *ret_fault = (struct daffi_fault){.text = text, .offset = offset};
    return -EPROTO;
}

static uint64_t read_big_endian(const uint8_t *bytes, size_t count) {
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static bool is_known(unsigned opcode) {
    return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);
}

int ws_frame_decode(struct daffi_span in, struct ws_frame_header *ret_header, struct daffi_fault *ret_fault) {
    /* Each byte is judged as soon as it is there: a bad frame is refused without waiting for its rest. */
    if (in.length < 1) {
        return -EAGAIN;
    }
    unsigned opcode = in.data[0] & OPCODE_BITS;
    bool final = (in.data[0] & FINAL_BIT) != 0;
    if ((in.data[0] & RSV_BITS) != 0) {
        return refuse(ret_fault, 0, "a frame sets a reserved bit: no extension was agreed on");
    }
    if (!is_known(opcode)) {
        return refuse(ret_fault, 0, "a frame of an unknown opcode: 0, 1, 2, 8, 9 and 10 are known");
    }
    if (opcode >= WS_CLOSE && !final) {
        return refuse(ret_fault, 0, "a control frame in fragments: it must be whole");
    }
    if (in.length < 2) {
        return -EAGAIN;
    }
    bool masked = (in.data[1] & MASK_BIT) != 0;
    uint64_t length = in.data[1] & LENGTH_BITS;
    if (opcode >= WS_CLOSE && length > WS_CONTROL_MAX) {
        return refuse(ret_fault, 1, "a control frame of more than 125 bytes");
    }
    size_t extended = length == LENGTH_U16 ? 2 : length == LENGTH_U64 ? 8 : 0;
    if (extended == 8 && in.length > 2 && (in.data[2] & 0x80) != 0) {
        return refuse(ret_fault, 2, "a frame's length has its highest bit set: it must be below 2^63");
    }
    if (in.length < 2 + extended) {
        return -EAGAIN;
    }
    if (extended != 0) {
        length = read_big_endian(in.data + 2, extended);
        if (length < LENGTH_U16 || (extended == 8 && length <= UINT16_MAX)) {
            return refuse(ret_fault, 2, "a frame's length is not written in the shortest form");
        }
    }
    size_t size = 2 + extended + (masked ? 4 : 0);
    if (in.length < size) {
        return -EAGAIN;
    }
    struct ws_frame_header header = {
        .final = final, .opcode = (enum ws_opcode)opcode, .masked = masked, .length = length};
    if (masked) {
        memcpy(header.mask, in.data + size - 4, 4);
    }
    *ret_header = header;
    return (int)size;
}

size_t ws_frame_encode(const struct ws_frame_header *header, uint8_t out[WS_HEADER_MAX]) {
    size_t extended = header->length < LENGTH_U16 ? 0 : header->length <= UINT16_MAX ? 2 : 8;
    uint8_t length = extended == 0 ? (uint8_t)header->length : extended == 2 ? LENGTH_U16 : LENGTH_U64;
    out[0] = (uint8_t)((header->final ? FINAL_BIT : 0) | (int)header->opcode);
    out[1] = (uint8_t)((header->masked ? MASK_BIT : 0) | length);
    for (size_t i = 0; i < extended; i++) {
        out[2 + i] = (uint8_t)(header->length >> (8 * (extended - 1 - i)));
    }
    if (header->masked) {
        memcpy(out + 2 + extended, header->mask, 4);
    }
    return 2 + extended + (header->masked ? 4 : 0);
}

void ws_unmask(uint8_t *bytes, size_t length, const uint8_t mask[4], size_t offset) {
    /* As a number whose lowest byte is for the first of `bytes`: turned, and twice. */
    uint32_t four;
    memcpy(&four, mask, sizeof four);
    const unsigned turn = 8 * (unsigned)(offset & 3);
    four = le32toh(four);
    four = four >> turn | four << (-turn & 31);
    uint64_t turned = four | (uint64_t)four << 32;
    const uint64_t key = htole64(turned);
    size_t i = 0;
    for (; length - i >= sizeof key; i += sizeof key) {
        uint64_t word; /* by memcpy: `bytes` may start anywhere */
        memcpy(&word, bytes + i, sizeof word);
        word ^= key;
        memcpy(bytes + i, &word, sizeof word);
    }
    for (; i < length; i++, turned >>= 8) {
        bytes[i] ^= (uint8_t)turned;
    }
}
