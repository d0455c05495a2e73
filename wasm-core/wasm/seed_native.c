/* The native form's jansson is the system's, which may have seeded itself before: a later seed then changes nothing. */
#include <jansson.h>

#include "border.h"

void daffi_wasm_seed(uint32_t hashes, uint32_t calls) {
    json_object_seed(hashes);
    wasm_calls_seed(calls);
}
