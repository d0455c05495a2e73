#include "config/config_patterns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool config_pattern_is_sound(const char *text) {
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F || text[i] == '|') {
            return false;
        }
    }
    return length > 0 && length <= CONFIG_PATTERN_BYTES_MAX;
}

bool config_pattern_matches(const char *pattern, const void *name, size_t length) {
    const char *at = length > 0 ? name : "", *end = at + length;
    const char *star = NULL, *resume = NULL; /* the last star, and where what follows it is tried next */
    while (at < end) {
        if (*pattern == '*') {
            star = pattern++;
            resume = at;
        } else if (*pattern == *at && *pattern != '\0') {
            pattern++;
            at++;
        } else if (star != NULL) {
            pattern = star + 1;
            at = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

/* Bytes of `name` against those of `text`: the order that names are sorted in. */
static int compare(const char *name, size_t length, const char *text) {
    size_t other = strlen(text);
    int order = memcmp(name, text, length < other ? length : other);
    return order != 0 ? order : (length > other) - (length < other);
}

/* Where `name` is among the names, or would be. */
static size_t place_of(const struct config_patterns *patterns, const char *name, size_t length) {
    size_t low = 0, high = patterns->names_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(name, length, patterns->names[middle]) > 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int insert(char ***list, size_t *count, size_t place, const char *text) {
    char **grown = realloc(*list, (*count + 1) * sizeof *grown);
    if (grown == NULL) {
        return -ENOMEM;
    }
    *list = grown;
    char *copy = strdup(text);
    if (copy == NULL) {
        return -ENOMEM;
    }
    memmove(grown + place + 1, grown + place, (*count - place) * sizeof *grown);
    grown[place] = copy;
    (*count)++;
    return 0;
}

int config_patterns_add(struct config_patterns *patterns, const char *text) {
    int status =
        strchr(text, '*') != NULL
            ? insert(&patterns->wild, &patterns->wild_count, patterns->wild_count, text)
            : insert(&patterns->names, &patterns->names_count, place_of(patterns, text, strlen(text)), text);
    if (status == 0) {
        patterns->is_given = true;
    }
    return status;
}

bool config_patterns_match(const struct config_patterns *patterns, const void *name, size_t length) {
    name = length > 0 ? name : "";
    if (patterns->names_count > 0) {
        size_t place = place_of(patterns, name, length);
        if (place < patterns->names_count && compare(name, length, patterns->names[place]) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < patterns->wild_count; i++) {
        if (config_pattern_matches(patterns->wild[i], name, length)) {
            return true;
        }
    }
    return false;
}

void config_patterns_clear(struct config_patterns *patterns) {
    for (size_t i = 0; i < patterns->names_count; i++) {
        free(patterns->names[i]);
    }
    for (size_t i = 0; i < patterns->wild_count; i++) {
        free(patterns->wild[i]);
    }
    free(patterns->names);
    free(patterns->wild);
    *patterns = (struct config_patterns){0};
}

void config_policy_clear(struct config_policy *policy) {
    config_patterns_clear(&policy->allow_functions);
    config_patterns_clear(&policy->deny_functions);
    config_patterns_clear(&policy->allow_receivers);
    config_patterns_clear(&policy->deny_receivers);
    config_patterns_clear(&policy->visible);
    config_patterns_clear(&policy->expose);
    config_patterns_clear(&policy->allow_names);
    config_patterns_clear(&policy->deny_names);
    for (size_t i = 0; i < policy->pins_count; i++) {
        free(policy->pins[i].function);
    }
    free(policy->pins);
    *policy = (struct config_policy){0};
}
