/* Policies in the configuration file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_patterns.h"
#include "config/config_reader.h"

static int refuse_pattern(const struct reader *reader, const char *path, const char *text) {
    return REFUSE(reader, path,
                  "\"%.100s\" is no name; 1 to %d bytes without \"|\" and control characters are expected, "
                  "\"*\" for any run of them",
                  text, CONFIG_PATTERN_BYTES_MAX);
}

int read_patterns(const struct reader *reader, const struct config_row *row, void *owner, const char *path,
                  const json_t *list) {
    struct config_patterns *patterns = (struct config_patterns *)(void *)((char *)owner + row->offset);
    char shown[FOUND_MAX];
    if (!json_is_array(list) || json_array_size(list) > CONFIG_PATTERNS_MAX) {
        return REFUSE(reader, path, "%s can't be taken; a list [ ... ] of at most %d names is expected",
                      reader_found(list, shown), CONFIG_PATTERNS_MAX);
    }
    patterns->is_given = true;
    for (size_t i = 0; i < json_array_size(list); i++) {
        char inner[KEY_PATH_MAX];
        const char *text = reader_text_at(reader, path, list, i, inner);
        if (text == NULL) {
            return -EINVAL;
        }
        if (!config_pattern_is_sound(text)) {
            return refuse_pattern(reader, inner, text);
        }
        if (config_patterns_add(patterns, text) < 0) {
            return -ENOMEM;
        }
    }
    return 0;
}

/* A list of some serdes, as bits. */
static int read_serde_bits(const struct reader *reader, const struct config_row *row, const char *path,
                           const json_t *list, unsigned *ret_serdes) {
    char shown[FOUND_MAX], words[64];
    config_choices_text(row->choices, words, sizeof words);
    if (!json_is_array(list) || json_array_size(list) == 0) {
        return REFUSE(reader, path, "%s can't be taken; a list of %s is expected", reader_found(list, shown),
                      words);
    }
    unsigned serdes = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        int place = json_is_string(value) ? config_choice_find(row->choices, json_string_value(value)) : -1;
        if (place < 0) {
            char inner[KEY_PATH_MAX];
            reader_join_place(inner, path, i);
            return REFUSE(reader, inner, "%s is no serde; %s is expected", reader_found(value, shown), words);
        }
        serdes |= 1U << place;
    }
    *ret_serdes = serdes;
    return 0;
}

int read_serdes(const struct reader *reader, const struct config_row *row, void *owner, const char *path,
                const json_t *list) {
    return read_serde_bits(reader, row, path, list, (unsigned *)(void *)((char *)owner + row->offset));
}

int read_pins(const struct reader *reader, const struct config_row *row, void *owner, const char *path,
              json_t *object) {
    struct config_pin **pins = (struct config_pin **)(void *)((char *)owner + row->offset);
    size_t *count = (size_t *)(void *)((char *)owner + row->count_offset);
    char shown[FOUND_MAX];
    size_t size = json_object_size(object);
    if (!json_is_object(object) || size > CONFIG_PATTERNS_MAX) {
        return REFUSE(reader, path,
                      "%s can't be taken; an object {\"FUNCTION\": [\"raw\", ...]} of at most %d is expected",
                      reader_found(object, shown), CONFIG_PATTERNS_MAX);
    }
    *pins = calloc(size + 1, sizeof **pins);
    if (*pins == NULL) {
        return -ENOMEM;
    }
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        char inner[KEY_PATH_MAX];
        reader_join(inner, path, key);
        if (!config_pattern_is_sound(key)) {
            return refuse_pattern(reader, inner, key);
        }
        struct config_pin *pin = &(*pins)[*count];
        int result = read_serde_bits(reader, row, inner, value, &pin->serdes);
        if (result < 0) {
            return result;
        }
        pin->function = strdup(key);
        if (pin->function == NULL) {
            return -ENOMEM;
        }
        (*count)++;
    }
    return 0;
}

int check_policy(const struct reader *reader, const struct config_policy *policy, const char *path) {
    char inner[KEY_PATH_MAX];
    if (policy->calls_burst > 0 && policy->calls_per_second == 0) {
        reader_join(inner, path, "calls_burst");
        return REFUSE(reader, inner, "%zu limits nothing by itself; \"calls_per_second\" is expected with it",
                      policy->calls_burst);
    }
    if (policy->bytes_burst > 0 && policy->bytes_per_second == 0) {
        reader_join(inner, path, "bytes_burst");
        return REFUSE(reader, inner, "%zu limits nothing by itself; \"bytes_per_second\" is expected with it",
                      policy->bytes_burst);
    }
    return 0;
}
