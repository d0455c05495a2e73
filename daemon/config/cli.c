#include "config/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/cli_options.h"
#include "config/config_error.h"
#include "config/config_table.h"
#include "config/config_values.h"
#include "config/nearest.h"

enum option {
    OPTION_FILE,
    OPTION_CHECK,
    OPTION_LISTEN,
    OPTION_CERT,
    OPTION_KEY,
    OPTION_UPSTREAM,
    OPTION_ORIGIN,
    OPTION_NATIVE,
    OPTION_PLAYGROUND,
    OPTION_LEVEL,
    OPTION_FORMAT,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_COUNT,
};

static const struct cli_option rows[OPTION_COUNT] = {
    [OPTION_FILE] = {"--config", "-c", "FILE", "configuration file (JSON); the command line wins over it"},
    [OPTION_CHECK] = {"--check", "-t", NULL, "check the configuration and what it names, then exit"},
    [OPTION_LISTEN] =
        {"--listen", NULL, "URL",
         "(repeatable) https://HOST:PORT, http://HOST:PORT or unix:/PATH; port 0 takes a free one"},
    [OPTION_CERT] = {"--cert", NULL, "FILE", "certificate for https:// listeners: PEM, chain included"},
    [OPTION_KEY] = {"--key", NULL, "FILE", "its private key: PEM"},
    [OPTION_UPSTREAM] = {"--upstream", NULL, "[NAME=]URL",
                         "(repeatable) tcp://HOST:PORT, tls://HOST:PORT or unix:/PATH of a Python Router or "
                         "Service, or router: (inside; the default)"},
    [OPTION_ORIGIN] = {"--allow-origin", NULL, "ORIGIN",
                       "(repeatable) pages that may connect besides the bridge's own; http://127.0.0.1:* "
                       "takes any port, null pages from disk, * all"},
    [OPTION_NATIVE] =
        {"--native", NULL, "WHICH",
         "listeners that take Python peers: loopback (and Unix sockets; the default), all, none"},
    [OPTION_PLAYGROUND] = {"--playground", NULL, NULL, "serve the playground under /_bridge/"},
    [OPTION_LEVEL] = {"--log-level", NULL, "LEVEL", "error, warning, info (the default) or debug"},
    [OPTION_FORMAT] = {"--log-format", NULL, "FORMAT", "text (the default) or json"},
    [OPTION_HELP] = {"--help", "-h", NULL, "print this and exit"},
    [OPTION_VERSION] = {"--version", NULL, NULL, "print the version and exit"},
};

static const struct cli_options options = {rows, OPTION_COUNT};

/* What the command line says, before it is laid over the file. */
struct given {
    const char *file, *cert, *key, *native, *level, *format;
    const char *listen[CONFIG_LIST_MAX], *upstream[CONFIG_LIST_MAX], *origin[CONFIG_LIST_MAX];
    size_t listen_count, upstream_count, origin_count;
    bool playground;
    enum cli_action action;
};

static const char *const commands[] = {"dev", "trust", "untrust", "sri", NULL};

static bool is_command(const char *argument) {
    const char *const *name = commands;
    while (*name != NULL && strcmp(argument, *name) != 0) {
        name++;
    }
    return *name != NULL;
}

/* What stands behind `--` is another program's. */
static bool asks_for_help(int argc, char **argv) {
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            return true;
        }
    }
    return false;
}

static int unknown(const char *argument, char *ret_error) {
    const char *command = argument[0] != '-' ? nearest_word(argument, commands) : NULL;
    if (command != NULL) {
        return config_refuse(ret_error, "unknown argument %.100s; did you mean daffi-bridge %s?", argument,
                             command);
    }
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        size_t length = strlen(rows[i].name);
        if (strncmp(argument, rows[i].name, length) == 0 && argument[length] == '=') {
            return config_refuse(ret_error, "%s takes no value", rows[i].name);
        }
    }
    const char *nearest = cli_options_nearest(options, argument);
    if (nearest != NULL) {
        return config_refuse(ret_error, "unknown option %.100s; did you mean %s?", argument, nearest);
    }
    return config_refuse(ret_error, "unknown argument %.100s; see daffi-bridge --help", argument);
}

