#include "config/config_lines.h"

#include <ctype.h>
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
    unsigned depth = 0;
    do {
        skip_space(scanner);
        char c = *scanner->at;
        if (c == '\0') {
            return;
        }
        if (c == '"') {
            skip_string(scanner);
        } else {
            depth += c == '{' || c == '[';
            depth -= (c == '}' || c == ']') && depth > 0;
            scanner->at++;
        }
        if (depth == 0 && c != '{' && c != '[' && c != '"' && c != '}' && c != ']') {
            scanner->at += strcspn(scanner->at, " \t\r\n,]}");
        }
    } while (depth > 0);
}

/* Moves into the container at `at`, to the value of `part` (`length` bytes). Returns 0 when it is not there. */
static int enter(struct scanner *scanner, const char *part, size_t length) {
    skip_space(scanner);
    char open = *scanner->at;
    if (open != '{' && open != '[') {
        return 0;
    }
    scanner->at++;
    unsigned long wanted = open == '[' ? strtoul(part, NULL, 10) : 0;
    for (unsigned long place = 0;; place++) {
        skip_space(scanner);
        if (*scanner->at == '\0' || *scanner->at == '}' || *scanner->at == ']') {
            return 0;
        }
        if (open == '[') {
            if (place == wanted) {
                return 1;
            }
        } else {
            const char *key = scanner->at + 1;
            skip_string(scanner);
            size_t key_length = (size_t)(scanner->at - key) - 1;
            if (key_length == length && strncmp(key, part, length) == 0) {
                return 1;
            }
        }
        skip_value(scanner);
    }
}

unsigned config_line_of(const char *text, const char *path) {
    struct scanner scanner = {.at = text, .line = 1};
    while (*path != '\0') {
        size_t length = strcspn(path, ".");
        struct scanner inside = scanner;
        if (!enter(&inside, path, length)) {
            break;
        }
        scanner = inside;
        path += length + (path[length] == '.');
    }
    return scanner.line;
}
