/* WebSocket frames and how messages are made of them, as bytes: no socket, no clock, no allocation.
 *                                                                       (RFC 6455 sections 5, 7.4 and 8.1) */
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
    WS_CODE_INVALID = 1007,
    WS_CODE_POLICY = 1008,
    WS_CODE_TOO_LARGE = 1009,
    WS_CODE_INTERNAL = 1011,
    WS_CODE_UPSTREAM_LOST = 1012,
    WS_CODE_TRY_LATER = 1013,
};

enum { WS_HEADER_MAX = 14, WS_CONTROL_MAX = 125 };

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

/* Reads a connection's frames into messages, in place: fragments are moved together, so that a message is one
 * span of the input. Control frames may stand between fragments. */
enum ws_role { WS_SERVER, WS_CLIENT }; /* a server takes masked frames only, a client unmasked ones only */

enum ws_event_type {
    WS_EVENT_MESSAGE,  /* binary or text, whole */
    WS_EVENT_OVERSIZE, /* a message past `limit`: `data` is its first bytes, at least `oversize_head` of them or all
                          of it; the rest is swallowed without being kept */
    WS_EVENT_PING,
    WS_EVENT_PONG,
    WS_EVENT_CLOSE,    /* `code`, `data` the reason: valid UTF-8 */
};

struct ws_event {
    enum ws_event_type type;
    bool text;              /* MESSAGE, OVERSIZE: it was a text message */
    uint16_t code;          /* CLOSE: 1005 when none was given */
    struct daffi_span data; /* in the input; valid until the next call */
};

struct ws_reader_limits {
    size_t limit;         /* bytes of a message kept */
    size_t wire_limit;    /* bytes of a message at all: past it -EMSGSIZE */
    size_t oversize_head; /* see WS_EVENT_OVERSIZE */
};

struct ws_reader {
    enum ws_role role;
    struct ws_reader_limits limits;
    int state;
    /* private to ws_reader.c: */
    struct ws_frame_header frame;
    uint64_t frame_left;   /* payload bytes of the current frame not yet seen */
    bool in_message, message_text;
    uint64_t message_size; /* bytes of the message seen so far */
    size_t assembled;      /* bytes of it at the front of the input */
    size_t held;           /* bytes at the front of the input that belong to the reader: `assembled` and what is behind */
};

void ws_reader_init(struct ws_reader *reader, enum ws_role role, const struct ws_reader_limits *limits);

/* Takes the unread input (all of it from the first byte not yet consumed).
 *   1       *ret_event is set; after it has been dealt with, *ret_consumed bytes are to be dropped from the front
 *           and the rest given to the next call
 *   0       more bytes are needed; *ret_consumed bytes are to be dropped from the front, and *ret_needed is how many
 *           bytes (from the front of the rest) let the next call get on
 *   -EPROTO *ret_code (1002, 1007) and *ret_fault say how to close
 *   -EMSGSIZE as -EPROTO, with 1009 */
int ws_reader_next(struct ws_reader *reader, uint8_t *in, size_t length, struct ws_event *ret_event,
                   size_t *ret_consumed, size_t *ret_needed, uint16_t *ret_code, struct daffi_fault *ret_fault);

#endif
