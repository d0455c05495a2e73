/* The configuration file. Every refusal is one line: FILE: line N: KEY: what was found; what is expected. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/config_error.h"
#include "config/config_reader.h"
#include "config/config_values.h"
#include "config/nearest.h"

enum { FILE_BYTES_MAX = 1 << 20 };

static int refuse_unknown(const struct reader *reader, const char *section, const char *path,
                          const char *key) {
    const char *known[CONFIG_KEYS_MAX + 1];
    config_list_keys(section, known);
    const char *nearest = nearest_word(key, known);
    if (nearest != NULL) {
        return REFUSE(reader, path, "unknown key; did you mean \"%s\"?", nearest);
    }
    char list[320];
    return REFUSE(reader, path, "unknown key; %s is known here",
                  config_choices_text(known, list, sizeof list));
}

static int read_choice(const struct reader *reader, const struct config_row *row, void *owner,
                       const char *path, const json_t *value) {
    char shown[FOUND_MAX], words[128];
    int place = json_is_string(value) ? config_choice_find(row->choices, json_string_value(value)) : -1;
    if (place < 0) {
        return REFUSE(reader, path, "%s is not known; %s is expected", reader_found(value, shown),
                      config_choices_text(row->choices, words, sizeof words));
    }
    config_row_store(row, owner, (uint64_t)place);
    return 0;
}

static int read_number(const struct reader *reader, const struct config_row *row, void *owner,
                       const char *path, const json_t *value) {
    char shown[FOUND_MAX];
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    if (number < 0 || (uint64_t)number < row->minimum || (uint64_t)number > row->maximum) {
        return REFUSE(reader, path,
                      "%s can't be taken; a whole number from %" PRIu64 " to %" PRIu64 "%s is expected",
                      reader_found(value, shown), row->minimum, row->maximum,
                      row->type == CONFIG_MS ? " (milliseconds)" : "");
    }
    config_row_store(row, owner, (uint64_t)number);
    return 0;
}

/* A relative path starts at the configuration file's folder: a daemon's own folder is `/`. */
static char *path_beside(const char *file, const char *path) {
    const char *slash = strrchr(file, '/');
    size_t folder = path[0] != '/' && slash != NULL ? (size_t)(slash - file) + 1 : 0;
    size_t length = strlen(path);
    char *made = malloc(folder + length + 1);
    if (made != NULL) {
        memcpy(made, file, folder);
        memcpy(made + folder, path, length + 1);
    }
    return made;
}

static int read_file_path(const struct reader *reader, const struct config_row *row, void *owner,
                          const char *path, const json_t *value) {
    char **place = (char **)(void *)((char *)owner + row->offset);
    const char *text = reader_text(reader, path, value);
    if (text == NULL) {
        return -EINVAL;
    }
    *place = path_beside(reader->config->source->file, text);
    return *place != NULL ? 0 : -ENOMEM;
}

/* As text: JSON has no octal numbers, and 660 as a decimal one is another mode. */
static int read_mode(const struct reader *reader, const struct config_row *row, void *owner, const char *path,
                     const json_t *value) {
    char shown[FOUND_MAX];
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    unsigned mode = strlen(text) == 4 && strspn(text, "01234567") == 4 ? (unsigned)strtoul(text, NULL, 8) : 0;
    if (mode < row->minimum || mode > row->maximum) {
        return REFUSE(reader, path,
                      "%s is no mode; a text from \"%04o\" to \"%04o\" is expected, as \"0660\"",
                      reader_found(value, shown), (unsigned)row->minimum, (unsigned)row->maximum);
    }
    memcpy((char *)owner + row->offset, &mode, sizeof mode);
    return 0;
}

