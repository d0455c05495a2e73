#include "json_write.h"

#include <errno.h>
#include <stdlib.h>

#include "daffi/utf8.h"

static void write_bytes(struct json_writer *writer, const void *bytes, size_t length) {
    if (writer->out != NULL && length > 0)
        memcpy(writer->out + writer->length, bytes, length);
    writer->length += length;
}

void json_write_text(struct json_writer *writer, const char *text) {
    write_bytes(writer, text, strlen(text));
}

static void write_escape(struct json_writer *writer, uint8_t byte) {
    static const char digits[] = "0123456789abcdef";
    const char escape[] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 0x0F]};
    const char pair[] = {'\\', (char)byte};
    if (byte < 0x20)
        write_bytes(writer, escape, sizeof escape);
    else
        write_bytes(writer, pair, sizeof pair);
}

void json_write_string(struct json_writer *writer, struct daffi_span string) {
    json_write_text(writer, "\"");
    for (size_t at = 0; at < string.length;) {
        const uint8_t byte = string.data[at];
        const size_t length = daffi_utf8_character(daffi_span_of(string.data + at, string.length - at));
        if (length == 0)
            json_write_text(writer, "\xEF\xBF\xBD");
        else if (byte < 0x20 || byte == '"' || byte == '\\')
            write_escape(writer, byte);
        else
            write_bytes(writer, string.data + at, length);
        at += length > 0 ? length : 1;
    }
    json_write_text(writer, "\"");
}

void json_write_size(struct json_writer *writer, size_t number) {
    char digits[20]; /* of 64 bits */
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    write_bytes(writer, digits + at, sizeof digits - at);
}

int json_write_allocated(void (*write)(struct json_writer *writer, const void *value), const void *value,
                         char **ret_json, size_t *ret_length) {
    struct json_writer writer = {0};
    write(&writer, value);
    writer.out = malloc(writer.length);
    if (writer.out == NULL)
        return -ENOMEM;
    writer.length = 0;
    write(&writer, value);
    *ret_json = writer.out;
    *ret_length = writer.length;
    return 0;
}
