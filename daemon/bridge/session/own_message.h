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

/* What the bridge says of its own: type and module by errors.def. */
struct daffi_remote_error own_error(enum daffi_error_code code, const char *text);

#endif
