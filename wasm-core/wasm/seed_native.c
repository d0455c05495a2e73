/* The native form's jansson is the system's, which may have seeded itself before: a later seed then changes nothing. */
#include <jansson.h>

#include "exports.h"

void daffi_wasm_seed(uint32_t seed) {
    json_object_seed(seed);
}
