#include "bridge/peer/ws_outbox.h"

#include <string.h>

enum { BATCHED_MAX = 16384 }; /* bytes of a message that is copied into a batch: a larger one goes alone */

static void run_flush(struct reactor_task *task) {
    ws_outbox_flush((struct ws_outbox *)(void *)((char *)task - offsetof(struct ws_outbox, flush)));
}

void ws_outbox_init(struct ws_outbox *outbox, struct reactor *reactor, struct connection *connection) {
    *outbox = (struct ws_outbox){.reactor = reactor, .connection = connection, .flush.run = run_flush};
}

/* -- frames -- */

int ws_outbox_send_frame(struct ws_outbox *outbox, enum ws_opcode opcode, struct daffi_span head,
                         struct daffi_span payload) {
    const struct ws_frame_header header = {
        .final = true, .opcode = opcode, .length = (uint64_t)head.length + payload.length};
    uint8_t bytes[WS_HEADER_MAX];
    const struct stream_piece pieces[] = {
        {bytes, ws_frame_encode(&header, bytes)}, {head.data, head.length}, {payload.data, payload.length}};
    return connection_write_pieces(outbox->connection, pieces, 3);
}

void ws_outbox_send_empty(struct ws_outbox *outbox, enum ws_opcode opcode) {
    (void)ws_outbox_send_frame(outbox, opcode, daffi_span_of(NULL, 0), daffi_span_of(NULL, 0));
}

void ws_outbox_send_close(struct ws_outbox *outbox, uint16_t code, const char *reason) {
    uint8_t code_bytes[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    size_t length = strlen(reason);
    if (length > WS_REASON_MAX) {
        length = WS_REASON_MAX;
        while (length > 0 && ((unsigned char)reason[length] & 0xC0) == 0x80) {
            length--;
        }
    }
    (void)ws_outbox_send_frame(outbox, WS_CLOSE,
                               daffi_span_of(code_bytes, code == WS_CODE_NONE ? 0 : sizeof code_bytes),
                               daffi_span_of(reason, code == WS_CODE_NONE ? 0 : length));
}

void ws_outbox_send_notice(struct ws_outbox *outbox, size_t length) {
    uint8_t bytes[4];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(length >> (8 * i));
    }
    ws_outbox_flush(outbox);
    (void)ws_outbox_send_frame(outbox, WS_BINARY, daffi_span_of(bytes, sizeof bytes), daffi_span_of(NULL, 0));
}

/* -- batches -- */

void ws_outbox_flush(struct ws_outbox *outbox) {
    size_t length = buffer_length(&outbox->batch);
    if (length > 0) {
        (void)ws_outbox_send_frame(outbox, WS_BINARY, daffi_span_of(buffer_bytes(&outbox->batch), length),
                                   daffi_span_of(NULL, 0));
        ws_outbox_clear(outbox);
    }
}

/* Into this turn's batch; alone, behind what is in there, where it is too large or memory is short. */
static int send_batched(struct ws_outbox *outbox, struct daffi_span head, struct daffi_span payload) {
    size_t length = head.length + payload.length;
    if (length > BATCHED_MAX || buffer_length(&outbox->batch) + length > outbox->batch_limit) {
        ws_outbox_flush(outbox);
    }
    if (length > BATCHED_MAX || length > outbox->batch_limit ||
        buffer_reserve(reactor_pool(outbox->reactor), &outbox->batch, length) < 0) {
        ws_outbox_flush(outbox);
        return ws_outbox_send_frame(outbox, WS_BINARY, head, payload);
    }
    buffer_put(&outbox->batch, head.data, head.length);
    buffer_put(&outbox->batch, payload.data, payload.length);
    reactor_at_turn_end(outbox->reactor, &outbox->flush);
    return 0;
}

int ws_outbox_send_message(struct ws_outbox *outbox, struct daffi_span head, struct daffi_span payload) {
    return outbox->batch_limit > 0 ? send_batched(outbox, head, payload)
                                   : ws_outbox_send_frame(outbox, WS_BINARY, head, payload);
}

size_t ws_outbox_queued(const struct ws_outbox *outbox) {
    return connection_queued(outbox->connection) + buffer_length(&outbox->batch);
}

void ws_outbox_clear(struct ws_outbox *outbox) {
    buffer_clear(reactor_pool(outbox->reactor), &outbox->batch);
}
