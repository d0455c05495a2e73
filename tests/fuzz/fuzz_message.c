/* Any bytes as a daffi message: refused, or the same bytes again when they are written anew. */
#include <errno.h>
#include <stdlib.h>

#include "daffi/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct daffi_message message;
    struct daffi_fault fault = {0};
    static uint8_t head[DAFFI_HEAD_MAX];
    size_t whole = 0;
    int result = daffi_message_decode(daffi_span_of(data, size), &message, &whole, &fault);
    if (result == -EAGAIN) {
        if (whole <= size || whole > DAFFI_MESSAGE_MAX) {
            abort();
        }
    } else if (result == -EPROTO) {
        if (fault.text == NULL || fault.offset > size) {
            abort();
        }
    } else {
        int length = daffi_message_encode_head(&message, head, sizeof head);
        if (length < 0 || (size_t)length + message.payload.length != whole ||
            memcmp(head, data, (size_t)length) != 0) {
            abort();
        }
    }
    struct daffi_message head_alone;
    size_t whole_again = 0;
    int head_result = daffi_message_decode_head(daffi_span_of(data, size), &head_alone, &whole_again, &fault);
    if (result == 0 && (head_result != 0 || whole_again != whole)) {
        abort();
    }
    return 0;
}
