/* jansson's hash of an object's keys, in place of its lookup3.h: HalfSipHash-1-3, keyed by the seed. A third of the size,
 * and made for keys that a stranger chooses.        (J.-P. Aumasson, D. J. Bernstein: SipHash; and its 32-bit form) */
#ifndef DAFFI_LOOKUP3_H
#define DAFFI_LOOKUP3_H

#include <stddef.h>
#include <stdint.h>

#define hashsize(n) ((size_t)1 << (n))
#define hashmask(n) (hashsize(n) - 1)

static uint32_t hash_rotate(uint32_t value, unsigned bits) {
    return value << bits | value >> (32 - bits);
}

static void hash_round(uint32_t v[4]) {
    v[0] += v[1];
    v[1] = hash_rotate(v[1], 5) ^ v[0];
    v[0] = hash_rotate(v[0], 16);
    v[2] += v[3];
    v[3] = hash_rotate(v[3], 8) ^ v[2];
    v[0] += v[3];
    v[3] = hash_rotate(v[3], 7) ^ v[0];
    v[2] += v[1];
    v[1] = hash_rotate(v[1], 13) ^ v[2];
    v[2] = hash_rotate(v[2], 16);
}

static void hash_word(uint32_t v[4], uint32_t word) {
    v[3] ^= word;
    hash_round(v);
    v[0] ^= word;
}

/* The name is jansson's. The 64-bit key is the seed twice. */
static uint32_t hashlittle(const void *key, size_t length, uint32_t seed) {
    const uint8_t *const bytes = key;
    uint32_t v[4] = {seed, seed, 0x6c796765 ^ seed, 0x74656462 ^ seed};
    uint32_t word = 0;
    for (size_t i = 0; i < length; i++) {
        word |= (uint32_t)bytes[i] << 8 * (i & 3);
        if ((i & 3) == 3) {
            hash_word(v, word);
            word = 0;
        }
    }
    hash_word(v, word | (uint32_t)length << 24);
    v[2] ^= 0xff;
    for (unsigned round = 0; round < 3; round++)
        hash_round(v);
    return v[1] ^ v[3];
}

#endif
