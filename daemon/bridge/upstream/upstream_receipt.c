/* Whether a Python server has read what was sent. A Router reads a connection in order, and sends an answer to nobody's question back
 * to whom it is for: one to oneself comes back when all before it has been read. From a server that has never sent one back none is
 * insisted on. A Service does not bear one: it is asked nothing, is quick to read, and is given a while. */
#include "bridge/upstream/upstream_internal.h"

enum { SERVICE_READ_MS = 500 /* behind the last message */ };

uint64_t upstream_service_reads_by(const struct attachment *attachment) {
    bool has_answered_last = attachment->owed == 0 && attachment->is_owed_last;
    return attachment->sent_at == 0 || has_answered_last ? 0 : attachment->sent_at + SERVICE_READ_MS;
}

bool upstream_insists_on_receipts(const struct attachment *attachment) {
    return attachment->type != DAFFI_TYPE_SERVICE &&
           upstream_health_gives_receipts(attachment->upstream->health);
}

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
    upstream_health_note_receipts(attachment->upstream->health, true);
    attachment->receipts_due--;
    struct attachment *successor = attachment->successor;
    if (attachment->receipts_due == 0 && successor != NULL && successor->rejoin == REJOIN_READING) {
        upstream_begin(successor);
    }
    return true;
}
