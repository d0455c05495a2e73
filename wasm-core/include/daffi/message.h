/* One daffi message: its nine-byte header and its metadata, both ways.       (protocol.md, "Message")
 *
 * Sans-I/O and allocation-free. The only decoder and the only encoder of the daffi header in this
 * project: daemon, app.wasm, tests and benchmarks all call these. */
#ifndef DAFFI_MESSAGE_H
#define DAFFI_MESSAGE_H

#include "daffi/span.h"

enum {
    DAFFI_HEADER_BYTES = 9,
    DAFFI_METADATA_MAX = 32767,  /* u15 on the wire */
    DAFFI_LENGTH_MAX = 33554431, /* u25 on the wire: metadata plus payload */
    DAFFI_HEAD_MAX = DAFFI_HEADER_BYTES + DAFFI_METADATA_MAX,
    DAFFI_MESSAGE_MAX = DAFFI_HEADER_BYTES + DAFFI_LENGTH_MAX,
    DAFFI_PROBE_BYTES = 9, /* a native client's first bytes: nine times DAFFI_PROBE */
    DAFFI_PROBE = 0x1F,
};

enum daffi_flag {
    DAFFI_HANDSHAKE = 0,
    DAFFI_REQUEST = 1,
    DAFFI_RESPONSE = 2,
    DAFFI_ERROR = 3,
    DAFFI_EVENTS = 4,
};

enum daffi_decoder {
    DAFFI_OPAQUE = 0,
    DAFFI_JSON = 1,
    DAFFI_PICKLE = 2,
    DAFFI_MSGPACK = 3,
};

struct daffi_message {
    uint16_t uuid; /* call id; 0 belongs to what a server sends unasked */
    enum daffi_flag flag;
    enum daffi_decoder decoder;
    bool is_bytes;                                     /* payload is bytes, not UTF-8 text */
    bool return_result;                                /* the caller waits for a RESPONSE or ERROR */
    struct daffi_span transmitter, receiver, function; /* the three parts of the metadata */
    struct daffi_span payload;
};

/* Decodes the message at the front of `in`.
 *   0       *ret_message is set; it borrows `in`. *ret_size is the message's whole size.
 *   -EAGAIN more bytes are needed: *ret_size says how many the message has in all once its header is
 *           there (9 until then). *ret_message is untouched.
 *   -EPROTO the peer broke the protocol and the stream can't go on: unknown flag, metadata longer than
 *           the message, msg_parts other than 1, big-endian sender, or metadata without exactly two
 *           bars or with invalid UTF-8. *ret_fault says which; the other outputs are untouched. */
int daffi_message_decode(struct daffi_span in, struct daffi_message *ret_message, size_t *ret_size,
                         struct daffi_fault *ret_fault);

/* Decodes header and metadata alone: as daffi_message_decode, but needs only those bytes to be in `in`,
 * and leaves ret_message->payload empty. For refusing a message without reading all of it: *ret_size is
 * the whole size, payload included, on 0 as on -EAGAIN. */
int daffi_message_decode_head(struct daffi_span in, struct daffi_message *ret_message, size_t *ret_size,
                              struct daffi_fault *ret_fault);

/* Whether it is a REQUEST whose sender waits for the answer; `head` is that of a sound message, as decode_head takes it. */
bool daffi_message_is_awaited(struct daffi_span head);

/* Writes header and metadata of `message` to `out` (at least DAFFI_HEAD_MAX bytes are always enough); the
 * payload is not copied, only its length counted: it follows as it is.
 * The parts of the metadata may stand in `out` already, exactly where they go.
 * Returns the bytes written, -EMSGSIZE when a length passes the wire's limits, -EINVAL when a part of the
 * metadata holds a bar, -ENOBUFS when `capacity` is too small. `out` is then untouched. */
int daffi_message_encode_head(const struct daffi_message *message, uint8_t *out, size_t capacity);

#endif
