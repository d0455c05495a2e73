/* Paths of URLs that the development server is asked for: what they decode to names a file below its folder and nothing else,
 * and is the same once it has been written as an address and read again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dev/files/dev_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ADDRESS_MAX = 3 * DEV_PATH_MAX + 2, HTML_MAX = 6 * DEV_PATH_MAX + 1 };

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void check_name(const char *name, size_t length) {
    require(strlen(name) == length && name[0] != '/' && strstr(name, "//") == NULL);
    require(name[0] != '.' && strstr(name, "/.") == NULL); /* nor "..", nor what is hidden */
    for (size_t i = 0; i < length; i++) {
        const uint8_t byte = (uint8_t)name[i];
        require(byte >= 0x20 && byte != 0x7f && byte != '\\');
    }
}

static void check_round_trip(const char *name, int length) {
    char address[ADDRESS_MAX] = "/", again[DEV_PATH_MAX + 1];
    require(dev_path_encode(name, address + 1, sizeof address - 1) == 0);
    require(dev_path_decode(daffi_span_text(address), again) == length);
    require(memcmp(name, again, (size_t)length + 1) == 0);
}

static void check_html(const char *name) {
    char html[HTML_MAX];
    require(dev_path_escape_html(name, html, sizeof html) == 0);
    require(strpbrk(html, "<>\"'") == NULL);
}

/* A place too small is refused, never written past. */
static void check_small(const char *name, size_t capacity) {
    char *place = malloc(capacity == 0 ? 1 : capacity);
    require(place != NULL);
    int status = dev_path_encode(name, place, capacity);
    require(status == -ENOBUFS || (status == 0 && strlen(place) < capacity));
    status = dev_path_escape_html(name, place, capacity);
    require(status == -ENOBUFS || (status == 0 && strlen(place) < capacity));
    free(place);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char name[DEV_PATH_MAX + 1];
    uint8_t *path = malloc(size == 0 ? 1 : size); /* of its own, so that a byte too far is seen */
    require(path != NULL);
    if (size > 0) {
        memcpy(path, data, size);
    }
    int length = dev_path_decode(daffi_span_of(path, size), name);
    free(path);
    require(length == -ENOENT || (length >= 0 && length <= DEV_PATH_MAX));
    if (length >= 0) {
        check_name(name, (size_t)length);
        check_round_trip(name, length);
        check_html(name);
        check_small(name, data[size - 1]);
    }
    return 0;
}
