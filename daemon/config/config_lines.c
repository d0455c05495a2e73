#include "config/config_lines.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct scanner {
    const char *at;
    unsigned line;
};

static void skip_space(struct scanner *scanner) {
    while (isspace((unsigned char)*scanner->at) || *scanner->at == ',' || *scanner->at == ':') {
        scanner->line += *scanner->at == '\n';
        scanner->at++;
    }
}

/* Passes a string; `at` is on its opening quote. */
static void skip_string(struct scanner *scanner) {
    scanner->at++;
    while (*scanner->at != '\0' && *scanner->at != '"') {
        scanner->at += scanner->at[0] == '\\' && scanner->at[1] != '\0' ? 2 : 1;
    }
    scanner->at += *scanner->at == '"';
}

/* Passes any value: brackets are counted, so that depth costs no stack. */
static void skip_value(struct scanner *scanner) {
    size_t depth = 0;
    do {
        skip_space(scanner);
        switch (*scanner->at) {
        case '\0':
            return;
        case '"':
            skip_string(scanner);
            break;
        case '{':
        case '[':
            depth++;
            scanner->at++;
            break;
        case '}':
        case ']':
            depth -= depth > 0;
            scanner->at++;
            break;
        default: { /* a number, or a word */
            size_t length = strcspn(scanner->at, " \t\r\n,:]}");
            scanner->at += length > 0 ? length : 1;
            break;
        }
        }
    } while (depth > 0);
}

/* How much of `path` a key takes, with the dot behind it; 0 when it is not its beginning. */
static size_t match_key(const char *path, const char *key, size_t length) {
    if (strncmp(path, key, length) != 0 || (path[length] != '\0' && path[length] != '.')) {
        return 0;
    }
    return length + (path[length] == '.');
}

/* Moves `scanner` into the container at it, onto the value of the first part of `path`; *ret_line is the line of its key.
 * Returns how much of `path` that was; 0, and nothing changed, when it is not there. */
static size_t enter(struct scanner *scanner, const char *path, unsigned *ret_line) {
    struct scanner at = *scanner;
    size_t taken = 0;
    skip_space(&at);
    char open = *at.at;
    if (open != '{' && open != '[') {
        return 0;
    }
    at.at++;
    char *end = NULL;
    unsigned long wanted = open == '[' && isdigit((unsigned char)*path) ? strtoul(path, &end, 10) : 0;
    for (unsigned long place = 0;; place++) {
        skip_space(&at);
        if (*at.at == '\0' || *at.at == '}' || *at.at == ']') {
            return taken;
        }
        unsigned line = at.line;
        size_t here = 0;
        if (open == '{') {
            const char *key = at.at + 1;
            skip_string(&at);
            here = match_key(path, key, (size_t)(at.at - key) - 1);
            skip_space(&at);
        } else if (end != NULL && place == wanted) {
            here = match_key(path, path, (size_t)(end - path));
        }
        if (here > taken) { /* the longest key: keys may hold dots */
            taken = here;
            *scanner = at;
            *ret_line = line;
        }
        skip_value(&at);
    }
}

/* Follows `path` as far as it goes; whether that was all of it. */
static bool follow(const char *text, const char *path, unsigned *ret_line) {
    struct scanner scanner = {.at = text, .line = 1};
    *ret_line = 1;
    while (*path != '\0') {
        size_t taken = enter(&scanner, path, ret_line);
        if (taken == 0) {
            return false;
        }
        path += taken;
    }
    return true;
}

unsigned config_line_of(const char *text, const char *path) {
    unsigned line;
    (void)follow(text, path, &line);
    return line;
}

bool config_has_path(const char *text, const char *path) {
    unsigned line;
    return follow(text, path, &line);
}
