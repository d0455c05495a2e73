/* The command line: what it takes, that it wins over the file, and what it says when it can't be. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/cli.h"
#include "config/config_table.h"
#include "config_fixture.h"

enum { ARGUMENTS_MAX = 160 };

/* Parses arguments separated by blanks; `@` stands for the fixture's file. */
static int parse(const char *line, struct cli *ret_cli, char *error) {
    char text[8192];
    char *arguments[ARGUMENTS_MAX] = {"daffi-bridge"};
    int count = 1;
    snprintf(text, sizeof text, "%s", line);
    for (char *at = text, *rest; *at != '\0' && count < ARGUMENTS_MAX - 1; at = rest) {
        rest = at + strcspn(at, " ");
        if (*rest != '\0') {
            *rest++ = '\0';
        }
        arguments[count++] = strcmp(at, "@") == 0 ? fixture_file : at;
    }
    return cli_parse(count, arguments, ret_cli, error);
}

static struct cli parse_good(const char *line) {
    struct cli cli = {0};
    char error[CONFIG_ERROR_MAX] = "";
    if (parse(line, &cli, error) < 0) {
        fail_msg("%s: %s", line, error);
    }
    assert_string_equal(error, "");
    return cli;
}

#define LISTEN   "--listen http://127.0.0.1:0"
#define UPSTREAM "--upstream tcp://127.0.0.1:5000"

static void what_is_asked_for(void **state) {
    (void)state;
    static const struct {
        const char *line;
        enum cli_action action;
        bool has_config;
    } cases[] = {
        {LISTEN " " UPSTREAM, CLI_RUN, true},
        {"-t " LISTEN " " UPSTREAM, CLI_CHECK, true},
        {LISTEN " " UPSTREAM " --check", CLI_CHECK, true},
        {"--help", CLI_HELP, false},
        {"-h --no-such-option", CLI_HELP, false},
        {"--version", CLI_VERSION, false},
        {"dev", CLI_DEV, false},
        {"dev . -- python worker.py --help", CLI_DEV, false},
        {"dev . --help -- python worker.py", CLI_HELP_DEV, false},
        {"dev -h", CLI_HELP_DEV, false},
        {"trust", CLI_TRUST, false},
        {"trust --help", CLI_HELP, false},
        {"untrust", CLI_UNTRUST, false},
        {"untrust -h", CLI_HELP, false},
        {"sri https://bridge.example", CLI_INTEGRITY, false},
        {"sri --help", CLI_HELP, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cli cli = parse_good(cases[i].line);
        assert_int_equal(cli.action, cases[i].action);
        assert_int_equal(cli.config != NULL, cases[i].has_config);
        config_free(cli.config);
    }
}

static void every_option_is_read(void **state) {
    (void)state;
    struct cli cli = parse_good(
        "--listen https://127.0.0.1:8443 --listen=unix:/run/x.sock --listen http://[::1]:0 --cert cert.pem "
        "--key=key.pem "
        "--upstream tcp://127.0.0.1:5000 --upstream other=tls://router:5001 --upstream third=unix:/run/a=b "
        "--allow-origin https://www.example.org --allow-origin=null --native none --playground "
        "--log-level debug --log-format json");
    const struct config *config = cli.config;
    assert_int_equal(config->listeners_count, 3);
    assert_string_equal(config->listeners[0].cert, "cert.pem");
    assert_string_equal(config->listeners[0].key, "key.pem");
    assert_null(config->listeners[1].cert);
    assert_null(config->listeners[2].cert);
    assert_int_equal(config->upstreams_count, 3);
    assert_string_equal(config->upstreams[0].name, "default");
    assert_string_equal(config->upstreams[1].name, "other");
    assert_string_equal(config->upstreams[1].url.host, "router");
    assert_string_equal(config->upstreams[2].url.path, "/run/a=b");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(config->listeners[i].native, CONFIG_NATIVE_NONE);
        assert_int_equal(config->listeners[i].upstreams_count, 3);
    }
    assert_int_equal(config->allow_origins_count, 2);
    assert_string_equal(config->allow_origins[1], "null");
    assert_true(config->playground);
    assert_int_equal(config->log_level, CONFIG_LOG_DEBUG);
    assert_int_equal(config->log_format, CONFIG_LOG_JSON);
    config_free(cli.config);
}

static const char whole_file[] =
    "{ \"listen\": [ { \"url\": \"https://127.0.0.1:1\", \"cert\": \"/c\", \"key\": \"/k\", \"upstreams\": "
    "[\"b\"] },\n"
    "                { \"url\": \"http://127.0.0.1:2\" } ],\n"
    "  \"upstreams\": { \"a\": \"tcp://127.0.0.1:3\", \"b\": \"tcp://127.0.0.1:4\" },\n"
    "  \"allow_origins\": [\"https://a.example\"],\n"
    "  \"log\": { \"level\": \"error\" } }\n";

