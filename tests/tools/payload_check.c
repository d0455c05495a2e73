/* payload_check: verdicts on payloads, for tests that compare them with Python's.
 *
 * Reads cases from standard input, each: flag (1 byte), decoder (1), is_bytes (1), length (4, little-endian), payload. Writes a byte for each:
 * '+' accepted, '-' refused. Nesting as the daemon's default: 64. */
#include <stdio.h>
#include <stdlib.h>

#include "daffi/payload.h"

int main(void) {
    uint8_t head[7];
    while (fread(head, 1, sizeof head, stdin) == sizeof head) {
        size_t length = head[3] | (size_t)head[4] << 8 | (size_t)head[5] << 16 | (size_t)head[6] << 24;
        uint8_t *payload = malloc(length + 1);
        if (payload == NULL || fread(payload, 1, length, stdin) != length) {
            free(payload);
            return 1;
        }
        const struct daffi_message message = {.flag = (enum daffi_flag)head[0],
                                              .decoder = (enum daffi_decoder)head[1],
                                              .is_bytes = head[2] != 0,
                                              .payload = daffi_span_of(payload, length)};
        struct daffi_fault fault;
        putchar(daffi_payload_check(&message, 64, &fault) == 0 ? '+' : '-');
        free(payload);
    }
    return 0;
}
