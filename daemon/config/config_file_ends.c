/* Both ends of the bridge in the configuration file: what it listens on, and its upstreams. */
#include <errno.h>
#include <string.h>

#include "config/config_networks.h"
#include "config/config_reader.h"
#include "config/config_values.h"

static int read_upstream(const struct reader *reader, const char *path, json_t *value,
                         struct config_upstream *upstream) {
    int result = json_is_string(value)
                     ? reader_url(reader, config_row_find("upstreams", "url"), upstream, path, value)
                 : json_is_object(value) ? reader_object(reader, "upstreams", upstream, path, value)
                                         : 0;
    if (result == 0 && upstream->url.text == NULL) {
        return REFUSE(reader, path,
                      "no address; \"tcp://HOST:PORT\" or {\"url\": \"tls://HOST:PORT\", \"ca\": \"FILE\"} "
                      "is expected");
    }
    if (result == 0 && upstream->ca != NULL && upstream->url.scheme != CONFIG_TLS) {
        return REFUSE(reader, path, "\"ca\" is for tls:// upstreams alone; \"%.100s\" is none",
                      upstream->url.text);
    }
    return result;
}

int read_upstreams(const struct reader *reader, const char *path, json_t *object) {
    char shown[FOUND_MAX];
    if (!json_is_object(object) || json_object_size(object) > CONFIG_LIST_MAX) {
        return REFUSE(reader, path,
                      "%s can't be taken; an object {\"NAME\": \"URL\"} of at most %d is expected",
                      reader_found(object, shown), CONFIG_LIST_MAX);
    }
    struct config *config = reader->config;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        char inner[KEY_PATH_MAX];
        reader_join(inner, path, key);
        if (!config_name_is_sound(key)) {
            return REFUSE(reader, inner, "no name; 1 to 64 letters, digits, '-', '_' and '.' are expected");
        }
        struct config_upstream *upstream = &config->upstreams[config->upstreams_count++];
        upstream->name = strdup(key);
        upstream->watch = true;
        int result = upstream->name != NULL ? read_upstream(reader, inner, value, upstream) : -ENOMEM;
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

int read_names(const struct reader *reader, struct config_listener *listener, const char *path,
               const json_t *list) {
    const struct config *config = reader->config;
    char shown[FOUND_MAX];
    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > CONFIG_LIST_MAX) {
        return REFUSE(reader, path, "%s can't be taken; a list of names of \"upstreams\" is expected",
                      reader_found(list, shown));
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        const char *wanted = json_is_string(value) ? json_string_value(value) : "";
        const char *names[CONFIG_LIST_MAX + 1] = {NULL};
        for (size_t j = 0; j < config->upstreams_count; j++) {
            names[j] = config->upstreams[j].name;
        }
        int place = config_choice_find(names, wanted);
        if (place < 0) {
            char inner[KEY_PATH_MAX], words[128] = "one that \"upstreams\" names";
            reader_join_place(inner, path, i);
            return REFUSE(reader, inner, "no upstream is called %s; %s is expected",
                          reader_found(value, shown),
                          names[0] != NULL ? config_choices_text(names, words, sizeof words) : words);
        }
        listener->upstreams[i] = (size_t)place;
    }
    listener->upstreams_count = json_array_size(list);
    return 0;
}

int read_networks(const struct reader *reader, struct config_listener *listener, const char *path,
                  const json_t *list) {
    char shown[FOUND_MAX], error[CONFIG_ERROR_MAX];
    if (!json_is_array(list) || json_array_size(list) > CONFIG_LIST_MAX) {
        return REFUSE(reader, path,
                      "%s can't be taken; a list of at most %d addresses and networks is expected",
                      reader_found(list, shown), CONFIG_LIST_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        char inner[KEY_PATH_MAX];
        const char *text = reader_text_at(reader, path, list, i, inner);
        if (text == NULL) {
            return -EINVAL;
        }
        if (config_network_parse(text, &listener->proxies[listener->proxies_count++], error) < 0) {
            return REFUSE(reader, inner, "%s", error);
        }
    }
    return 0;
}

int read_certificates(const struct reader *reader, struct config_listener *listener, const char *path,
                      const json_t *list) {
    char shown[FOUND_MAX];
    if (!json_is_array(list) || json_array_size(list) > CONFIG_CERTIFICATES_MAX) {
        return REFUSE(
            reader, path,
            "%s can't be taken; a list of at most %d {\"cert\": \"FILE\", \"key\": \"FILE\"} is expected",
            reader_found(list, shown), CONFIG_CERTIFICATES_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct config_certificate *certificate = &listener->certificates[listener->certificates_count++];
        char inner[KEY_PATH_MAX];
        reader_join_place(inner, path, i);
        int result = reader_object(reader, "certificates", certificate, inner, json_array_get(list, i));
        if (result == 0 && (certificate->cert == NULL || certificate->key == NULL)) {
            result = REFUSE(reader, inner,
                            "\"%s\" is missing; {\"cert\": \"FILE\", \"key\": \"FILE\"} is expected",
                            certificate->cert == NULL ? "cert" : "key");
        }
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

int read_listeners(const struct reader *reader, const char *path, const json_t *list) {
    struct config *config = reader->config;
    char shown[FOUND_MAX];
    if (!json_is_array(list) || json_array_size(list) > CONFIG_LIST_MAX) {
        return REFUSE(reader, path, "%s can't be taken; a list [ ... ] of at most %d listeners is expected",
                      reader_found(list, shown), CONFIG_LIST_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct config_listener *listener = &config->listeners[config->listeners_count++];
        char inner[KEY_PATH_MAX];
        reader_join_place(inner, path, i);
        int result = reader_object(reader, "listen", listener, inner, json_array_get(list, i));
        if (result == 0 && listener->url.text == NULL) {
            result = REFUSE(reader, inner,
                            "\"url\" is missing; {\"url\": \"https://HOST:PORT\", ...} is expected");
        }
        if (result < 0) {
            return result;
        }
    }
    return 0;
}