static void the_file_alone(void **state) {
    (void)state;
    fixture_write(whole_file);
    struct cli cli = parse_good("-c @");
    assert_int_equal(cli.config->listeners_count, 2);
    assert_string_equal(cli.config->listeners[0].cert, "/c");
    assert_int_equal(cli.config->listeners[0].upstreams_count, 1);
    assert_int_equal(cli.config->listeners[0].upstreams[0], 1);
    assert_int_equal(cli.config->listeners[1].upstreams_count, 2);
    assert_int_equal(cli.config->log_level, CONFIG_LOG_ERROR);
    config_free(cli.config);
}

static void the_command_line_wins(void **state) {
    (void)state;
    fixture_write(whole_file);
    struct cli cli = parse_good("-c @ --listen http://127.0.0.1:9 --log-level info");
    assert_int_equal(cli.config->listeners_count, 1);
    assert_string_equal(cli.config->listeners[0].url.port, "9");
    assert_int_equal(cli.config->listeners[0].upstreams_count, 2);
    assert_int_equal(cli.config->log_level, CONFIG_LOG_INFO);
    config_free(cli.config);

    cli = parse_good("--cert /mine -c @ --native all --playground --allow-origin https://b.example");
    assert_string_equal(cli.config->listeners[0].cert, "/mine");
    assert_string_equal(cli.config->listeners[0].key, "/k");
    assert_null(cli.config->listeners[1].cert);
    assert_int_equal(cli.config->listeners[1].native, CONFIG_NATIVE_ALL);
    assert_true(cli.config->playground);
    assert_int_equal(cli.config->allow_origins_count, 2);
    config_free(cli.config);

    cli = parse_good("-c @ --upstream tcp://127.0.0.1:7");
    assert_int_equal(cli.config->upstreams_count, 1);
    assert_string_equal(cli.config->upstreams[0].name, "default");
    assert_int_equal(cli.config->listeners[0].upstreams_count, 1);
    assert_int_equal(cli.config->listeners[0].upstreams[0], 0);
    config_free(cli.config);
}

