#include "ws/ws_reader.h"

#include <errno.h>

enum {
    GAP_MIN = 4096,  /* spent bytes inside a message that are not worth a move */
    STEP_MIN = 65536 /* bytes of a frame worth waiting for at least */
};

void ws_reader_init(struct ws_reader *reader, enum ws_role role, const struct ws_reader_limits *limits) {
    *reader = (struct ws_reader){.role = role, .limits = *limits};
}

/* The reader's end of one call. */
struct output {
    struct ws_event *event;
    size_t *consumed, *needed;
    uint16_t *code;
    struct daffi_fault *fault;
};

static int refuse(struct ws_reader *reader, const struct output *out, uint16_t code, const char *text) {
    *out->code = code;
    *out->fault = (struct daffi_fault){.text = text, .offset = reader->cursor};
    reader->state = WS_READER_CLOSED;
    reader->message = WS_BETWEEN_MESSAGES;
    return code == WS_CODE_TOO_LARGE ? -EMSGSIZE : -EPROTO;
}

/* Lets go of what is spent at the front of the input. */
static void settle(struct ws_reader *reader, const struct output *out) {
    bool keeps = reader->message == WS_IN_MESSAGE || reader->message == WS_IN_OVERSIZE;
    size_t spent = keeps ? reader->begin : reader->cursor;
    *out->consumed = spent;
    reader->begin = keeps ? 0 : reader->begin;
    reader->cursor -= spent;
}

/* Waits for `more` bytes behind the cursor. */
static int want(struct ws_reader *reader, const struct output *out, size_t more) {
    settle(reader, out);
    *out->needed = reader->cursor + more;
    return 0;
}

static int report(struct ws_reader *reader, const struct output *out, struct ws_event event) {
    *out->event = event;
    settle(reader, out);
    return 1;
}

/* Headers and control frames leave gaps behind the message so far. Once a gap is as large as the message, the message
 * is moved up to the gap's end, so that the gap goes to the front and can be dropped: each such move is paid for by
 * as many spent bytes. */
static void close_gap(struct ws_reader *reader, uint8_t *in) {
    if (reader->message != WS_IN_MESSAGE && reader->message != WS_IN_OVERSIZE) {
        return;
    }
    size_t gap = reader->cursor - reader->begin - reader->assembled;
    if (reader->assembled == 0 || (gap >= GAP_MIN && gap >= reader->assembled)) {
        memmove(in + reader->begin + gap, in + reader->begin, reader->assembled);
        reader->begin += gap;
    }
}

static int begin_data(struct ws_reader *reader, const struct output *out) {
    bool continues = reader->frame.opcode == WS_CONTINUATION;
    if (continues && reader->message == WS_BETWEEN_MESSAGES) {
        return refuse(reader, out, WS_CODE_PROTOCOL, "a continuation frame without a message to continue");
    }
    if (!continues && reader->message != WS_BETWEEN_MESSAGES) {
        return refuse(reader, out, WS_CODE_PROTOCOL, "a new message inside of one that has not ended");
    }
    if (!continues) {
        reader->message = WS_IN_MESSAGE;
        reader->text = reader->frame.opcode == WS_TEXT;
        reader->utf8 = (struct ws_utf8){0};
        reader->message_size = 0;
        reader->begin = reader->cursor;
        reader->assembled = 0;
    }
    if (reader->frame.length > reader->limits.wire_limit - reader->message_size) {
        return refuse(reader, out, WS_CODE_TOO_LARGE, "a message larger than this side takes at all");
    }
    reader->message_size += reader->frame.length;
    if (reader->message == WS_IN_MESSAGE && reader->message_size > reader->limits.limit) {
        reader->message = WS_IN_OVERSIZE;
    }
    reader->frame_left = reader->frame.length;
    reader->state = WS_READING_PAYLOAD;
    return 0;
}

/* 0 with a frame begun, and the loop goes on; 1: `want` was called; else the refusal. */
static int read_header(struct ws_reader *reader, uint8_t *in, size_t length, const struct output *out) {
    close_gap(reader, in);
    struct daffi_span rest = daffi_span_of(in + reader->cursor, length - reader->cursor);
    struct daffi_fault fault;
    int size = ws_frame_decode(rest, &reader->frame, &fault);
    if (size == -EAGAIN) {
        want(reader, out, rest.length + 1);
        return 1;
    }
    if (size < 0) {
        return refuse(reader, out, WS_CODE_PROTOCOL, fault.text);
    }
    if (reader->frame.masked != (reader->role == WS_SERVER)) {
        return refuse(reader, out, WS_CODE_PROTOCOL,
                      reader->role == WS_SERVER ? "a frame without a mask: clients must mask theirs"
                                                : "a masked frame: servers must not mask theirs");
    }
    reader->cursor += (size_t)size;
    if (reader->frame.opcode >= WS_CLOSE) {
        reader->state = WS_READING_CONTROL;
        return 0;
    }
    return begin_data(reader, out);
}

/* Unmasks, checks and appends `length` bytes at the cursor to the message. */
static int append(struct ws_reader *reader, uint8_t *in, size_t length, const struct output *out) {
    uint8_t *bytes = in + reader->cursor;
    if (reader->frame.masked) {
        ws_unmask(bytes, length, reader->frame.mask, (size_t)(reader->frame.length - reader->frame_left));
    }
    bool checked = reader->text && reader->message == WS_IN_MESSAGE;
    if (checked && !ws_utf8_take(&reader->utf8, daffi_span_of(bytes, length))) {
        return refuse(reader, out, WS_CODE_INVALID, "a text message that is not UTF-8");
    }
    uint8_t *end = in + reader->begin + reader->assembled;
    if (end != bytes) {
        memmove(end, bytes, length);
    }
    reader->assembled += length;
    return 0;
}