static int append(const char **list, size_t *count, const char *value, const char *name, char *ret_error) {
    if (*count == CONFIG_LIST_MAX) {
        return config_refuse(ret_error, "%s is given more than %d times", name, CONFIG_LIST_MAX);
    }
    list[(*count)++] = value;
    return 0;
}

static int take(struct given *given, enum option option, const char *value, char *ret_error) {
    switch (option) {
    case OPTION_FILE:
        given->file = value;
        return 0;
    case OPTION_CHECK:
        given->action = CLI_CHECK;
        return 0;
    case OPTION_LISTEN:
        return append(given->listen, &given->listen_count, value, "--listen", ret_error);
    case OPTION_CERT:
        given->cert = value;
        return 0;
    case OPTION_KEY:
        given->key = value;
        return 0;
    case OPTION_UPSTREAM:
        return append(given->upstream, &given->upstream_count, value, "--upstream", ret_error);
    case OPTION_ORIGIN:
        return append(given->origin, &given->origin_count, value, "--allow-origin", ret_error);
    case OPTION_NATIVE:
        given->native = value;
        return 0;
    case OPTION_PLAYGROUND:
        given->playground = true;
        return 0;
    case OPTION_LEVEL:
        given->level = value;
        return 0;
    case OPTION_FORMAT:
        given->format = value;
        return 0;
    case OPTION_HELP:
        given->action = CLI_HELP;
        return 0;
    case OPTION_VERSION:
        given->action = CLI_VERSION;
        return 0;
    case OPTION_COUNT:
        break;
    }
    return -EINVAL;
}

