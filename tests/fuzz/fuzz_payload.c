/* Any bytes as the payload of any message: the first byte says of which. The verdict comes with a sentence and a place. */
#include <errno.h>
#include <stdlib.h>

#include "daffi/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    const struct daffi_message message = {
        .flag = (enum daffi_flag)((data[0] & 7) % (DAFFI_EVENTS + 1)),
        .decoder = (enum daffi_decoder)(data[0] >> 3 & 3),
        .is_bytes = (data[0] >> 5 & 1) != 0,
        .payload = daffi_span_of(data + 1, size - 1),
    };
    const unsigned nesting = (data[0] >> 6) * 100U + 1U;
    struct daffi_fault fault = {0};
    int result = daffi_payload_check(&message, nesting, &fault);
    if (result != 0 && (result != -EBADMSG || fault.text == NULL || fault.offset > message.payload.length)) {
        abort();
    }
    return 0;
}
