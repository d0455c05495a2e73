/* A hash of names for tables that strangers may fill: with a secret seed, so that nobody can choose names that meet in one
 * bucket. */
#ifndef NAME_HASH_H
#define NAME_HASH_H

#include "daffi/span.h"

static inline uint64_t name_hash(uint64_t seed, struct daffi_span name) {
    uint64_t hash = seed ^ 0xCBF29CE484222325U;
    for (size_t i = 0; i < name.length; i++) {
        hash = (hash ^ name.data[i]) * 0x9E3779B97F4A7C15U;
        hash ^= hash >> 32;
    }
    return hash;
}

#endif
