#include "config/cli_dev.h"

#include <errno.h>
#include <string.h>

#include "config/cli_options.h"
#include "config/config_error.h"
#include "config/config_table.h"
#include "config/config_values.h"

enum option {
    OPTION_HOST,
    OPTION_PORT,
    OPTION_HTTP_PORT,
    OPTION_STRICT,
    OPTION_OPEN,
    OPTION_SPA,
    OPTION_ORIGIN,
    OPTION_ALLOW_HOST,
    OPTION_QUIET,
    OPTION_LEVEL,
    OPTION_COUNT,
};

static const struct cli_option rows[OPTION_COUNT] = {
    [OPTION_HOST] = {"--host", NULL, "ADDRESS",
                     "listen there instead of on localhost; 0.0.0.0 is the whole LAN"},
    [OPTION_PORT] = {"--port", "-p", "N", "first port to try for https (8443); 0 takes any"},
    [OPTION_HTTP_PORT] = {"--http-port", NULL, "N",
                          "first port to try for http and Python peers (8080); 0 takes any"},
    [OPTION_STRICT] = {"--strict-port", NULL, NULL,
                       "fail when a port is taken, instead of taking the next free one"},
    [OPTION_OPEN] = {"--open", NULL, NULL, "open the page in the browser"},
    [OPTION_SPA] = {"--spa", NULL, NULL,
                    "answer addresses of no file with index.html (single-page applications)"},
    [OPTION_ORIGIN] =
        {"--allow-origin", NULL, "ORIGIN",
         "(repeatable) pages that may connect besides its own: http://localhost:5173 of another "
         "server, null from disk, * all"},
    [OPTION_ALLOW_HOST] =
        {"--allow-host", NULL, "NAME",
         "(repeatable) a name that it is called by, too, as one of /etc/hosts or of a tunnel"},
    [OPTION_QUIET] = {"--quiet", "-q", NULL, "no line for each call"},
    [OPTION_LEVEL] = {"--log-level", NULL, "LEVEL", "error, warning (the default), info or debug"},
};

static const struct cli_options known = {rows, OPTION_COUNT};

