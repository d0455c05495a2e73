/* Any bytes as a pickled error: refused, or three strings that become JSON which the payload check takes. */
#include <errno.h>
#include <stdlib.h>

#include "daffi/payload.h"
#include "daffi/remote_error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct daffi_remote_error error;
    struct daffi_fault fault = {0};
    int result = daffi_remote_error_from_pickle(daffi_span_of(data, size), &error, &fault);
    if (result < 0) {
        if (result != -EBADMSG || fault.text == NULL || fault.offset > size) {
            abort();
        }
        return 0;
    }
    size_t needed = daffi_remote_error_to_json(&error, NULL, 0);
    char *json = malloc(needed);
    if (json == NULL || daffi_remote_error_to_json(&error, json, needed) != needed) {
        abort();
    }
    const struct daffi_message message = {
        .flag = DAFFI_ERROR, .decoder = DAFFI_JSON, .payload = daffi_span_of(json, needed)};
    if (daffi_payload_check(&message, 4, &fault) != 0) {
        abort();
    }
    free(json);
    return 0;
}
