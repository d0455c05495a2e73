/* What goes to a browser: frames, and daffi messages in them. To our own client those of one turn go in one message of
 * WebSocket's, a batch, at the turn's end.   (RFC 6455, 5; protocol.md, "Between daffi.js and the bridge") */
#ifndef WS_OUTBOX_H
#define WS_OUTBOX_H

#include "daffi/span.h"
#include "net/connection.h"
#include "net/reactor.h"
#include "ws/ws_frame.h"

enum { WS_REASON_MAX = WS_CONTROL_MAX - 2 }; /* bytes of a close frame's reason */

/* Embedded in the peer. */
struct ws_outbox {
    struct reactor *reactor;
    struct connection *connection;
    size_t batch_limit;        /* bytes of a batch; 0: one daffi message in each of WebSocket's */
    struct buffer batch;       /* what this turn has for the peer */
    struct reactor_task flush; /* sends it, at the turn's end */
};

void ws_outbox_init(struct ws_outbox *outbox, struct reactor *reactor, struct connection *connection);

/* A frame, past the batch: for what has no order among messages. What connection_write_pieces returns. */
int ws_outbox_send_frame(struct ws_outbox *outbox, enum ws_opcode opcode, struct daffi_span head,
                         struct daffi_span payload);
/* Likewise, without anything in it. */
void ws_outbox_send_empty(struct ws_outbox *outbox, enum ws_opcode opcode);

/* A daffi message, behind all before it. Likewise. */
int ws_outbox_send_message(struct ws_outbox *outbox, struct daffi_span head, struct daffi_span payload);

/* That a message of so many bytes is next: its size, in four bytes, least significant first. */
void ws_outbox_send_notice(struct ws_outbox *outbox, size_t length);

/* Sends what there is of a batch. */
void ws_outbox_flush(struct ws_outbox *outbox);

/* A close frame, past the batch; `reason` is cut between characters where it is too long. Nothing may go behind it. */
void ws_outbox_send_close(struct ws_outbox *outbox, uint16_t code, const char *reason);

/* Bytes that wait, the connection's included. */
size_t ws_outbox_queued(const struct ws_outbox *outbox);

/* Drops what there is of a batch. */
void ws_outbox_clear(struct ws_outbox *outbox);

#endif