static int read_port(const struct cli_option *row, const char *text, unsigned *ret_port, char *ret_error) {
    unsigned port = 0;
    size_t digits = strspn(text, "0123456789");
    for (size_t i = 0; i < digits && port <= 65535; i++) {
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    if (digits == 0 || text[digits] != '\0' || port > 65535) {
        return config_refuse(ret_error, "%s %.50s is no port; 0 to 65535 is expected", row->name, text);
    }
    *ret_port = port;
    return 0;
}

static int read_level(const char *word, struct dev_options *options, char *ret_error) {
    const struct config_row *row = config_row_find("log", "level");
    char expected[128];
    int place = config_choice_find(row->choices, word);
    if (place < 0) {
        return config_refuse(ret_error, "--log-level \"%.50s\" is not known; %s is expected", word,
                             config_choices_text(row->choices, expected, sizeof expected));
    }
    options->log_level = (enum config_log_level)place;
    return 0;
}

/* An IPv6 address may come as addresses of pages have it, [::1]: the brackets are taken off where it stands. */
static const char *without_brackets(char *host) {
    const size_t length = strlen(host);
    if (length < 2 || host[0] != '[' || host[length - 1] != ']') {
        return host;
    }
    host[length - 1] = '\0';
    return host + 1;
}

/* One more of a list, which `check` takes. */
static int add(const struct cli_option *row, const char *value, int (*check)(const char *, char *),
               const char **list, size_t *count, char *ret_error) {
    char error[CONFIG_ERROR_MAX];
    if (check(value, error) < 0) {
        return config_refuse(ret_error, "%s %s", row->name, error);
    }
    if (*count == DEV_ALLOWED_MAX) {
        return config_refuse(ret_error, "%s is given more than %d times", row->name, DEV_ALLOWED_MAX);
    }
    list[(*count)++] = value;
    return 0;
}

static int take(enum option option, char *value, struct dev_options *options, char *ret_error) {
    switch (option) {
    case OPTION_HOST:
        options->host = without_brackets(value);
        return 0;
    case OPTION_PORT:
        return read_port(&rows[option], value, &options->https_port, ret_error);
    case OPTION_HTTP_PORT:
        return read_port(&rows[option], value, &options->http_port, ret_error);
    case OPTION_STRICT:
        options->strict_port = true;
        return 0;
    case OPTION_OPEN:
        options->open = true;
        return 0;
    case OPTION_SPA:
        options->spa = true;
        return 0;
    case OPTION_ORIGIN:
        return add(&rows[option], value, config_origin_check, options->origins, &options->origins_count,
                   ret_error);
    case OPTION_ALLOW_HOST:
        return add(&rows[option], value, config_host_check, options->hosts, &options->hosts_count, ret_error);
    case OPTION_QUIET:
        options->quiet = true;
        return 0;
    case OPTION_LEVEL:
        return read_level(value, options, ret_error);
    case OPTION_COUNT:
        break;
    }
    return -EINVAL;
}

static int unknown(const char *argument, char *ret_error) {
    const char *nearest = cli_options_nearest(known, argument);
    return config_refuse(ret_error,
                         "daffi-bridge dev: unknown option %.100s%s%s; see daffi-bridge dev --help", argument,
                         nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "");
}

/* What stands behind the first `--`. */
static int take_workers(int argc, char **argv, int at, struct dev_options *options, char *ret_error) {
    while (at < argc) {
        argv[at++] = NULL; /* the end of what stands before it */
        if (at == argc || strcmp(argv[at], "--") == 0) {
            return config_refuse(
                ret_error, "a command is expected behind --, as in: daffi-bridge dev -- python worker.py");
        }
        if (options->workers_count == DEV_WORKERS_MAX) {
            return config_refuse(ret_error, "more than %d commands behind --", DEV_WORKERS_MAX);
        }
        options->workers[options->workers_count++] = &argv[at];
        while (at < argc && strcmp(argv[at], "--") != 0) {
            at++;
        }
    }
    return 0;
}

int cli_dev_parse(int argc, char **argv, struct dev_options *ret_options, char ret_error[CONFIG_ERROR_MAX]) {
    struct dev_options options = {.host = "127.0.0.1",
                                  .https_port = DEV_PORT_HTTPS,
                                  .http_port = DEV_PORT_HTTP,
                                  .log_level = CONFIG_LOG_WARNING};
    int status = 0;
    int i = 2;
    for (; i < argc && status == 0 && strcmp(argv[i], "--") != 0; i++) {
        char *value = NULL;
        int option = cli_options_take(known, argc, argv, &i, &value, ret_error);
        if (option == OPTION_COUNT && argv[i][0] != '-') {
            if (options.dir != NULL) {
                return config_refuse(ret_error,
                                     "daffi-bridge dev serves one folder; %.100s is a second one; a command "
                                     "goes behind --, as in: daffi-bridge dev -- python worker.py",
                                     argv[i]);
            }
            options.dir = argv[i];
            continue;
        }
        if (option == OPTION_COUNT) {
            return unknown(argv[i], ret_error);
        }
        status = option < 0 ? option : take((enum option)option, value, &options, ret_error);
    }
    if (status == 0 && i < argc) {
        status = take_workers(argc, argv, i, &options, ret_error);
    }
    if (status < 0) {
        return status;
    }
    if (options.dir == NULL) {
        options.dir = ".";
    }
    *ret_options = options;
    return 0;
}

void cli_dev_print_help(FILE *out) {
    fputs("daffi-bridge dev [DIR] [OPTION ...] [-- COMMAND ... [-- COMMAND ...]]\n"
          "  serves DIR (the current folder) to browsers, with the router inside and the playground, and "
          "runs the Python workers\n"
          "  that COMMANDs start; pages are loaded anew, and workers started anew, as their files change\n",
          out);
    cli_options_print(known, out);
}
