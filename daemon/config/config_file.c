/* The configuration file. Every refusal is one line: FILE:line N: KEY: what was found; what is expected. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/config_lines.h"
#include "config/config_table.h"
#include "config/nearest.h"

enum { FILE_BYTES_MAX = 1 << 20, PATH_MAX_HERE = 256 };

struct reader {
    struct config *config;
    const char *file;
    const char *text;
    char *ret_error;
};

__attribute__((format(printf, 3, 4))) static int refuse(const struct reader *reader, const char *path,
                                                        const char *format, ...) {
    char what[CONFIG_ERROR_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    snprintf(reader->ret_error, CONFIG_ERROR_MAX, "%s: line %u: %s: %.300s", reader->file,
             config_line_of(reader->text, path), path, what);
    return -EINVAL;
}

/* What was found, short enough for a line. */
static const char *found(const json_t *value, char out[64]) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    snprintf(out, 64, "%.60s", text != NULL ? text : "?");
    free(text);
    return out;
}

static int unknown_key(const struct reader *reader, const char *path, const char *key,
                       const char *const *known) {
    const char *nearest = nearest_word(key, known);
    if (nearest != NULL) {
        return refuse(reader, path, "unknown key; did you mean \"%s\"?", nearest);
    }
    char list[256] = "";
    for (size_t i = 0; known[i] != NULL; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", known[i]);
    }
    return refuse(reader, path, "unknown key; known here: %s", list[0] != '\0' ? list : "none yet");
}

static int read_row(const struct reader *reader, const struct config_row *row, const char *path,
                    const json_t *value) {
    char shown[64];
    if (row->type == CONFIG_BOOL) {
        if (!json_is_boolean(value)) {
            return refuse(reader, path, "%s is no truth value; true or false is expected",
                          found(value, shown));
        }
        config_row_store(row, reader->config, json_is_true(value));
        return 0;
    }
    if (row->type == CONFIG_CHOICE) {
        int place = json_is_string(value) ? config_choice_find(row->choices, json_string_value(value)) : -1;
        if (place < 0) {
            char words[128] = "";
            for (size_t i = 0; row->choices[i] != NULL; i++) {
                size_t used = strlen(words);
                snprintf(words + used, sizeof words - used, "%s\"%s\"", i > 0 ? ", " : "", row->choices[i]);
            }
            return refuse(reader, path, "%s is not known; one of %s is expected", found(value, shown), words);
        }
        config_row_store(row, reader->config, (uint64_t)place);
        return 0;
    }
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    if (number < 0 || (uint64_t)number < row->minimum || (uint64_t)number > row->maximum) {
        return refuse(reader, path,
                      "%s can't be taken; a whole number of %s from %" PRIu64 " to %" PRIu64 " is expected",
                      found(value, shown), row->type == CONFIG_MS ? "milliseconds" : "units", row->minimum,
                      row->maximum);
    }
    config_row_store(row, reader->config, (uint64_t)number);
    return 0;
}

/* An object whose keys are all rows of the table. */
static int read_section(const struct reader *reader, const char *section, json_t *object) {
    if (!json_is_object(object)) {
        return refuse(reader, section, "an object { … } is expected");
    }
    const char *known[32] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < config_table_rows && count < 31; i++) {
        if (config_table[i].section != NULL && strcmp(config_table[i].section, section) == 0) {
            known[count++] = config_table[i].name;
        }
    }
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        char path[PATH_MAX_HERE];
        snprintf(path, sizeof path, "%s.%s", section, key);
        const struct config_row *row = config_row_find(section, key);
        int result = row != NULL ? read_row(reader, row, path, value) : unknown_key(reader, path, key, known);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static int read_text(const struct reader *reader, const char *path, const json_t *value, char **out) {
    char shown[64];
    if (!json_is_string(value) || json_string_length(value) == 0 ||
        strlen(json_string_value(value)) != json_string_length(value)) {
        return refuse(reader, path, "%s is no text; a text in quotes is expected", found(value, shown));
    }
    free(*out);
    *out = strdup(json_string_value(value));
    return *out != NULL ? 0 : -ENOMEM;
}

static int read_url(const struct reader *reader, const char *path, const json_t *value,
                    struct config_url *out) {
    char *text = NULL;
    char error[CONFIG_ERROR_MAX];
    int result = read_text(reader, path, value, &text);
    if (result == 0) {
        config_url_clear(out);
        result = config_url_parse(text, out, error);
        if (result < 0) {
            result = refuse(reader, path, "%s", error);
        }
    }
    free(text);
    return result;
}

/* A list of texts: allow_origins, hosts. */
static int read_list(const struct reader *reader, const char *name, const json_t *list, char **out,
                     size_t *count) {
    if (!json_is_array(list) || json_array_size(list) > CONFIG_LIST_MAX) {
        return refuse(reader, name, "a list [ … ] of at most %d texts is expected", CONFIG_LIST_MAX);
    }
    size_t i;
    json_t *value;
    json_array_foreach(list, i, value) {
        char path[PATH_MAX_HERE];
        snprintf(path, sizeof path, "%s.%zu", name, i);
        int result = read_text(reader, path, value, &out[i]);
        if (result < 0) {
            return result;
        }
        *count = i + 1;
    }
    return 0;
}

