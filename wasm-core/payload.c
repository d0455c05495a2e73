/* Which check a payload gets, by its decoder, its flag and is_bytes.      (protocol.md, "Payloads") */
#include "daffi/payload.h"

#include <errno.h>

#include "payload_internal.h"

static int fault_at_start(struct daffi_fault *ret_fault, const char *text) {
    *ret_fault = (struct daffi_fault){text, 0};
    return -EBADMSG;
}

int daffi_payload_check(const struct daffi_message *message, unsigned nesting,
                        struct daffi_fault *ret_fault) {
    const struct daffi_span payload = message->payload;
    const bool is_call =
        message->flag == DAFFI_REQUEST || message->flag == DAFFI_RESPONSE || message->flag == DAFFI_ERROR;
    if (nesting > DAFFI_NESTING_MAX)
        nesting = DAFFI_NESTING_MAX;

    if (!is_call && message->decoder != DAFFI_JSON)
        return fault_at_start(ret_fault, "handshakes and events have to be JSON");
    switch (message->decoder) {
    case DAFFI_JSON:
        return daffi_payload_json_check(payload, message->flag, nesting, ret_fault);
    case DAFFI_MSGPACK:
        /* Python's native layer would hand it over as str, which unpackb does not take. */
        if (!message->is_bytes)
            return fault_at_start(ret_fault, "MSGPACK that says it is text; is_bytes has to be 1");
        return daffi_payload_msgpack_check(payload, message->flag, nesting, ret_fault);
    case DAFFI_PICKLE:
        if (!message->is_bytes)
            return fault_at_start(ret_fault, "PICKLE that says it is text; is_bytes has to be 1");
        return 0;
    case DAFFI_OPAQUE:
        /* An ERROR that no serde made is the native layer's own sentence, whatever is_bytes says. */
        if (message->is_bytes && message->flag != DAFFI_ERROR)
            return 0;
        return daffi_utf8_check(payload, ret_fault);
    }
    return fault_at_start(ret_fault, "unknown decoder; OPAQUE, JSON, PICKLE and MSGPACK are accepted");
}