/* How many more bytes of the frame are worth a call: as many again as there are, so that a large message is
 * looked at a few times only; any one byte where it may be refused or dropped. */
static size_t step(const struct ws_reader *reader) {
    if (reader->message != WS_IN_MESSAGE || reader->text) {
        return 1;
    }
    size_t again = reader->assembled > STEP_MIN ? reader->assembled : STEP_MIN;
    return reader->frame_left < again ? (size_t)reader->frame_left : again;
}

/* As read_header; 1 with *ret_done set: a return to the caller with that result. */
static int read_payload(struct ws_reader *reader, uint8_t *in, size_t length, const struct output *out,
                        int *ret_done) {
    size_t here = length - reader->cursor;
    if (here > reader->frame_left) {
        here = (size_t)reader->frame_left;
    }
    if (reader->message != WS_SWALLOWING) {
        int r = append(reader, in, here, out);
        if (r < 0) {
            return r;
        }
    }
    reader->cursor += here;
    reader->frame_left -= here;

    bool ended = reader->frame_left == 0 && reader->frame.final;
    enum ws_message_state message = reader->message;
    if (reader->frame_left == 0) {
        reader->state = WS_READING_HEADER;
    }
    if (ended && message == WS_IN_MESSAGE && reader->text && reader->utf8.left > 0) {
        return refuse(reader, out, WS_CODE_INVALID, "a text message that ends inside a UTF-8 character");
    }
    bool shown = message == WS_IN_OVERSIZE && (ended || reader->assembled >= reader->limits.oversize_head);
    if (ended) {
        reader->message = WS_BETWEEN_MESSAGES;
    } else if (shown) {
        reader->message = WS_SWALLOWING;
    }
    if (shown || (ended && message == WS_IN_MESSAGE)) {
        *ret_done = report(reader, out,
                           (struct ws_event){.type = shown ? WS_EVENT_OVERSIZE : WS_EVENT_MESSAGE,
                                             .text = reader->text,
                                             .data = daffi_span_of(in + reader->begin, reader->assembled)});
        return 1;
    }
    if (reader->frame_left > 0) {
        *ret_done = want(reader, out, step(reader));
        return 1;
    }
    return 0;
}

static bool is_close_code(unsigned code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static int read_close(struct ws_reader *reader, struct daffi_span payload, const struct output *out) {
    struct ws_event event = {.type = WS_EVENT_CLOSE, .code = WS_CODE_NONE, .data = payload};
    if (payload.length == 1) {
        return refuse(reader, out, WS_CODE_PROTOCOL, "a close frame of one byte: a code has two");
    }
    if (payload.length >= 2) {
        struct ws_utf8 utf8 = {0};
        event.code = (uint16_t)(payload.data[0] << 8 | payload.data[1]);
        event.data = daffi_span_of(payload.data + 2, payload.length - 2);
        if (!is_close_code(event.code)) {
            return refuse(reader, out, WS_CODE_PROTOCOL, "a close frame with a code that may not be sent");
        }
        if (!ws_utf8_take(&utf8, event.data) || utf8.left > 0) {
            return refuse(reader, out, WS_CODE_INVALID, "a close frame whose reason is not UTF-8");
        }
    }
    reader->state = WS_READER_CLOSED;
    reader->message = WS_BETWEEN_MESSAGES;
    return report(reader, out, event);
}

static int read_control(struct ws_reader *reader, uint8_t *in, size_t length, const struct output *out) {
    size_t size = (size_t)reader->frame.length;
    if (length - reader->cursor < size) {
        return want(reader, out, size);
    }
    uint8_t *bytes = in + reader->cursor;
    if (reader->frame.masked) {
        ws_unmask(bytes, size, reader->frame.mask, 0);
    }
    struct daffi_span payload = daffi_span_of(bytes, size);
    reader->cursor += size;
    if (reader->frame.opcode == WS_CLOSE) {
        return read_close(reader, payload, out);
    }
    reader->state = WS_READING_HEADER;
    return report(reader, out,
                  (struct ws_event){.type = reader->frame.opcode == WS_PING ? WS_EVENT_PING : WS_EVENT_PONG,
                                    .data = payload});
}

int ws_reader_next(struct ws_reader *reader, uint8_t *in, size_t length, struct ws_event *ret_event,
                   size_t *ret_consumed, size_t *ret_needed, uint16_t *ret_code,
                   struct daffi_fault *ret_fault) {
    struct output out;
    out.event = ret_event;
    out.consumed = ret_consumed;
    out.needed = ret_needed;
    out.code = ret_code;
    out.fault = ret_fault;
    for (;;) {
        int r = 0;
        int done = 0;
        switch (reader->state) {
        case WS_READING_HEADER:
            r = read_header(reader, in, length, &out);
            break;
        case WS_READING_PAYLOAD:
            r = read_payload(reader, in, length, &out, &done);
            break;
        case WS_READING_CONTROL:
            return read_control(reader, in, length, &out);
        case WS_READER_CLOSED:
            reader->cursor = length;
            return want(reader, &out, 1);
        }
        if (r != 0) {
            return r < 0 ? r : done;
        }
    }
}
