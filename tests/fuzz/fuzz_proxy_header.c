/* PROXY headers: whatever comes gets one verdict, however it is split, and nothing behind it changes that. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static int parse(const uint8_t *data, size_t length, struct proxy_header *header, size_t *size) {
    const char *reason = NULL;
    uint8_t *copy = malloc(length == 0 ? 1 : length); /* of its own, so that a byte too far is seen */
    require(copy != NULL);
    memcpy(copy, data, length);
    int status = proxy_header_parse(copy, length, header, size, &reason);
    free(copy);
    require((status == -EPROTO) == (reason != NULL));
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length) {
    struct proxy_header header, again;
    size_t size = 0, again_size = 0;
    if (length == 0) {
        return 0;
    }
    int whole = parse(data, length, &header, &size);
    require(whole == 0 || whole == -EAGAIN || whole == -EPROTO);
    if (whole == -EAGAIN) {
        require(length < PROXY_HEADER_MAX);
        return 0;
    }
    if (whole == 0) {
        require(size > 0 && size <= length && size <= PROXY_HEADER_MAX);
        require(memchr(header.address, '\0', sizeof header.address) != NULL);
    }
    int before = -EAGAIN; /* once it is decided, it stays so */
    for (size_t i = 1; i < length && i <= PROXY_HEADER_MAX; i++) {
        int part = parse(data, i, &again, &again_size);
        require(part == -EAGAIN ? before == -EAGAIN : part == whole);
        require(part != 0 || (again_size == size && strcmp(again.address, header.address) == 0 && i >= size));
        before = part;
    }
    return 0;
}
