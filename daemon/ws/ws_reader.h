/* Reads a connection's frames into messages, in place: fragments are moved together, so that a message is one
 * span of the input. Control frames may stand between fragments. No socket, no clock, no allocation.
 *                                                                   (RFC 6455 sections 5.4 to 5.7, 7.4.1 and 8.1)
 * Cost: each byte of a message is unmasked once and moved a bounded number of times, whatever the fragments; a
 * frame without payload costs O(1); the input kept is at most twice the message so far and a few KiB. */
#ifndef WS_READER_H
#define WS_READER_H

#include "ws/ws_frame.h"
#include "ws/ws_utf8.h"

enum ws_role { WS_SERVER, WS_CLIENT }; /* a server takes masked frames only, a client unmasked ones only */

enum ws_event_type {
    WS_EVENT_MESSAGE, /* binary or text, whole */
    WS_EVENT_OVERSIZE, /* a message past `limit`: `data` is its first bytes, at least `oversize_head` of them or all
                          of it; the rest is swallowed without being kept. From the frame on whose header passes
                          the limit, a text is not looked at any more */
    WS_EVENT_PING,
    WS_EVENT_PONG,
    WS_EVENT_CLOSE, /* `code`, `data` the reason: valid UTF-8 */
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

/* Private to ws_reader.c. The input is seen as
 *     [ spent: begin ][ message so far: assembled ][ spent ][ not read yet, from cursor ]
 * and what is spent at its front is let go at each return. */
struct ws_reader {
    enum ws_role role;
    struct ws_reader_limits limits;
    enum ws_reader_state {
        WS_READING_HEADER,
        WS_READING_PAYLOAD, /* of a data frame */
        WS_READING_CONTROL,
        WS_READER_CLOSED, /* behind a close frame: whatever comes is thrown away */
    } state;
    enum ws_message_state {
        WS_BETWEEN_MESSAGES,
        WS_IN_MESSAGE,
        WS_IN_OVERSIZE, /* past limits.limit: its first bytes are still being gathered */
        WS_SWALLOWING,  /* it has been reported */
    } message;
    bool text;
    struct ws_utf8 utf8; /* of a text message, across its fragments */
    struct ws_frame_header frame;
    uint64_t frame_left;   /* payload bytes of the current frame not seen yet */
    uint64_t message_size; /* by the headers seen so far */
    size_t begin, assembled, cursor;
};

void ws_reader_init(struct ws_reader *reader, enum ws_role role, const struct ws_reader_limits *limits);

/* More than before may be kept of a message. Fine at any time: a message that has already been found too large stays so. */
static inline void ws_reader_raise_limit(struct ws_reader *reader, size_t limit) {
    if (limit > reader->limits.limit) {
        reader->limits.limit = limit;
    }
}

/* Takes the unread input (all of it from the first byte not yet consumed).
 *   1       *ret_event is set; after it has been dealt with, *ret_consumed bytes are to be dropped from the front
 *           and the rest given to the next call
 *   0       more bytes are needed; *ret_consumed bytes are to be dropped from the front, and *ret_needed is how many
 *           bytes (from the front of the rest) are worth a next call. It grows with what has come, not with what a
 *           header promises, so that a promise alone takes no memory; fewer bytes do no harm.
 *   -EPROTO *ret_code (1002, 1007) and *ret_fault say how to close
 *   -EMSGSIZE as -EPROTO, with 1009
 * Behind a close event or a refusal all input is thrown away. `*ret_consumed` may be 0 with an event: what is left
 * must still be given to the next call, at once. */
int ws_reader_next(struct ws_reader *reader, uint8_t *in, size_t length, struct ws_event *ret_event,
                   size_t *ret_consumed, size_t *ret_needed, uint16_t *ret_code,
                   struct daffi_fault *ret_fault);

#endif
