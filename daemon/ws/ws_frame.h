/* WebSocket frames as bytes: no socket, no clock, no allocation. How messages are made of them stands in
 * ws_reader.h.                                                               (RFC 6455 sections 5.2, 5.3 and 7.4) */
#ifndef WS_FRAME_H
#define WS_FRAME_H

#include "daffi/span.h"

enum ws_opcode { WS_CONTINUATION = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

enum ws_code {
    WS_CODE_NORMAL = 1000,
    WS_CODE_GOING_AWAY = 1001,
    WS_CODE_PROTOCOL = 1002,
    WS_CODE_UNSUPPORTED = 1003, /* a text message */
    WS_CODE_NONE = 1005,        /* a close frame without a code; never sent */
    WS_CODE_INVALID = 1007,     /* text that is not UTF-8 */
    WS_CODE_POLICY = 1008,
    WS_CODE_TOO_LARGE = 1009,
    WS_CODE_INTERNAL = 1011,
    WS_CODE_UPSTREAM_LOST = 1012,
    WS_CODE_TRY_LATER = 1013,
};

enum {
    WS_HEADER_MAX = 14,   /* bytes of a frame's header */
    WS_CONTROL_MAX = 125, /* bytes of a control frame's payload */
};

struct ws_frame_header {
    bool final;
    enum ws_opcode opcode;
    bool masked;
    uint8_t mask[4];
    uint64_t length; /* payload bytes */
};

/* Decodes a frame header: its size (2 to 14); -EAGAIN; -EPROTO with *ret_fault (RSV bits, unknown opcode,
 * non-minimal or 2^63 length, fragmented or long control frame). Masking is the reader's matter. */
int ws_frame_decode(struct daffi_span in, struct ws_frame_header *ret_header, struct daffi_fault *ret_fault);

/* Writes one; returns its size. */
size_t ws_frame_encode(const struct ws_frame_header *header, uint8_t out[WS_HEADER_MAX]);

/* Unmasks (or masks) in place; `offset` is the position of bytes[0] in its frame's payload. Words at a time. */
void ws_unmask(uint8_t *bytes, size_t length, const uint8_t mask[4], size_t offset);

#endif