static int read_upstream(const struct reader *reader, const char *path, json_t *value,
                         struct config_upstream *upstream) {
    static const char *const known[] = {"url", "ca", NULL};
    int result = 0;
    if (json_is_string(value)) {
        result = read_url(reader, path, value, &upstream->url);
    } else if (json_is_object(value)) {
        const char *key;
        json_t *item;
        json_object_foreach(value, key, item) {
            char inner[PATH_MAX_HERE];
            snprintf(inner, sizeof inner, "%s.%s", path, key);
            result = strcmp(key, "url") == 0  ? read_url(reader, inner, item, &upstream->url)
                     : strcmp(key, "ca") == 0 ? read_text(reader, inner, item, &upstream->ca)
                                              : unknown_key(reader, inner, key, known);
            if (result < 0) {
                return result;
            }
        }
    }
    if (result == 0 && upstream->url.text == NULL) {
        return refuse(reader, path,
                      "an address is expected: \"tcp://HOST:PORT\", or {\"url\": \"tls://HOST:PORT\", "
                      "\"ca\": \"FILE\"}");
    }
    if (result == 0 && (upstream->url.scheme == CONFIG_HTTP || upstream->url.scheme == CONFIG_HTTPS)) {
        return refuse(reader, path, "\"%.200s\" is no upstream; tcp://, tls:// or unix: is expected",
                      upstream->url.text);
    }
    return result;
}

static int read_upstreams(const struct reader *reader, json_t *object) {
    if (!json_is_object(object) || json_object_size(object) > CONFIG_LIST_MAX) {
        return refuse(reader, "upstreams", "an object {\"NAME\": \"URL\"} of at most %d is expected",
                      CONFIG_LIST_MAX);
    }
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        char path[PATH_MAX_HERE];
        snprintf(path, sizeof path, "upstreams.%s", key);
        struct config_upstream *upstream = &reader->config->upstreams[reader->config->upstreams_count++];
        upstream->name = strdup(key);
        int result =
            upstream->name == NULL ? -ENOMEM
            : config_name_is_sound(key)
                ? read_upstream(reader, path, value, upstream)
                : refuse(reader, path, "an upstream's name has letters, digits, '-', '_' and '.' only");
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

/* Names of upstreams are resolved when the whole file has been read. */
static int read_listener_upstreams(const struct reader *reader, const char *path, const json_t *list,
                                   struct config_listener *listener) {
    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > CONFIG_LIST_MAX) {
        return refuse(reader, path, "a list of names of \"upstreams\" is expected");
    }
    size_t i;
    json_t *value;
    json_array_foreach(list, i, value) {
        const char *wanted = json_is_string(value) ? json_string_value(value) : "";
        size_t place = 0;
        while (place < reader->config->upstreams_count &&
               strcmp(reader->config->upstreams[place].name, wanted) != 0) {
            place++;
        }
        if (place == reader->config->upstreams_count) {
            return refuse(reader, path, "no upstream is called \"%.100s\"; \"upstreams\" has to name it",
                          wanted);
        }
        listener->upstreams[i] = place;
    }
    listener->upstreams_count = json_array_size(list);
    return 0;
}

static int read_listener(const struct reader *reader, const char *path, json_t *object,
                         struct config_listener *listener) {
    static const char *const known[] = {"url", "cert", "key", "native", "upstreams", NULL};
    if (!json_is_object(object)) {
        return refuse(reader, path, "an object {\"url\": …} is expected");
    }
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        char inner[PATH_MAX_HERE];
        snprintf(inner, sizeof inner, "%s.%s", path, key);
        int result = 0;
        if (strcmp(key, "url") == 0) {
            result = read_url(reader, inner, value, &listener->url);
        } else if (strcmp(key, "cert") == 0) {
            result = read_text(reader, inner, value, &listener->cert);
        } else if (strcmp(key, "key") == 0) {
            result = read_text(reader, inner, value, &listener->key);
        } else if (strcmp(key, "upstreams") == 0) {
            result = read_listener_upstreams(reader, inner, value, listener);
        } else if (strcmp(key, "native") == 0) {
            int place = json_is_string(value)
                            ? config_choice_find(config_native_words, json_string_value(value))
                            : -1;
            char shown[64];
            if (place < 0) {
                return refuse(reader, inner,
                              "%s is not known; one of \"loopback\", \"all\", \"none\" is expected",
                              found(value, shown));
            }
            listener->native = (enum config_native)place;
        } else {
            result = unknown_key(reader, inner, key, known);
        }
        if (result < 0) {
            return result;
        }
    }
    if (listener->url.text == NULL) {
        return refuse(reader, path, "\"url\" is missing; \"https://HOST:PORT\" is expected");
    }
    if (listener->url.scheme != CONFIG_HTTPS && listener->url.scheme != CONFIG_HTTP &&
        listener->url.scheme != CONFIG_UNIX) {
        return refuse(reader, path, "\"%.200s\" can't be listened on; https://, http:// or unix: is expected",
                      listener->url.text);
    }
    return 0;
}

