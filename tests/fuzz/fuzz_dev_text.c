/* What pages and workers say, as it is shown on a terminal: whole UTF-8, without a character that moves the cursor or reorders
 * text, and never longer than its place; what is shown already is shown as it is. */
#include <stdlib.h>
#include <string.h>

#include "daffi/utf8.h"
#include "dev/terminal/dev_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static bool begins(const char *text, const char *character) {
    return strncmp(text, character, strlen(character)) == 0;
}

/* The characters of Unicode that dev_text.h names, as UTF-8. */
static void check_shown(const char *text) {
    static const char *const reordering[] = {
        "\u061c", "\u200e", "\u200f", "\u2028", "\u2029", "\u202a", "\u202b",
        "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069",
    };
    for (; *text != '\0'; text++) {
        require((uint8_t)*text >= 0x20 && *text != 0x7f);
        require(!((uint8_t)text[0] == 0xc2 && (uint8_t)text[1] < 0xa0)); /* C1 */
        for (size_t i = 0; i < sizeof reordering / sizeof *reordering; i++) {
            require(!begins(text, reordering[i]));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    const size_t capacity = 1 + data[0], length = size - 1;
    char *text = malloc(length + 1), *shown = malloc(capacity), *again = malloc(capacity);
    require(text != NULL && shown != NULL && again != NULL);
    memcpy(text, data + 1, length);
    const size_t written = dev_text_show(text, length, shown, capacity);
    require(written < capacity && strlen(shown) == written);
    struct daffi_fault fault;
    require(daffi_utf8_check(daffi_span_of(shown, written), &fault) == 0);
    check_shown(shown);
    require(dev_text_show(shown, written, again, capacity) == written && strcmp(shown, again) == 0);
    free(text);
    free(shown);
    free(again);
    return 0;
}
