#include "config/config_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void reader_join(char out[KEY_PATH_MAX], const char *path, const char *key) {
    int length = snprintf(out, KEY_PATH_MAX, "%s%s%s", path, path[0] != '\0' ? "." : "", key);
    if (length < 0) {
        out[0] = '\0';
    }
}

void reader_join_place(char out[KEY_PATH_MAX], const char *path, size_t place) {
    char number[24];
    snprintf(number, sizeof number, "%zu", place);
    reader_join(out, path, number);
}

const char *reader_found(const json_t *value, char out[FOUND_MAX]) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
    bool whole = text != NULL && strlen(text) < FOUND_MAX;
    snprintf(out, FOUND_MAX, "%.*s%s", FOUND_MAX - 4, text != NULL ? text : "?", whole ? "" : "...");
    if (whole) {
        snprintf(out, FOUND_MAX, "%s", text);
    }
    free(text);
    return out;
}

const char *reader_text(const struct reader *reader, const char *path, const json_t *value) {
    char shown[FOUND_MAX];
    if (!json_is_string(value) || json_string_length(value) == 0) {
        REFUSE(reader, path, "%s is no text; a text in quotes is expected", reader_found(value, shown));
        return NULL;
    }
    return json_string_value(value);
}

const char *reader_text_at(const struct reader *reader, const char *path, const json_t *list, size_t place,
                           char ret_inner[KEY_PATH_MAX]) {
    reader_join_place(ret_inner, path, place);
    return reader_text(reader, ret_inner, json_array_get(list, place));
}
