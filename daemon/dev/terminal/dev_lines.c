#include "dev/terminal/dev_lines.h"

#include <string.h>

static void give(struct dev_lines *lines, dev_lines_callback on_line, void *owner) {
    size_t length = lines->length;
    if (length > 0 && lines->bytes[length - 1] == '\r') {
        length--;
    }
    lines->length = 0;
    on_line(owner, lines->bytes, length);
}

void dev_lines_take(struct dev_lines *lines, const char *bytes, size_t length, dev_lines_callback on_line,
                    void *owner) {
    while (length > 0) {
        const char *newline = memchr(bytes, '\n', length);
        size_t size = newline != NULL ? (size_t)(newline - bytes) : length;
        size_t room = sizeof lines->bytes - lines->length;
        size_t taken = size < room ? size : room;
        memcpy(lines->bytes + lines->length, bytes, taken);
        lines->length += taken;
        bytes += taken;
        length -= taken;
        if (newline != NULL && taken == size) {
            bytes++;
            length--;
            give(lines, on_line, owner);
        } else if (lines->length == sizeof lines->bytes) {
            give(lines, on_line, owner);
        }
    }
}

void dev_lines_end(struct dev_lines *lines, dev_lines_callback on_line, void *owner) {
    if (lines->length > 0) {
        give(lines, on_line, owner);
    }
}
