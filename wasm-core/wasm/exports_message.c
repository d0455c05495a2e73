/* Messages and pickled errors at the border.                                                     (exports.h) */
#include <errno.h>

#include "border.h"
#include "daffi/remote_error.h"

enum { KIND_FLAG = 0x0F, KIND_DECODER = 0x03, KIND_IS_BYTES = 0x40, KIND_RETURN_RESULT = 0x80 };

/* The metadata between the bars that `bars` counts off; what is no metadata leaves a bar in the last part,
 * which the encoder refuses. False when there are fewer than two bars. */
static bool split_metadata(struct daffi_span metadata, struct daffi_message *message) {
    struct daffi_span *const parts[] = {&message->transmitter, &message->receiver};
    for (size_t i = 0; i < 2; i++) {
        const uint8_t *bar = metadata.length > 0 ? memchr(metadata.data, '|', metadata.length) : NULL;
        if (bar == NULL)
            return false;
        const size_t length = (size_t)(bar - metadata.data);
        *parts[i] = daffi_span_of(metadata.data, length);
        metadata = daffi_span_of(bar + 1, metadata.length - length - 1);
    }
    message->function = metadata;
    return true;
}

int32_t daffi_wasm_message_encode(uint32_t uuid, uint32_t kind, uint32_t metadata_length,
                                  uint32_t payload_length) {
    if (metadata_length > DAFFI_METADATA_MAX)
        return wasm_refuse(DAFFI_WASM_TOO_LARGE,
                           "the names of caller, receiver and function are together longer than 32765 bytes");
    struct daffi_message message = {
        .uuid = (uint16_t)uuid,
        .flag = (enum daffi_flag)(kind & KIND_FLAG),
        .decoder = (enum daffi_decoder)(kind >> 4 & KIND_DECODER),
        .is_bytes = (kind & KIND_IS_BYTES) != 0,
        .return_result = (kind & KIND_RETURN_RESULT) != 0,
        .payload = {.data = NULL, .length = payload_length}, /* counted, never looked at */
    };
    if (!split_metadata(daffi_span_of(wasm_border.head + DAFFI_HEADER_BYTES, metadata_length), &message))
        return wasm_refuse(DAFFI_WASM_BAD,
                           "metadata has to be transmitter|receiver|function, with exactly two bars");
    const int head = daffi_message_encode_head(&message, wasm_border.head, sizeof wasm_border.head);
    if (head == -EMSGSIZE)
        return wasm_refuse(DAFFI_WASM_TOO_LARGE,
                           "the message is too large: names and payload may have 33554431 bytes together");
    if (head < 0)
        return wasm_refuse(DAFFI_WASM_BAD,
                           "the message has an unknown flag (0 to 4 are accepted), or a name holds a bar");
    return head;
}

static void put_part(uint32_t field, struct daffi_span part) {
    wasm_field_size(field, part.length > 0 ? (size_t)(part.data - wasm_border.head) : 0);
    wasm_field_size(field + 1, part.length);
}

int32_t daffi_wasm_message_decode(uint32_t available) {
    if (available > sizeof wasm_border.head)
        available = sizeof wasm_border.head;
    struct daffi_message message;
    struct daffi_fault fault = {0};
    size_t size = 0;
    const int r =
        daffi_message_decode_head(daffi_span_of(wasm_border.head, available), &message, &size, &fault);
    if (r == -EAGAIN) {
        wasm_field_size(0, size);
        return wasm_refuse(DAFFI_WASM_MORE, "the message ends within its header or its metadata");
    }
    if (r < 0)
        return wasm_refuse_errno(r, &fault);
    int32_t *const fields = wasm_border.fields;
    fields[0] = message.uuid;
    fields[1] = (int32_t)message.flag;
    fields[2] = (int32_t)message.decoder;
    fields[3] = message.is_bytes;
    fields[4] = message.return_result;
    wasm_field_size(5, size);
    put_part(6, message.transmitter);
    put_part(8, message.receiver);
    put_part(10, message.function);
    return (int32_t)(DAFFI_HEADER_BYTES + message.transmitter.length + message.receiver.length +
                     message.function.length + 2);
}

int32_t daffi_wasm_pickle_error(const uint8_t *pickle, uint32_t length) {
    struct daffi_remote_error error;
    struct daffi_fault fault = {0};
    const int r = daffi_remote_error_from_pickle(daffi_span_of(pickle, length), &error, &fault);
    if (r < 0)
        return wasm_refuse_errno(r, &fault);
    wasm_field_span(0, error.type);
    wasm_field_span(2, error.module);
    wasm_field_span(4, error.text);
    return 0;
}
