#include "bridge/session/own_message.h"

#include <errno.h>
#include <stdlib.h>

enum { NAME_BYTES = 512, TEXT_BYTES = 16384 }; /* of an error: what is longer helps nobody */

void own_message_clear(struct own_message *message) {
    free(message->memory);
    *message = (struct own_message){0};
}

/* Puts the head before a payload that `payload` holds, which is taken over in every case. */
static int finish(const struct daffi_message *envelope, enum daffi_flag flag, char *payload, size_t length,
                  struct own_message *ret_message) {
    struct daffi_message message = *envelope;
    message.flag = flag;
    message.decoder = DAFFI_JSON;
    message.is_bytes = false;
    message.payload = daffi_span_of(payload, length);
    size_t head_bytes = DAFFI_HEADER_BYTES + message.transmitter.length + message.receiver.length +
                        message.function.length + 2;
    uint8_t *memory = malloc(head_bytes + length);
    int status = -ENOMEM;
    if (memory != NULL) {
        status = daffi_message_encode_head(&message, memory, head_bytes);
    }
    if (status < 0) {
        free(memory);
        free(payload);
        return status;
    }
    memcpy(memory + status, payload, length);
    free(payload);
    *ret_message = (struct own_message){
        .head = daffi_span_of(memory, (size_t)status),
        .payload = daffi_span_of(memory + status, length),
        .memory = memory,
    };
    return 0;
}

/* Cuts between characters. */
static struct daffi_span cut(struct daffi_span text, size_t bytes) {
    if (text.length <= bytes) {
        return text;
    }
    while (bytes > 0 && (text.data[bytes] & 0xC0) == 0x80) {
        bytes--;
    }
    return daffi_span_of(text.data, bytes);
}

int own_message_error(const struct daffi_message *envelope, const struct daffi_remote_error *error,
                      struct own_message *ret_message) {
    const struct daffi_remote_error bounded = {
        .type = cut(error->type, NAME_BYTES),
        .module = cut(error->module, NAME_BYTES),
        .text = cut(error->text, TEXT_BYTES),
    };
    size_t length = daffi_remote_error_to_json(&bounded, NULL, 0);
    char *payload = malloc(length + 1);
    if (payload == NULL) {
        return -ENOMEM;
    }
    daffi_remote_error_to_json(&bounded, payload, length + 1);
    return finish(envelope, DAFFI_ERROR, payload, length, ret_message);
}

int own_message_handshake(const struct daffi_message *envelope, const struct daffi_handshake *handshake,
                          struct own_message *ret_message) {
    char *payload = NULL;
    size_t length = 0;
    int status = daffi_handshake_format(handshake, &payload, &length);
    return status < 0 ? status : finish(envelope, DAFFI_HANDSHAKE, payload, length, ret_message);
}

int own_message_event(const struct daffi_message *envelope, const struct daffi_event *event,
                      struct own_message *ret_message) {
    char *payload = NULL;
    size_t length = 0;
    int status = daffi_event_format(event, &payload, &length);
    return status < 0 ? status : finish(envelope, DAFFI_EVENTS, payload, length, ret_message);
}

static const char RECEIPT[] = "daffi-bridge-receipt"; /* no function is called so */

int own_message_receipt(struct daffi_span name, struct own_message *ret_message) {
    static const char nothing[] = "{\"args\":[null],\"kwargs\":{}}";
    const struct daffi_message envelope = {
        .transmitter = name, .receiver = name, .function = daffi_span_text(RECEIPT)};
    char *payload = strdup(nothing);
    return payload == NULL ? -ENOMEM
                           : finish(&envelope, DAFFI_RESPONSE, payload, sizeof nothing - 1, ret_message);
}

bool own_message_is_receipt(const struct daffi_message *message, struct daffi_span name) {
    /* What answers a call of a member to itself looks alike but for the function. */
    return message->flag == DAFFI_RESPONSE && daffi_span_equal(message->function, daffi_span_text(RECEIPT)) &&
           daffi_span_equal(message->transmitter, name) && daffi_span_equal(message->receiver, name);
}

struct daffi_remote_error own_error(enum daffi_error_code code, const char *text) {
    return (struct daffi_remote_error){
        .type = daffi_span_text(daffi_error_type_name(code)),
        .module = daffi_span_text(DAFFI_ERROR_MODULE),
        .text = daffi_span_text(text),
    };
}