static int read_arguments(int argc, char **argv, struct given *given, char *ret_error) {
    for (int i = 1; i < argc && given->action != CLI_HELP; i++) {
        char *value = NULL;
        int option = cli_options_take(options, argc, argv, &i, &value, ret_error);
        if (option == OPTION_COUNT) {
            return unknown(argv[i], ret_error);
        }
        int result = option < 0 ? option : take(given, (enum option)option, value, ret_error);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static int copy(const char *text, char **out) {
    free(*out);
    *out = strdup(text);
    return *out != NULL ? 0 : -ENOMEM;
}

static int apply_listeners(const struct given *given, struct config *config, char *ret_error) {
    const struct config_row *row = config_row_find("listen", "url");
    char error[CONFIG_ERROR_MAX];
    size_t secure = 0;
    if (given->listen_count > 0) {
        config_clear_listeners(config);
        config->listeners_are_given = true;
    }
    for (size_t i = 0; i < given->listen_count; i++) {
        if (config_url_read(given->listen[i], row, &config->listeners[i].url, error) < 0) {
            return config_refuse(ret_error, "--listen %s", error);
        }
        config->listeners_count++;
    }
    for (size_t i = 0; i < config->listeners_count; i++) {
        struct config_listener *listener = &config->listeners[i];
        if (listener->url.scheme != CONFIG_HTTPS) {
            continue;
        }
        secure++;
        if ((given->cert != NULL && copy(given->cert, &listener->cert) < 0) ||
            (given->key != NULL && copy(given->key, &listener->key) < 0)) {
            return config_refuse(ret_error, "out of memory");
        }
    }
    if (secure == 0 && config->listeners_count > 0 && (given->cert != NULL || given->key != NULL)) {
        return config_refuse(
            ret_error, "%s is given, but nothing listens with TLS: --listen https://HOST:PORT is expected",
            given->cert != NULL ? "--cert" : "--key");
    }
    return 0;
}

/* Sets what `row` describes in `owner` to `word`; nothing when none was given. */
static int apply_choice(const struct config_row *row, const char *option, const char *word, void *owner,
                        char *ret_error) {
    char expected[128];
    int place = word != NULL ? config_choice_find(row->choices, word) : 0;
    if (place < 0) {
        return config_refuse(ret_error, "%s \"%.50s\" is not known; %s is expected", option, word,
                             config_choices_text(row->choices, expected, sizeof expected));
    }
    if (word != NULL) {
        config_row_store(row, owner, (uint64_t)place);
    }
    return 0;
}

static int apply_native(const struct given *given, struct config *config, char *ret_error) {
    const struct config_row *row = config_row_find("listen", "native");
    for (size_t i = 0; i < config->listeners_count; i++) {
        int result = apply_choice(row, "--native", given->native, &config->listeners[i], ret_error);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static bool upstream_is_known(const struct config *config, const char *name) {
    for (size_t i = 0; i < config->upstreams_count; i++) {
        if (strcmp(config->upstreams[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* [NAME=]URL */
static int add_upstream(const char *argument, struct config *config, char *ret_error) {
    struct config_upstream *upstream = &config->upstreams[config->upstreams_count];
    char name[65] = "default", error[CONFIG_ERROR_MAX];
    const char *url = argument;
    size_t name_length = strcspn(argument, "=:/");
    if (argument[name_length] == '=') {
        url = argument + name_length + 1;
        snprintf(name, sizeof name, "%.*s", (int)(name_length < sizeof name ? name_length : 0), argument);
    }
    if (!config_name_is_sound(name)) {
        return config_refuse(
            ret_error,
            "--upstream \"%.100s\": no name; 1 to 64 letters, digits, '-', '_' and '.' are expected",
            argument);
    }
    if (upstream_is_known(config, name)) {
        return config_refuse(
            ret_error, "--upstream \"%.100s\": the name \"%s\" is taken; another is expected, as NAME=URL",
            argument, name);
    }
    if (config_url_read(url, config_row_find("upstreams", "url"), &upstream->url, error) < 0) {
        return config_refuse(ret_error, "--upstream %s", error);
    }
    upstream->name = strdup(name);
    upstream->watch = true;
    config->upstreams_count++;
    return upstream->name != NULL ? 0 : config_refuse(ret_error, "out of memory");
}

/* Upstreams of the command line take the place of the file's. */
static int apply_upstreams(const struct given *given, struct config *config, char *ret_error) {
    if (given->upstream_count > 0) {
        config_clear_upstreams(config);
    }
    for (size_t i = 0; i < given->upstream_count; i++) {
        int result = add_upstream(given->upstream[i], config, ret_error);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static int apply_rest(const struct given *given, struct config *config, char *ret_error) {
    char error[CONFIG_ERROR_MAX];
    int result =
        apply_choice(config_row_find("log", "level"), "--log-level", given->level, config, ret_error);
    if (result == 0) {
        result =
            apply_choice(config_row_find("log", "format"), "--log-format", given->format, config, ret_error);
    }
    if (given->playground) {
        config->playground = true;
    }
    for (size_t i = 0; i < given->origin_count && result == 0; i++) {
        if (config_origin_check(given->origin[i], error) < 0) {
            return config_refuse(ret_error, "--allow-origin %s", error);
        }
        if (config->allow_origins_count == CONFIG_LIST_MAX) {
            return config_refuse(ret_error, "--allow-origin: more than %d origins, the file's included",
                                 CONFIG_LIST_MAX);
        }
        if (copy(given->origin[i], &config->allow_origins[config->allow_origins_count]) < 0) {
            return config_refuse(ret_error, "out of memory");
        }
        config->allow_origins_count++;
    }
    return result;
}

/* sri [URL] */
static int parse_integrity(int argc, char **argv, struct cli *ret_cli, char *ret_error) {
    const char *base = argc > 2 ? argv[2] : "https://localhost:8443";
    if (argc > 3 || (strncmp(base, "https://", 8) != 0 && strncmp(base, "http://", 7) != 0) ||
        strpbrk(base, "\"<>&' ") != NULL) {
        return config_refuse(ret_error,
                             "daffi-bridge sri takes the address that pages load the client from, as "
                             "https://HOST:PORT, and nothing else");
    }
    *ret_cli = (struct cli){.action = CLI_INTEGRITY, .base = base};
    return 0;
}

/* One of `commands`, and what follows it. */
static int parse_command(int argc, char **argv, struct cli *ret_cli, char *ret_error) {
    if (asks_for_help(argc, argv)) {
        *ret_cli = (struct cli){.action = strcmp(argv[1], "dev") == 0 ? CLI_HELP_DEV : CLI_HELP};
        return 0;
    }
    if (strcmp(argv[1], "sri") == 0) {
        return parse_integrity(argc, argv, ret_cli, ret_error);
    }
    if (strcmp(argv[1], "dev") == 0) {
        struct cli cli = {.action = CLI_DEV};
        int status = cli_dev_parse(argc, argv, &cli.dev, ret_error);
        if (status == 0) {
            *ret_cli = cli;
        }
        return status;
    }
    if (argc > 2) {
        return config_refuse(ret_error, "daffi-bridge %s takes no arguments", argv[1]);
    }
    *ret_cli = (struct cli){.action = strcmp(argv[1], "trust") == 0 ? CLI_TRUST : CLI_UNTRUST};
    return 0;
}

/* The file, and the command line over it. */
static int make_config(const struct given *given, struct config *config, char *ret_error) {
    int result = given->file != NULL ? config_read_file(config, given->file, ret_error) : 0;
    if (result == 0) {
        result = apply_listeners(given, config, ret_error);
    }
    if (result == 0) {
        result = apply_native(given, config, ret_error);
    }
    if (result == 0) {
        result = apply_upstreams(given, config, ret_error);
    }
    if (result == 0) {
        result = apply_rest(given, config, ret_error);
    }
    return result == 0 ? config_finish(config, ret_error) : result;
}

int cli_parse(int argc, char **argv, struct cli *ret_cli, char ret_error[CONFIG_ERROR_MAX]) {
    if (argc == 1) {
        return config_refuse(ret_error,
                             "nothing to listen on: daffi-bridge dev serves this folder while one writes its "
                             "pages, --listen URL or -c FILE runs a bridge; see daffi-bridge --help");
    }
    if (argc > 1 && is_command(argv[1])) {
        return parse_command(argc, argv, ret_cli, ret_error);
    }
    struct given given = {.action = CLI_RUN};
    int result = read_arguments(argc, argv, &given, ret_error);
    if (result < 0) {
        return result;
    }
    if (given.action == CLI_HELP || given.action == CLI_VERSION) {
        *ret_cli = (struct cli){.action = given.action};
        return 0;
    }
    struct config *config = config_new();
    if (config == NULL) {
        return config_refuse(ret_error, "out of memory");
    }
    result = make_config(&given, config, ret_error);
    if (result < 0) {
        config_free(config);
        return result;
    }
    *ret_cli = (struct cli){.action = given.action, .config = config};
    return 0;
}

static void print_key(FILE *out, const struct config_row *row) {
    char left[64], words[128];
    bool listed = row->section != NULL &&
                  (strcmp(row->section, "listen") == 0 || strcmp(row->section, "upstreams") == 0 ||
                   strcmp(row->section, "certificates") == 0);
    snprintf(left, sizeof left, "%s%s%s%s", row->section != NULL ? row->section : "", listed ? "[]" : "",
             row->section != NULL ? "." : "", row->name);
    fprintf(out, "  %-36s  %s", left, row->help);
    switch (row->type) {
    case CONFIG_SIZE:
        if (row->standard >= row->minimum) { /* else it can only be left out */
            fprintf(out, " (%llu)", (unsigned long long)row->standard);
        }
        break;
    case CONFIG_MS:
        fprintf(out, " (%llu ms)", (unsigned long long)row->standard);
        break;
    case CONFIG_CHOICE:
        fprintf(out, ": %s (\"%s\")", config_choices_text(row->choices, words, sizeof words),
                row->choices[row->standard]);
        break;
    default:
        break;
    }
    fputc('\n', out);
}

void cli_print_help(FILE *out) {
    fputs("daffi-bridge: web pages call Python, safely\n\n"
          "  daffi-bridge --listen https://127.0.0.1:8443 --cert cert.pem --key key.pem --upstream "
          "tcp://127.0.0.1:5000\n"
          "  daffi-bridge -c FILE [-t]\n"
          "  daffi-bridge dev [DIR] [-- python worker.py]\n"
          "                             a folder for browsers, and Python workers, while one writes them\n"
          "  daffi-bridge trust         have browsers believe the certificates of dev\n"
          "  daffi-bridge untrust       have them do so no longer\n"
          "  daffi-bridge sri [URL]     script lines with the hashes of the client, for pages that load it "
          "from URL\n\n"
          "options\n",
          out);
    cli_options_print(options, out);
    fputc('\n', out);
    cli_dev_print_help(out);
    fputs("\nkeys of the file, each may be left out (its default)\n", out);
    for (size_t i = 0; i < config_table_rows; i++) {
        print_key(out, &config_table[i]);
    }
    fputs("\nexit status: 0 done, 1 failed while running, 2 usage or configuration error\n", out);
}
