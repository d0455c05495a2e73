/* Messages that the bridge itself writes: errors, handshakes, events. It never passes those of others on.
 * (ARCHITECTURE.md, "The bridge speaks for itself") */
#ifndef OWN_MESSAGE_H
#define OWN_MESSAGE_H

#include "daffi/errors.h"
#include "daffi/handshake.h"
#include "daffi/message.h"
#include "daffi/remote_error.h"

struct own_message {
    struct daffi_span head, payload; /* of `memory` */
    uint8_t *memory;
};

void own_message_clear(struct own_message *message); /* fine when all zero */

/* Each returns 0 and *ret_message, to be cleared; -ENOMEM; or what daffi_message_encode_head says. `envelope` gives
 * uuid, names, and return_result; flag, decoder and payload are set here. */

/* A JSON ERROR, which callers of every serde understand. `text` is cut where it is longer than can be of use. */
int own_message_error(const struct daffi_message *envelope, const struct daffi_remote_error *error,
                      struct own_message *ret_message);
int own_message_handshake(const struct daffi_message *envelope, const struct daffi_handshake *handshake,
                          struct own_message *ret_message);
int own_message_event(const struct daffi_message *envelope, const struct daffi_event *event,
                      struct own_message *ret_message);

/* The member `name`'s request for a receipt, and the receipt: an answer to nobody's question, which a Router sends back to it when
 * it has read all before it. A Service does not bear one. It bears the name of a function that there is not. */
int own_message_receipt(struct daffi_span name, struct own_message *ret_message);
bool own_message_is_receipt(const struct daffi_message *message, struct daffi_span name);

/* What the bridge says of its own: type and module by errors.def. */
struct daffi_remote_error own_error(enum daffi_error_code code, const char *text);

#endif
