#include "config/cli_options.h"

#include <string.h>

#include "config/config_error.h"
#include "config/nearest.h"

/* Whether `argument` is this option, alone or with =VALUE behind it; the value, if any, in *ret_value. */
static bool matches(const struct cli_option *option, char *argument, char **ret_value) {
    const size_t length = strlen(option->name);
    *ret_value = NULL;
    if (strcmp(argument, option->name) == 0 ||
        (option->brief != NULL && strcmp(argument, option->brief) == 0)) {
        return true;
    }
    if (option->value != NULL && strncmp(argument, option->name, length) == 0 && argument[length] == '=') {
        *ret_value = argument + length + 1;
        return true;
    }
    return false;
}

int cli_options_take(struct cli_options options, int argc, char **argv, int *at, char **ret_value,
                     char ret_error[CONFIG_ERROR_MAX]) {
    size_t place = 0;
    while (place < options.count && !matches(&options.rows[place], argv[*at], ret_value)) {
        place++;
    }
    if (place < options.count && options.rows[place].value != NULL && *ret_value == NULL) {
        const struct cli_option *option = &options.rows[place];
        if (*at + 1 == argc || strcmp(argv[*at + 1], "--") == 0) {
            return config_refuse(ret_error, "%s needs %s: %s", option->name, option->value, option->help);
        }
        *ret_value = argv[++*at];
    }
    return (int)place;
}

const char *cli_options_nearest(struct cli_options options, const char *argument) {
    const char *names[CLI_OPTIONS_MAX + 1] = {NULL};
    for (size_t i = 0; i < options.count && i < CLI_OPTIONS_MAX; i++) {
        names[i] = options.rows[i].name;
    }
    return nearest_word(argument, names);
}

void cli_options_print(struct cli_options options, FILE *out) {
    for (size_t i = 0; i < options.count; i++) {
        const struct cli_option *option = &options.rows[i];
        char left[40];
        snprintf(left, sizeof left, "%s%s%s%s%s", option->brief != NULL ? option->brief : "",
                 option->brief != NULL ? ", " : "", option->name, option->value != NULL ? " " : "",
                 option->value != NULL ? option->value : "");
        fprintf(out, "  %-26s %s\n", left, option->help);
    }
}
