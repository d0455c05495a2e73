/* Whether a Router has read what was sent. It reads a connection in order, and sends an answer to nobody's question back to whom it is
 * for: one to oneself comes back when all before it has been read. From a server that has never sent one back none is insisted on. */
#include "bridge/upstream/upstream_internal.h"

int upstream_ask_receipt(struct attachment *attachment) {
    struct own_message receipt = {0};
    int status = own_message_receipt(daffi_span_text(attachment->name), &receipt);
    if (status == 0) {
        const struct stream_piece pieces[] = {{receipt.head.data, receipt.head.length},
                                              {receipt.payload.data, receipt.payload.length}};
        (void)connection_write_pieces(attachment->connection, pieces, 2);
        attachment->receipts_due++;
    }
    own_message_clear(&receipt);
    return status;
}

bool upstream_take_receipt(struct attachment *attachment, const struct daffi_message *message) {
    if (attachment->receipts_due == 0 ||
        !own_message_is_receipt(message, daffi_span_text(attachment->name))) {
        return false;
    }
    upstream_health_note_receipt(attachment->upstream->health);
    attachment->receipts_due--;
    struct attachment *successor = attachment->successor;
    if (attachment->receipts_due == 0 && successor != NULL && successor->awaits_receipt) {
        upstream_begin(successor);
    }
    return true;
}
