/* Where jansson's hashes start, in place of its hashtable_seed.c, which would ask the system for files, time and
 * process id: app.wasm has none of them and is told a random number by the page.                  (exports.h) */
#include <jansson.h>

#include "border.h"

enum { KNOWN_SEED = 0x0DAFF1 }; /* where the page gave none */

extern volatile uint32_t hashtable_seed; /* jansson's hashtable.c reads it; 0 is "not seeded yet" */
volatile uint32_t hashtable_seed = 0;

/* jansson calls it with 0 when it makes its first object; only the first seed counts. */
void json_object_seed(size_t seed) {
    if (hashtable_seed == 0)
        hashtable_seed = seed != 0 ? (uint32_t)seed : KNOWN_SEED;
}

void daffi_wasm_seed(uint32_t hashes, uint32_t calls) {
    json_object_seed(hashes);
    wasm_calls_seed(calls);
}
