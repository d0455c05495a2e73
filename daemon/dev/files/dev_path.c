#include "dev/files/dev_path.h"

#include <errno.h>
#include <stdio.h>

#include "http/percent.h"

int dev_path_decode(struct daffi_span path, char out[DEV_PATH_MAX + 1]) {
    int length = 0;
    if (path.length == 0 || path.data[0] != '/') {
        return -ENOENT;
    }
    for (size_t i = 1; i < path.length; i++) {
        int c = path.data[i];
        bool begins = length == 0 || out[length - 1] == '/';
        if (c == '%') {
            c = percent_decode(path, i);
            i += 2;
            if (c == '/') {
                return -ENOENT;
            }
        } else if (c == '/' && begins) {
            return -ENOENT;
        }
        if (c < 0x20 || c == 0x7f || c == '\\' || (c == '.' && begins) || length == DEV_PATH_MAX) {
            return -ENOENT;
        }
        out[length++] = (char)c;
    }
    out[length] = '\0';
    return length;
}

static bool is_unreserved(uint8_t c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.' || c == '~' || c == '/';
}

int dev_path_encode(const char *name, char *out, size_t capacity) {
    size_t at = 0;
    for (const uint8_t *byte = (const uint8_t *)name; *byte != 0; byte++) {
        if (at + 4 > capacity) {
            return -ENOBUFS;
        }
        if (is_unreserved(*byte)) {
            out[at++] = (char)*byte;
        } else {
            at += (size_t)snprintf(out + at, capacity - at, "%%%02X", *byte);
        }
    }
    if (at >= capacity) {
        return -ENOBUFS;
    }
    out[at] = '\0';
    return 0;
}

int dev_path_escape_html(const char *text, char *out, size_t capacity) {
    size_t at = 0;
    for (; *text != '\0'; text++) {
        char own[2] = {*text, '\0'};
        const char *shown = *text == '&'    ? "&amp;"
                            : *text == '<'  ? "&lt;"
                            : *text == '>'  ? "&gt;"
                            : *text == '"'  ? "&quot;"
                            : *text == '\'' ? "&#39;"
                                            : own;
        size_t length = strlen(shown);
        if (at + length >= capacity) {
            return -ENOBUFS;
        }
        memcpy(out + at, shown, length);
        at += length;
    }
    if (at >= capacity) {
        return -ENOBUFS;
    }
    out[at] = '\0';
    return 0;
}