static void what_is_wrong_is_said(void **state) {
    (void)state;
    static const struct {
        const char *line, *error;
    } cases[] = {
        {"", "nothing to listen on: daffi-bridge dev serves this folder while one writes its pages, --listen "
             "URL or -c FILE runs a bridge; see daffi-bridge --help"},
        {UPSTREAM, "nothing to listen on: give --listen https://127.0.0.1:8443, or \"listen\" in the file"},
        {LISTEN " --upstream https://127.0.0.1:1",
         "--upstream \"https://127.0.0.1:1\" is no upstream; tcp://, tls://, unix:/ or router: is expected"},
        {LISTEN " --upstream tcp://127.0.0.1:0",
         "--upstream \"tcp://127.0.0.1:0\": port 0 can't be connected to; 1 to 65535 is expected"},
        {LISTEN " " UPSTREAM " --upstream tcp://127.0.0.1:1",
         "--upstream \"tcp://127.0.0.1:1\": the name \"default\" is taken; another is expected, as NAME=URL"},
        {LISTEN " --upstream =tcp://127.0.0.1:1", "--upstream \"=tcp://127.0.0.1:1\": no name; 1 to 64 "
                                                  "letters, digits, '-', '_' and '.' are expected"},
        {LISTEN " --upstream 127.0.0.1", "--upstream \"127.0.0.1\": no address; https://, http://, tcp://, "
                                         "tls:// or unix:/ is expected before it"},
        {UPSTREAM " --listen tcp://127.0.0.1:1",
         "--listen \"tcp://127.0.0.1:1\" can't be listened on; https://, http:// or unix:/ is expected"},
        {UPSTREAM " --listen 8443",
         "--listen \"8443\": no address; https://, http://, tcp://, tls:// or unix:/ is expected before it"},
        {UPSTREAM " --listen https://127.0.0.1:0",
         "--listen https://127.0.0.1:0 has no certificate: --cert FILE is expected"},
        {UPSTREAM " --listen https://127.0.0.1:0 --cert c",
         "--listen https://127.0.0.1:0 has a certificate, but not its private key: --key FILE is expected"},
        {LISTEN " " UPSTREAM " --cert c",
         "--cert is given, but nothing listens with TLS: --listen https://HOST:PORT is expected"},
        {LISTEN " " UPSTREAM " --key k",
         "--key is given, but nothing listens with TLS: --listen https://HOST:PORT is expected"},
        {LISTEN " " UPSTREAM " --native some",
         "--native \"some\" is not known; \"loopback\", \"all\" or \"none\" is expected"},
        {LISTEN " " UPSTREAM " --log-level loud",
         "--log-level \"loud\" is not known; \"error\", \"warning\", \"info\" or \"debug\" is expected"},
        {LISTEN " " UPSTREAM " --log-format xml",
         "--log-format \"xml\" is not known; \"text\" or \"json\" is expected"},
        {LISTEN " " UPSTREAM " --allow-origin example.org",
         "--allow-origin \"example.org\" is no origin: SCHEME://HOST[:PORT] without a path, the "
         "port may be `*`; or `null`, or `*`"},
        {"--lisen http://127.0.0.1:0", "unknown option --lisen; did you mean --listen?"},
        {"--playground=yes", "--playground takes no value"},
        {"-x", "unknown argument -x; see daffi-bridge --help"},
        {"turst", "unknown argument turst; did you mean daffi-bridge trust?"},
        {"dve", "unknown argument dve; did you mean daffi-bridge dev?"},
        {"de", "unknown argument de; did you mean daffi-bridge dev?"},
        {"bridge.json", "unknown argument bridge.json; see daffi-bridge --help"},
        {"--listen", "--listen needs URL: (repeatable) https://HOST:PORT, http://HOST:PORT or unix:/PATH; "
                     "port 0 takes a free one"},
        {"dev . other", "daffi-bridge dev serves one folder; other is a second one; a command goes "
                        "behind --, as in: daffi-bridge dev -- python worker.py"},
        {"dev --pot 1",
         "daffi-bridge dev: unknown option --pot; did you mean --port; see daffi-bridge dev --help"},
        {"dev --port 70000", "--port 70000 is no port; 0 to 65535 is expected"},
        {"dev --port", "--port needs N: first port to try for https (8443); 0 takes any"},
        {"dev --log-level loud",
         "--log-level \"loud\" is not known; \"error\", \"warning\", \"info\" or \"debug\" is expected"},
        {"dev --allow-origin localhost:5173",
         "--allow-origin \"localhost:5173\" is no origin: SCHEME://HOST[:PORT] without a path, the "
         "port may be `*`; or `null`, or `*`"},
        {"dev --allow-host http://shop.test",
         "--allow-host \"http://shop.test\" is no host; a name or an address is expected, without https:// "
         "and without a port"},
        {"dev . --", "a command is expected behind --, as in: daffi-bridge dev -- python worker.py"},
        {"dev -- a -- -- b", "a command is expected behind --, as in: daffi-bridge dev -- python worker.py"},
        {"-c /nowhere.json", "/nowhere.json: can't be opened: No such file or directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cli cli = {.action = CLI_VERSION};
        char error[CONFIG_ERROR_MAX] = "";
        assert_true(parse(cases[i].line, &cli, error) < 0);
        assert_string_equal(error, cases[i].error);
        assert_int_equal(cli.action, CLI_VERSION); /* untouched */
        assert_null(cli.config);
    }
}

static void options_are_counted(void **state) {
    (void)state;
    static const char *const options[] = {"--listen http://127.0.0.1:0 ", "--allow-origin null ",
                                          "--upstream tcp://127.0.0.1:1 "};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        char line[8192] = "", error[CONFIG_ERROR_MAX];
        for (size_t j = 0, used = 0; j <= CONFIG_LIST_MAX; j++) {
            used += (size_t)snprintf(line + used, sizeof line - used, "%s", options[i]);
        }
        struct cli cli;
        assert_int_equal(parse(line, &cli, error), -EINVAL);
        assert_non_null(strstr(error, "more than 64 times"));
    }
}

static void help_names_everything(void **state) {
    (void)state;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    cli_print_help(out);
    fclose(out);
    for (size_t i = 0; i < config_table_rows; i++) {
        assert_non_null(strstr(text, config_table[i].name));
        assert_non_null(strstr(text, config_table[i].help));
    }
    assert_non_null(strstr(text, "  limits.upstream_connects_per_address  the same"));
    assert_non_null(strstr(text, "limits.calls_in_flight when left out\n")); /* 0 would not be taken */
    assert_non_null(strstr(text, "connections at a time (9000)\n"));
    static const char *const options[] = {"-c",
                                          "-t",
                                          "--listen",
                                          "--cert",
                                          "--key",
                                          "--upstream",
                                          "--allow-origin",
                                          "--native",
                                          "--playground",
                                          "--log-level",
                                          "--log-format",
                                          "--help",
                                          "--version",
                                          "exit status",
                                          "daffi-bridge dev",
                                          "daffi-bridge trust",
                                          "daffi-bridge untrust",
                                          "daffi-bridge sri"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        assert_non_null(strstr(text, options[i]));
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_for),     cmocka_unit_test(every_option_is_read),
        cmocka_unit_test(the_file_alone),        cmocka_unit_test(the_command_line_wins),
        cmocka_unit_test(what_is_wrong_is_said), cmocka_unit_test(options_are_counted),
        cmocka_unit_test(help_names_everything),
    };
    return cmocka_run_group_tests_name("cli", tests, fixture_begin, fixture_end);
}