int reader_url(const struct reader *reader, const struct config_row *row, void *owner, const char *path,
               const json_t *value) {
    struct config_url *place = (struct config_url *)(void *)((char *)owner + row->offset);
    char error[CONFIG_ERROR_MAX];
    const char *text = reader_text(reader, path, value);
    if (text == NULL) {
        return -EINVAL;
    }
    return config_url_read(text, row, place, error) < 0 ? REFUSE(reader, path, "%s", error) : 0;
}

typedef int text_check(const char *text, char ret_error[CONFIG_ERROR_MAX]);

static int read_texts(const struct reader *reader, const struct config_row *row, const char *path,
                      const json_t *list, text_check *check) {
    char **texts = (char **)(void *)((char *)reader->config + row->offset);
    size_t *count = (size_t *)(void *)((char *)reader->config + row->count_offset);
    char shown[FOUND_MAX], error[CONFIG_ERROR_MAX];
    if (!json_is_array(list) || json_array_size(list) > CONFIG_LIST_MAX) {
        return REFUSE(reader, path, "%s can't be taken; a list [ ... ] of at most %d texts is expected",
                      reader_found(list, shown), CONFIG_LIST_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        char inner[KEY_PATH_MAX];
        const char *text = reader_text_at(reader, path, list, i, inner);
        if (text == NULL) {
            return -EINVAL;
        }
        if (check(text, error) < 0) {
            return REFUSE(reader, inner, "%s", error);
        }
        texts[i] = strdup(text);
        if (texts[i] == NULL) {
            return -ENOMEM;
        }
        for (char *c = texts[i]; row->type == CONFIG_HOSTS && *c != '\0'; c++) {
            *c = (char)tolower((unsigned char)*c);
        }
        *count = i + 1;
    }
    return 0;
}

static int read_policy(const struct reader *reader, const struct config_row *row, void *owner,
                       const char *path, json_t *value) {
    struct config_policy *policy = (struct config_policy *)(void *)((char *)owner + row->offset);
    int result = reader_object(reader, "policy", policy, path, value);
    return result < 0 ? result : check_policy(reader, policy, path);
}

static int read_row(const struct reader *reader, const struct config_row *row, void *owner, const char *path,
                    json_t *value) {
    char shown[FOUND_MAX];
    switch (row->type) {
    case CONFIG_SIZE:
    case CONFIG_MS:
        return read_number(reader, row, owner, path, value);
    case CONFIG_BOOL:
        if (!json_is_boolean(value)) {
            return REFUSE(reader, path, "%s is no truth value; true or false is expected",
                          reader_found(value, shown));
        }
        config_row_store(row, owner, json_is_true(value));
        return 0;
    case CONFIG_CHOICE:
        return read_choice(reader, row, owner, path, value);
    case CONFIG_FILE:
    case CONFIG_FOLDER:
        return read_file_path(reader, row, owner, path, value);
    case CONFIG_MODE:
        return read_mode(reader, row, owner, path, value);
    case CONFIG_URL:
        return reader_url(reader, row, owner, path, value);
    case CONFIG_ORIGINS:
        return read_texts(reader, row, path, value, config_origin_check);
    case CONFIG_HOSTS:
        return read_texts(reader, row, path, value, config_host_check);
    case CONFIG_NAMES:
        return read_names(reader, owner, path, value);
    case CONFIG_PATTERNS:
        return read_patterns(reader, row, owner, path, value);
    case CONFIG_SERDES:
        return read_serdes(reader, row, owner, path, value);
    case CONFIG_PINS:
        return read_pins(reader, row, owner, path, value);
    case CONFIG_POLICY:
        return read_policy(reader, row, owner, path, value);
    case CONFIG_UPSTREAMS:
        return read_upstreams(reader, path, value);
    case CONFIG_CERTIFICATES:
        return read_certificates(reader, owner, path, value);
    case CONFIG_NETWORKS:
        return read_networks(reader, owner, path, value);
    case CONFIG_LISTENERS:
        return read_listeners(reader, path, value);
    }
    return -EINVAL;
}

static const struct config_section *find_section(const char *name) {
    for (size_t i = 0; i < config_section_count; i++) {
        if (strcmp(config_sections[i].name, name) == 0) {
            return &config_sections[i];
        }
    }
    return NULL;
}

static int read_section(const struct reader *reader, const struct config_section *section, json_t *object) {
    return reader_object(reader, section->name, reader->config, section->name, object);
}

/* An object whose keys are rows of the table: those that are none first, then in the table's order, as what comes later
 * may name what comes before. */
int reader_object(const struct reader *reader, const char *section, void *owner, const char *path,
                  json_t *object) {
    char inner[KEY_PATH_MAX], shown[FOUND_MAX];
    int result = 0;
    if (!json_is_object(object)) {
        return REFUSE(reader, path[0] != '\0' ? path : "the file",
                      "%s can't be taken; an object { ... } is expected", reader_found(object, shown));
    }
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        bool known = config_row_find(section, key) != NULL ||
                     (section == CONFIG_TOP && (find_section(key) != NULL || strcmp(key, "$schema") == 0));
        if (!known) {
            reader_join(inner, path, key);
            return refuse_unknown(reader, section, inner, key);
        }
    }
    const char *keys[CONFIG_KEYS_MAX + 1];
    config_list_keys(section, keys);
    for (size_t i = 0; keys[i] != NULL && result == 0; i++) {
        value = json_object_get(object, keys[i]);
        const struct config_row *row = config_row_find(section, keys[i]);
        reader_join(inner, path, keys[i]);
        if (value != NULL) {
            result = row != NULL ? read_row(reader, row, owner, inner, value)
                                 : read_section(reader, find_section(keys[i]), value);
        }
    }
    return result;
}