static int read_listeners(const struct reader *reader, const json_t *list) {
    if (!json_is_array(list) || json_array_size(list) > CONFIG_LIST_MAX) {
        return refuse(reader, "listen", "a list [ … ] of at most %d listeners is expected", CONFIG_LIST_MAX);
    }
    size_t i;
    json_t *value;
    json_array_foreach(list, i, value) {
        char path[PATH_MAX_HERE];
        snprintf(path, sizeof path, "listen.%zu", i);
        int result =
            read_listener(reader, path, value, &reader->config->listeners[reader->config->listeners_count++]);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static int read_hosts(const struct reader *reader, const json_t *list) {
    struct config *config = reader->config;
    int result = read_list(reader, "hosts", list, config->hosts, &config->hosts_count);
    for (size_t i = 0; i < config->hosts_count; i++) {
        for (char *c = config->hosts[i]; *c != '\0'; c++) {
            *c = (char)tolower((unsigned char)*c);
        }
    }
    return result;
}

static int read_top(const struct reader *reader, const char *key, json_t *value) {
    static const char *const known[] = {
        "listen", "upstreams", "allow_origins", "hosts",  "playground", "limits", "timeouts_ms",
        "policy", "auth",      "admin",         "assets", "log",        NULL};
    struct config *config = reader->config;
    if (strcmp(key, "allow_origins") == 0) {
        return read_list(reader, key, value, config->allow_origins, &config->allow_origins_count);
    }
    if (strcmp(key, "hosts") == 0) {
        return read_hosts(reader, value);
    }
    if (strcmp(key, "playground") == 0) {
        return read_row(reader, config_row_find(NULL, key), key, value);
    }
    bool is_section = strcmp(key, "limits") == 0 || strcmp(key, "timeouts_ms") == 0 ||
                      strcmp(key, "log") == 0 || strcmp(key, "policy") == 0 || strcmp(key, "auth") == 0 ||
                      strcmp(key, "admin") == 0 || strcmp(key, "assets") == 0;
    if (is_section) {
        return read_section(reader, key, value);
    }
    return unknown_key(reader, key, key, known);
}

static int read_root(const struct reader *reader, json_t *root) {
    if (!json_is_object(root)) {
        return refuse(reader, "the file", "an object { … } is expected");
    }
    /* Listeners name upstreams, so those come first. */
    json_t *upstreams = json_object_get(root, "upstreams");
    int result = upstreams != NULL ? read_upstreams(reader, upstreams) : 0;
    json_t *listen = json_object_get(root, "listen");
    if (result == 0 && listen != NULL) {
        result = read_listeners(reader, listen);
    }
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value) {
        if (result == 0 && strcmp(key, "upstreams") != 0 && strcmp(key, "listen") != 0) {
            result = read_top(reader, key, value);
        }
    }
    return result;
}

static int load_text(const char *path, char **ret_text, char *ret_error) {
    FILE *file = fopen(path, "re");
    char *text = NULL;
    int result = 0;
    if (file == NULL) {
        result = -errno;
        snprintf(ret_error, CONFIG_ERROR_MAX, "%s: %s", path, strerror(errno));
        return result;
    }
    text = malloc(FILE_BYTES_MAX + 1);
    size_t length = text != NULL ? fread(text, 1, FILE_BYTES_MAX + 1, file) : 0;
    if (text == NULL || ferror(file) != 0) {
        result = text == NULL ? -ENOMEM : -EIO;
        snprintf(ret_error, CONFIG_ERROR_MAX, "%s: can't be read: %s", path,
                 strerror(text == NULL ? ENOMEM : errno));
    } else if (length > FILE_BYTES_MAX) {
        result = -EFBIG;
        snprintf(ret_error, CONFIG_ERROR_MAX, "%s: larger than 1 MiB; a configuration is expected", path);
    }
    fclose(file);
    if (result < 0) {
        free(text);
        return result;
    }
    text[length] = '\0';
    *ret_text = text;
    return 0;
}

int config_read_file(struct config *config, const char *path, char ret_error[CONFIG_ERROR_MAX]) {
    char *text = NULL;
    int result = load_text(path, &text, ret_error);
    if (result < 0) {
        return result;
    }
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        snprintf(ret_error, CONFIG_ERROR_MAX, "%s: line %d: no valid JSON: %s", path, error.line, error.text);
        result = -EINVAL;
    } else {
        struct reader reader = {.config = config, .file = path, .text = text, .ret_error = ret_error};
        result = read_root(&reader, root);
        if (result == -ENOMEM) {
            snprintf(ret_error, CONFIG_ERROR_MAX, "%s: out of memory", path);
        }
    }
    json_decref(root);
    free(text);
    return result;
}