static int load_text(const char *path, char **ret_text, size_t *ret_length, char *ret_error) {
    int result = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        result = -errno;
        config_refuse(ret_error, "%s: can't be opened: %s", path, strerror(-result));
        return result;
    }
    char *text = malloc(FILE_BYTES_MAX + 1);
    size_t length = text != NULL ? fread(text, 1, FILE_BYTES_MAX + 1, file) : 0;
    if (text == NULL || ferror(file) != 0) {
        result = text == NULL ? -ENOMEM : -errno;
        config_refuse(ret_error, "%s: can't be read: %s", path, strerror(-result));
    } else if (length > FILE_BYTES_MAX) {
        result = -EFBIG;
        config_refuse(ret_error, "%s: larger than 1 MiB; a configuration is expected", path);
    }
    fclose(file);
    if (result < 0) {
        free(text);
        return result;
    }
    text[length] = '\0';
    *ret_text = text;
    *ret_length = length;
    return 0;
}

/* Keeps the text for the messages of what is found later. */
static int keep_source(struct config *config, const char *path, char *text) {
    struct config_source *source = calloc(1, sizeof *source);
    char *file = strdup(path);
    if (source == NULL || file == NULL) {
        free(source);
        free(file);
        return -ENOMEM;
    }
    source->file = file;
    source->text = text;
    config_source_free(config->source);
    config->source = source;
    return 0;
}

int config_read_file(struct config *config, const char *path, char ret_error[CONFIG_ERROR_MAX]) {
    char *text = NULL;
    size_t length = 0;
    int result = load_text(path, &text, &length, ret_error);
    if (result < 0) {
        return result;
    }
    json_error_t error;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        result = config_refuse(ret_error, "%s: line %d: no valid JSON: %s", path, error.line, error.text);
    } else {
        result = keep_source(config, path, text);
        text = result == 0 ? NULL : text;
    }
    if (result == 0) {
        result = reader_object(&(struct reader){.config = config, .ret_error = ret_error}, CONFIG_TOP, config,
                               "", root);
    }
    if (result == -ENOMEM) {
        config_refuse(ret_error, "%s: out of memory", path);
    }
    json_decref(root);
    free(text);
    return result;
}
