/* The configuration file: what is read, and a line a person can act on for each way in which it can be wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/config_lines.h"
#include "config/config_table.h"
#include "config/nearest.h"
#include "config_fixture.h"

static void defaults_are_those_of_the_design(void **state) {
    (void)state;
    struct config *config = config_new();
    assert_non_null(config);
    assert_int_equal(config->listeners_count, 0);
    assert_int_equal(config->upstreams_count, 0);
    assert_false(config->playground);
    assert_int_equal(config->log_level, CONFIG_LOG_INFO);
    assert_int_equal(config->log_format, CONFIG_LOG_TEXT);
    const struct config_limits *limits = &config->limits;
    assert_int_equal(limits->message_bytes, 8388608);
    assert_int_equal(limits->nesting, 64);
    assert_int_equal(limits->queue_high, 1048576);
    assert_int_equal(limits->queue_bytes, 67108864);
    assert_int_equal(limits->memory_bytes, 1073741824);
    assert_int_equal(limits->head_bytes, 16384);
    assert_int_equal(limits->headers, 100);
    assert_int_equal(limits->connections, 9000);
    assert_int_equal(limits->connections_per_address, 500);
    assert_int_equal(limits->half_open, 1000);
    assert_int_equal(limits->calls_in_flight, 1024);
    const struct config_timeouts *timeouts = &config->timeouts;
    assert_int_equal(timeouts->tls, 10000);
    assert_int_equal(timeouts->head, 10000);
    assert_int_equal(timeouts->handshake, 10000);
    assert_int_equal(timeouts->upstream_connect, 3000);
    assert_int_equal(timeouts->slow_consumer, 30000);
    assert_int_equal(timeouts->drain, 10000);
    config_free(config);
    config_free(NULL);
}

static void everything_that_can_be_said_is_read(void **state) {
    (void)state;
    const char *file = fixture_write(
        "{ \"$schema\": \"daffi-bridge.schema.json\",\n"
        "  \"listen\": [\n"
        "    { \"url\": \"https://0.0.0.0:8443\", \"cert\": \"cert.pem\", \"key\": \"/etc/key.pem\", "
        "\"native\": \"all\",\n"
        "      \"upstreams\": [\"other\", \"default\"] },\n"
        "    { \"url\": \"unix:/run/daffi.sock\", \"native\": \"none\" } ],\n"
        "  \"upstreams\": { \"default\": \"tcp://127.0.0.1:5000\",\n"
        "                 \"other\": { \"url\": \"tls://router.internal:5001\", \"ca\": \"ca.pem\" } },\n"
        "  \"allow_origins\": [\"https://www.example.org\", \"http://127.0.0.1:*\", \"null\"],\n"
        "  \"hosts\": [\"Bridge.Example\", \"192.0.2.1\", \"2001:db8::1\"],\n"
        "  \"playground\": true,\n"
        "  \"limits\": { \"message_bytes\": 33554431, \"nesting\": 512, \"calls_in_flight\": 1 },\n"
        "  \"timeouts_ms\": { \"drain\": 0, \"tls\": 100 },\n"
        "  \"policy\": {}, \"auth\": {}, \"admin\": {}, \"assets\": {},\n"
        "  \"log\": { \"level\": \"debug\", \"format\": \"json\" } }\n");
    struct config *config = config_new();
    char error[CONFIG_ERROR_MAX] = "";
    assert_int_equal(config_read_file(config, file, error), 0);
    assert_int_equal(config_finish(config, error), 0);
    assert_string_equal(error, "");

    char beside[64];
    assert_int_equal(config->upstreams_count, 2);
    assert_string_equal(config->upstreams[0].name, "default");
    assert_null(config->upstreams[0].ca);
    assert_string_equal(config->upstreams[1].name, "other");
    assert_int_equal(config->upstreams[1].url.scheme, CONFIG_TLS);
    snprintf(beside, sizeof beside, "%s/ca.pem", fixture_folder);
    assert_string_equal(config->upstreams[1].ca, beside);

    assert_int_equal(config->listeners_count, 2);
    const struct config_listener *first = &config->listeners[0], *second = &config->listeners[1];
    snprintf(beside, sizeof beside, "%s/cert.pem", fixture_folder);
    assert_string_equal(first->cert, beside);
    assert_string_equal(first->key, "/etc/key.pem");
    assert_int_equal(first->native, CONFIG_NATIVE_ALL);
    assert_int_equal(first->upstreams_count, 2);
    assert_int_equal(first->upstreams[0], 1);
    assert_int_equal(first->upstreams[1], 0);
    assert_int_equal(second->url.scheme, CONFIG_UNIX);
    assert_int_equal(second->native, CONFIG_NATIVE_NONE);
    assert_int_equal(second->upstreams_count, 2); /* all, as none were named */
    assert_int_equal(second->upstreams[0], 0);

    assert_int_equal(config->allow_origins_count, 3);
    assert_string_equal(config->allow_origins[1], "http://127.0.0.1:*");
    assert_int_equal(config->hosts_count, 3);
    assert_string_equal(config->hosts[0], "bridge.example");
    assert_true(config->playground);
    assert_int_equal(config->limits.message_bytes, 33554431);
    assert_int_equal(config->limits.nesting, 512);
    assert_int_equal(config->limits.queue_high, 1048576); /* as it was */
    assert_int_equal(config->timeouts.drain, 0);
    assert_int_equal(config->log_level, CONFIG_LOG_DEBUG);
    assert_int_equal(config->log_format, CONFIG_LOG_JSON);
    assert_true(config->auth_is_empty);
    config_free(config);
}

/* Reads and finishes `text`; 0 or what was refused, with the line. */
static int read_text(const char *text, size_t length, char *error) {
    struct config *config = config_new();
    assert_non_null(config);
    int result = config_read_file(config, fixture_write_bytes(text, length), error);
    if (result == 0) {
        result = config_finish(config, error);
    }
    config_free(config);
    return result;
}

static void a_mode_is_read_as_chmod_does(void **state) {
    (void)state;
    static const char text[] = "{\"listen\": [{\"url\": \"unix:/run/web.sock\", \"mode\": \"0660\"}],"
                               "\"admin\": {\"listen\": \"unix:/run/admin.sock\", \"mode\": \"0666\"}}";
    char error[CONFIG_ERROR_MAX] = "";
    struct config *config = config_new();
    assert_int_equal(config_read_file(config, fixture_write_bytes(text, sizeof text - 1), error), 0);
    assert_int_equal(config_finish(config, error), 0);
    assert_int_equal(config->listeners[0].mode, 0660);
    assert_int_equal(config->admin_mode, 0666);
    assert_false(config->auth_is_empty);
    config_free(config);
}

static void assert_refused(const char *text, size_t length, const char *what) {
    char error[CONFIG_ERROR_MAX] = "", expected[CONFIG_ERROR_MAX];
    assert_int_equal(read_text(text, length, error), -EINVAL);
    snprintf(expected, sizeof expected, "%s: %s", fixture_file, what);
    assert_string_equal(error, expected);
}

struct refusal {
    const char *text, *what;
};

static void assert_all_refused(const struct refusal *refusals, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_refused(refusals[i].text, strlen(refusals[i].text), refusals[i].what);
    }
}
#define ASSERT_ALL_REFUSED(refusals) assert_all_refused(refusals, sizeof(refusals) / sizeof *(refusals))

static void what_is_no_json_is_refused_by_its_line(void **state) {
    (void)state;
    static const struct refusal refusals[] = {
        {"", "line 1: no valid JSON: '[' or '{' expected near end of file"},
        {"{\n  oops\n}", "line 2: no valid JSON: string or '}' expected near 'oops'"},
        {"{\n \"playground\": true,\n}", "line 3: no valid JSON: string or '}' expected near '}'"},
        {"{\n \"playground\": true\n", "line 3: no valid JSON: '}' expected near end of file"},
        {"{\"playground\": true,\n\"playground\": false}",
         "line 2: no valid JSON: duplicate object key near '\"playground\"'"},
        {"{} {}", "line 1: no valid JSON: end of file expected near '{'"},
        {"{\"hosts\": [\"\xff\"]}", "line 1: no valid JSON: unable to decode byte 0xff near '\"'"},
        {"[]", "line 1: the file: [] can't be taken; an object { ... } is expected"},
    };
    ASSERT_ALL_REFUSED(refusals);
    assert_refused("{}\0{", 4, "line 1: no valid JSON: end of file expected near end of file");
}

static void unknown_keys_name_the_nearest(void **state) {
    (void)state;
    static const struct refusal refusals[] = {
        {"{\n\"lisen\": []}", "line 2: lisen: unknown key; did you mean \"listen\"?"},
        {"{\"allow_origin\": []}", "line 1: allow_origin: unknown key; did you mean \"allow_origins\"?"},
        {"{\"limits\": {\n\"message_bites\": 1}}",
         "line 2: limits.message_bites: unknown key; did you mean \"message_bytes\"?"},
        {"{\"log\": {\"lvl\": \"info\"}}", "line 1: log.lvl: unknown key; \"level\", \"format\", \"access\" "
                                           "or \"access_per_second\" is known here"},
        {"{\"listen\": [\n {},\n {\"certt\": \"x\"}]}",
         "line 2: listen.0: \"url\" is missing; {\"url\": \"https://HOST:PORT\", ...} is expected"},
        {"{\"listen\": [\n {\"url\": \"http://127.0.0.1:1\"},\n {\n\"certt\": \"x\"}]}",
         "line 4: listen.1.certt: unknown key; did you mean \"cert\"?"},
        {"{\"upstreams\": {\"a.b\": {\n\"uri\": \"x\"}}}",
         "line 2: upstreams.a.b.uri: unknown key; did you mean \"url\"?"},
        {"{\"a\\nb\": 1}",
         "line 1: a?b: unknown key; \"upstreams\", \"listen\", \"allow_origins\", \"hosts\", \"playground\", "
         "\"policy\", \"limits\", \"timeouts_ms\", \"auth\", \"admin\", \"assets\" or \"log\" is known here"},
        {"{\"assets\": {\n\"functions\": []}}",
         "line 2: assets.functions: unknown key; \"dir\" is known here"},
        {"{\"admin\": {\n\"functions\": []}}",
         "line 2: admin.functions: unknown key; \"listen\", \"mode\" or \"public\" is known here"},
        {"{\"admin\": {\"listen\": \"https://127.0.0.1:1\"}}",
         "line 1: admin.listen: \"https://127.0.0.1:1\" can't be listened on; http:// or unix:/ is "
         "expected"},
        {"{\"listen\": [{\"url\": \"http://127.0.0.1:1\"}],\n\"admin\": {\"listen\": \"http://0.0.0.0:1\"}}",
         "line 2: admin.listen: http://0.0.0.0:1 can be reached from other machines; http://127.0.0.1:PORT "
         "or "
         "unix:/PATH is expected, or \"public\": true beside it"},
        {"{\"auth\": 1}", "line 1: auth: 1 can't be taken; an object { ... } is expected"},
    };
    ASSERT_ALL_REFUSED(refusals);
}

static void numbers_have_bounds_and_words_are_known(void **state) {
    (void)state;
    static const struct refusal refusals[] = {
        {"{\n \"limits\": {\n  \"nesting\": 0\n }\n}",
         "line 3: limits.nesting: 0 can't be taken; a whole number from 1 to 512 is expected"},
        {"{\"limits\": {\"nesting\": 513}}",
         "line 1: limits.nesting: 513 can't be taken; a whole number from 1 to 512 is expected"},
        {"{\"limits\": {\"nesting\": -1}}",
         "line 1: limits.nesting: -1 can't be taken; a whole number from 1 to 512 is expected"},
        {"{\"limits\": {\"nesting\": 1.5}}",
         "line 1: limits.nesting: 1.5 can't be taken; a whole number from 1 to 512 is expected"},
        {"{\"limits\": {\"nesting\": \"deep\"}}",
         "line 1: limits.nesting: \"deep\" can't be taken; a whole number from 1 to 512 is expected"},
        {"{\"timeouts_ms\": {\"tls\": 9}}", "line 1: timeouts_ms.tls: 9 can't be taken; a whole number from "
                                            "100 to 600000 (milliseconds) is expected"},
        {"{\"limits\": []}", "line 1: limits: [] can't be taken; an object { ... } is expected"},
        {"{\"limits\": {\"nesting\": 99999999999999999999}}",
         "line 1: no valid JSON: too big integer near '99999999999999999999'"},
        {"{\"playground\": \"yes\"}",
         "line 1: playground: \"yes\" is no truth value; true or false is expected"},
        {"{\"log\": {\"level\": \"loud\"}}", "line 1: log.level: \"loud\" is not known; \"error\", "
                                             "\"warning\", \"info\" or \"debug\" is expected"},
        {"{\"log\": {\"format\": null}}",
         "line 1: log.format: null is not known; \"text\" or \"json\" is expected"},
        {"{\"listen\": [{\"native\": true}]}",
         "line 1: listen.0.native: true is not known; \"loopback\", \"all\" or \"none\" is expected"},
        {"{\"listen\": [{\"native\": \"a text that is much too long to be shown as a whole in one line of an "
         "error\"}]}",
         "line 1: listen.0.native: \"a text that is much too long to be shown as a whole in one ... is not "
         "known; "
         "\"loopback\", \"all\" or \"none\" is expected"},
    };
    ASSERT_ALL_REFUSED(refusals);
}

static void listeners_and_upstreams_are_checked(void **state) {
    (void)state;
    static const struct refusal refusals[] = {
        {"{\"listen\": {}}",
         "line 1: listen: {} can't be taken; a list [ ... ] of at most 64 listeners is expected"},
        {"{\"listen\": [1]}", "line 1: listen.0: 1 can't be taken; an object { ... } is expected"},
        {"{\"listen\": [{\n\"url\": \"ftp://x\"}]}",
         "line 2: listen.0.url: \"ftp://x\": no address; https://, http://, tcp://, tls:// or unix:/ is "
         "expected before it"},
        {"{\"listen\": [{\"url\": \"tcp://127.0.0.1:1\"}]}",
         "line 1: listen.0.url: \"tcp://127.0.0.1:1\" can't be listened on; https://, http:// or unix:/ is "
         "expected"},
        {"{\"listen\": [{\"url\": 8443}]}",
         "line 1: listen.0.url: 8443 is no text; a text in quotes is expected"},
        {"{\"listen\": [{\"url\": \"\"}]}",
         "line 1: listen.0.url: \"\" is no text; a text in quotes is expected"},
        {"{\"listen\": [{\"url\": \"https://127.0.0.1:1\", \"cert\": \"\"}]}",
         "line 1: listen.0.cert: \"\" is no text; a text in quotes is expected"},
        {"{\"listen\": [{\"upstreams\": []}]}",
         "line 1: listen.0.upstreams: [] can't be taken; a list of names of \"upstreams\" is expected"},
        {"{\"listen\": [{\"upstreams\": [\"x\"]}]}", "line 1: listen.0.upstreams.0: no upstream is called "
                                                     "\"x\"; one that \"upstreams\" names is expected"},
        {"{\"upstreams\": {\"a\": \"tcp://127.0.0.1:1\", \"b\": \"tcp://127.0.0.1:2\"},\n\"listen\": "
         "[{\"upstreams\": [\"a\",\n\"c\"]}]}",
         "line 3: listen.0.upstreams.1: no upstream is called \"c\"; \"a\" or \"b\" is expected"},
        {"{\"listen\": [{\"mode\": 660}]}",
         "line 1: listen.0.mode: 660 is no mode; a text from \"0600\" to \"0777\" is expected, as \"0660\""},
        {"{\"listen\": [{\"mode\": \"660\"}]}", "line 1: listen.0.mode: \"660\" is no mode; a text from "
                                                "\"0600\" to \"0777\" is expected, as \"0660\""},
        {"{\"listen\": [{\"mode\": \"0440\"}]}", "line 1: listen.0.mode: \"0440\" is no mode; a text from "
                                                 "\"0600\" to \"0777\" is expected, as \"0660\""},
        {"{\"listen\": [{\"mode\": \"0680\"}]}", "line 1: listen.0.mode: \"0680\" is no mode; a text from "
                                                 "\"0600\" to \"0777\" is expected, as \"0660\""},
        {"{\"listen\": [{\"mode\": \"4755\"}]}", "line 1: listen.0.mode: \"4755\" is no mode; a text from "
                                                 "\"0600\" to \"0777\" is expected, as \"0660\""},
        {"{\"upstreams\": []}",
         "line 1: upstreams: [] can't be taken; an object {\"NAME\": \"URL\"} of at most 64 is expected"},
        {"{\"upstreams\": {\"a/b\": \"tcp://127.0.0.1:1\"}}",
         "line 1: upstreams.a/b: no name; 1 to 64 letters, digits, '-', '_' and '.' are expected"},
        {"{\"upstreams\": {\"a\": 1}}", "line 1: upstreams.a: no address; \"tcp://HOST:PORT\" or {\"url\": "
                                        "\"tls://HOST:PORT\", \"ca\": \"FILE\"} is expected"},
        {"{\"upstreams\": {\"a\": \"https://127.0.0.1:1\"}}",
         "line 1: upstreams.a: \"https://127.0.0.1:1\" is no upstream; tcp://, tls://, unix:/ or router: is "
         "expected"},
        {"{\"upstreams\": {\"a\": \"tcp://127.0.0.1:0\"}}",
         "line 1: upstreams.a: \"tcp://127.0.0.1:0\": port 0 can't be connected to; 1 to 65535 is expected"},
        {"{\"upstreams\": {\"a\": {\"url\": \"tcp://127.0.0.1:1\", \"ca\": \"x\"}}}",
         "line 1: upstreams.a: \"ca\" is for tls:// upstreams alone; \"tcp://127.0.0.1:1\" is none"},
    };
    ASSERT_ALL_REFUSED(refusals);
}

static void origins_and_hosts_are_checked(void **state) {
    (void)state;
    static const struct refusal refusals[] = {
        {"{\"allow_origins\": \"*\"}",
         "line 1: allow_origins: \"*\" can't be taken; a list [ ... ] of at most 64 texts is expected"},
        {"{\"allow_origins\": [1]}", "line 1: allow_origins.0: 1 is no text; a text in quotes is expected"},
        {"{\"allow_origins\": [\"null\",\n\"https://a.example/\"]}",
         "line 2: allow_origins.1: \"https://a.example/\" is no origin: SCHEME://HOST[:PORT] without a path, "
         "the port may be `*`; or `null`, or `*`"},
        {"{\"hosts\": [\"https://bridge.example\"]}",
         "line 1: hosts.0: \"https://bridge.example\" is no host; a name or an address is expected, without "
         "https:// and without a port"},
        {"{\"hosts\": [\"bridge.example:8443\"]}",
         "line 1: hosts.0: \"bridge.example:8443\" is no host; a name or an address is expected, without "
         "https:// and without a port"},
    };
    ASSERT_ALL_REFUSED(refusals);
}

#define UPSTREAMS "\"upstreams\": {\"default\": \"tcp://127.0.0.1:5000\"}"
#define LISTEN    "\"listen\": [{\"url\": \"http://127.0.0.1:0\"}]"

static void what_only_the_whole_can_tell_has_a_line_too(void **state) {
    (void)state;
    static const struct refusal refusals[] = {
        {"{" UPSTREAMS
         ",\n\"listen\": [\n{\"url\": \"http://127.0.0.1:0\"},\n{\"url\": \"https://127.0.0.1:0\"}]}",
         "line 4: listen.1: https://127.0.0.1:0 has no certificate; \"cert\" (or --cert FILE) is expected"},
        {"{" UPSTREAMS ",\n\"listen\": [{\"url\": \"https://127.0.0.1:0\", \"cert\": \"c\"}]}",
         "line 2: listen.0: https://127.0.0.1:0 has a certificate, but not its private key; \"key\" (or "
         "--key FILE) is expected"},
        {"{" UPSTREAMS ",\n\"listen\": [{\"url\": \"http://127.0.0.1:0\",\n\"cert\": \"c\"}]}",
         "line 3: listen.0.cert: http://127.0.0.1:0 takes no certificate; https:// is expected"},
        {"{" UPSTREAMS
         ",\n\"listen\": [{\"url\": \"http://127.0.0.1:80\"},\n{\"url\": \"https://127.0.0.1:80\","
         "\"cert\": \"c\", \"key\": \"k\"}]}",
         "line 3: listen.1.url: https://127.0.0.1:80 is also the address of http://127.0.0.1:80; another one "
         "is "
         "expected"},
        {"{\"listen\": [{\"url\": \"unix:/run/a\"}, {\"url\": \"unix:/run/b\"},\n{\"url\": "
         "\"unix:/run/a\"}]}",
         "line 2: listen.2.url: unix:/run/a is also the address of unix:/run/a; another one is expected"},
        {"{\"listen\": [{\"url\": \"http://127.0.0.1:80\"}],\n\"admin\": {\"listen\": "
         "\"http://127.0.0.1:80\"}}",
         "line 2: admin.listen: http://127.0.0.1:80 is also the address of http://127.0.0.1:80; another one "
         "is "
         "expected"},
        {"{\"listen\": [{\"url\": \"http://127.0.0.1:80\",\n\"mode\": \"0660\"}]}",
         "line 2: listen.0.mode: http://127.0.0.1:80 is no file that has a mode; unix:/PATH is expected"},
        {"{" LISTEN ",\n\"admin\": {\"listen\": \"http://127.0.0.1:80\", \"mode\": \"0660\"}}",
         "line 2: admin.mode: http://127.0.0.1:80 is no file that has a mode; unix:/PATH is expected"},
        {"{" LISTEN ",\n\"admin\": {\"mode\": \"0660\"}}",
         "line 2: admin.mode: nobody listens there; \"listen\": \"unix:/PATH\" is expected beside it"},
        {"{" UPSTREAMS "," LISTEN ",\n\"limits\": {\n\"queue_high\": 67108865}}",
         "line 3: limits.queue_high: 67108865 can't be taken; at most limits.queue_bytes, 67108864, is "
         "expected"},
        {"{" UPSTREAMS "," LISTEN ",\n\"limits\": {\n\"queue_bytes\": 1048576}}",
         "line 3: limits.queue_bytes: 1048576 can't be taken; at least limits.message_bytes, 8388608, is "
         "expected"},
        {"{" UPSTREAMS "," LISTEN ",\n\"limits\": {\n\"memory_bytes\": 33554432}}",
         "line 3: limits.memory_bytes: 33554432 can't be taken; at least limits.queue_bytes, 67108864, is "
         "expected"},
    };
    ASSERT_ALL_REFUSED(refusals);
}

#define OWN(UPSTREAM, LISTENER)                                                                              \
    UPSTREAM " is this bridge's own listener " LISTENER ", so that each connection would open another one, " \
             "without end; the address of a Python Router or Service is expected"

static void no_upstream_leads_back_to_the_bridge(void **state) {
    (void)state;
    static const struct refusal refusals[] = {
        {"{\"listen\": [{\"url\": \"http://127.0.0.1:80\"}],\n\"upstreams\": {\n\"default\": "
         "\"tcp://127.0.0.1:80\"}}",
         "line 3: upstreams.default: " OWN("tcp://127.0.0.1:80", "http://127.0.0.1:80")},
        {"{\"listen\": [{\"url\": \"http://0.0.0.0:80\"}],\n\"upstreams\": {\"default\": "
         "\"tls://localhost:80\"}}",
         "line 2: upstreams.default: " OWN("tls://localhost:80", "http://0.0.0.0:80")},
        {"{\"listen\": [{\"url\": \"unix:/run/a\"}],\n\"upstreams\": {\"default\": \"unix:/run/a\"}}",
         "line 2: upstreams.default: " OWN("unix:/run/a", "unix:/run/a")},
        /* by way of another one */
        {"{\"listen\": [{\"url\": \"unix:/run/a\", \"upstreams\": [\"b\"]}, {\"url\": \"http://[::1]:81\", "
         "\"upstreams\": [\"a\"]}],\n\"upstreams\": {\"a\": \"unix:/run/a\",\n\"b\": "
         "\"tcp://localhost:81\"}}",
         "line 2: upstreams.a: " OWN("unix:/run/a", "unix:/run/a")},
    };
    ASSERT_ALL_REFUSED(refusals);
    static const char *const taken[] = {
        "{\"listen\": [{\"url\": \"http://127.0.0.1:80\"}], \"upstreams\": {\"default\": "
        "\"tcp://127.0.0.2:80\"}}",
        "{\"listen\": [{\"url\": \"http://127.0.0.1:80\"}], \"upstreams\": {\"default\": "
        "\"tcp://10.0.0.1:80\"}}",
        "{\"listen\": [{\"url\": \"http://127.0.0.1:80\"}], \"upstreams\": {\"default\": "
        "\"tcp://127.0.0.1:81\"}}",
        "{\"listen\": [{\"url\": \"http://127.0.0.1:80\", \"upstreams\": [\"far\"]}, {\"url\": "
        "\"unix:/run/a\", "
        "\"upstreams\": [\"inside\"]}], \"upstreams\": {\"far\": \"unix:/run/a\", \"inside\": \"router:\"}}",
    };
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        char error[CONFIG_ERROR_MAX] = "";
        read_text(taken[i], strlen(taken[i]), error);
        assert_string_equal(error, "");
    }
}

static void lists_are_bounded(void **state) {
    (void)state;
    static char text[16384];
    char error[CONFIG_ERROR_MAX];
    static const struct {
        const char *before, *item, *after;
    } lists[] = {
        {"{\"hosts\": [", "\"h\"", "]," UPSTREAMS "," LISTEN "}"},
        {"{\"listen\": [", "{\"url\": \"http://127.0.0.1:0\"}", "]," UPSTREAMS "}"},
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        for (size_t count = CONFIG_LIST_MAX; count <= CONFIG_LIST_MAX + 1; count++) {
            size_t used = (size_t)snprintf(text, sizeof text, "%s", lists[i].before);
            for (size_t j = 0; j < count; j++) {
                used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", j > 0 ? "," : "",
                                         lists[i].item);
            }
            snprintf(text + used, sizeof text - used, "%s", lists[i].after);
            assert_int_equal(read_text(text, strlen(text), error), count > CONFIG_LIST_MAX ? -EINVAL : 0);
        }
    }
}

static void nothing_to_do_has_a_hint(void **state) {
    (void)state;
    char error[CONFIG_ERROR_MAX], expected[CONFIG_ERROR_MAX];
    assert_int_equal(read_text("{}", 2, error), -EINVAL);
    snprintf(expected, sizeof expected,
             "nothing to listen on: give --listen https://127.0.0.1:8443, or \"listen\" in %s", fixture_file);
    assert_string_equal(error, expected);
    /* Without an upstream there is the router inside. */
    assert_int_equal(read_text("{" LISTEN "}", strlen("{" LISTEN "}"), error), 0);
}

static void files_that_are_none(void **state) {
    (void)state;
    struct config *config = config_new();
    char error[CONFIG_ERROR_MAX];
    assert_int_equal(config_read_file(config, "/nowhere/bridge.json", error), -ENOENT);
    assert_string_equal(error, "/nowhere/bridge.json: can't be opened: No such file or directory");
    assert_int_equal(config_read_file(config, "/tmp", error), -EISDIR);
    assert_string_equal(error, "/tmp: can't be read: Is a directory");
    static char large[(1 << 20) + 1];
    memset(large, ' ', sizeof large);
    assert_int_equal(config_read_file(config, fixture_write_bytes(large, sizeof large), error), -EFBIG);
    assert_non_null(strstr(error, "larger than 1 MiB; a configuration is expected"));
    config_free(config);
}

static void lines_are_found(void **state) {
    (void)state;
    static const char text[] = "{\n"
                               "  \"a\": { \"x\": [1, 2,\n"
                               "    [3, {\"deep\":\n"
                               "      \"va\\\"lue,:{\" }]] },\n"
                               "  \"a.b\"\n"
                               "    : true,\n"
                               "  \"c\": -1.5e3, \"d\": null,\n"
                               "  \"\": {}\n"
                               "}\n";
    static const struct {
        const char *path;
        unsigned line;
        bool whole;
    } cases[] = {
        {"", 1, true},         {"a", 2, true},      {"a.x", 2, true},
        {"a.x.1", 2, true},    {"a.x.2", 3, true},  {"a.x.2.1.deep", 3, true},
        {"a.x.3", 2, false},   {"a.x.01", 2, true}, {"a.x.z", 2, false},
        {"a.b", 5, true},      {"c", 7, true},      {"d", 7, true},
        {"d.e", 7, false},     {"e", 1, false},     {"c.0", 7, false},
        {"a.x.2.9", 3, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(config_line_of(text, cases[i].path), cases[i].line);
        assert_int_equal(config_has_path(text, cases[i].path), cases[i].whole);
    }
    /* Whatever it is given, it ends. */
    for (size_t length = 0; length < sizeof text; length++) {
        char cut[sizeof text];
        memcpy(cut, text, length);
        cut[length] = '\0';
        assert_true(config_line_of(cut, "a.x.2.1.deep") <= 4);
    }
}

static void the_nearest_word(void **state) {
    (void)state;
    static const char *const known[] = {"listen", "limits", "log", NULL};
    assert_string_equal(nearest_word("listens", known), "listen");
    assert_string_equal(nearest_word("lisetn", known), "listen");
    assert_string_equal(nearest_word("limit", known), "limits");
    assert_null(nearest_word("upstream", known));
    assert_null(nearest_word("", known));
    assert_null(
        nearest_word("a word that is far longer than any that is known here, and than the table", known));
}

static void every_number_keeps_to_its_row(void **state) {
    (void)state;
    for (size_t i = 0; i < config_table_rows; i++) {
        const struct config_row *row = &config_table[i];
        if (row->type != CONFIG_SIZE && row->type != CONFIG_MS) {
            continue;
        }
        bool is_of_policy = row->section != NULL && strcmp(row->section, "policy") == 0;
        if (!is_of_policy) { /* where it may be left out, and then says nothing */
            assert_in_range(row->standard, row->minimum, row->maximum);
        }
        const char *more = strcmp(row->name, "calls_burst") == 0   ? ", \"calls_per_second\": 1"
                           : strcmp(row->name, "bytes_burst") == 0 ? ", \"bytes_per_second\": 1"
                                                                   : "";
        uint64_t tried[] = {row->minimum, row->maximum, row->minimum - 1, row->maximum + 1};
        for (size_t j = 0; j < 4; j++) {
            char text[256], error[CONFIG_ERROR_MAX];
            struct config *config = config_new();
            snprintf(text, sizeof text, "{\"%s\": {\"%s\": %lld%s}}", row->section, row->name,
                     (long long)tried[j], more);
            assert_int_equal(config_read_file(config, fixture_write(text), error), j < 2 ? 0 : -EINVAL);
            uint64_t stored = 0;
            const char *owner = is_of_policy ? (const char *)&config->policy : (const char *)config;
            memcpy(&stored, owner + row->offset, sizeof stored);
            assert_int_equal(stored, j < 2 ? tried[j] : row->standard);
            config_free(config);
        }
    }
}

static void test_is_there_until_the_last_lets_go(void **state) {
    (void)state;
    struct config *config = config_new();
    assert_non_null(config);
    const struct config *held = config_hold(config);
    assert_ptr_equal(held, config);
    config_free(config);
    assert_int_equal(held->limits.nesting,
                     64); /* the sanitizer sees to it that this is still there, and to the end */
    config_drop(held);
    config_drop(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_there_until_the_last_lets_go),
        cmocka_unit_test(defaults_are_those_of_the_design),
        cmocka_unit_test(everything_that_can_be_said_is_read),
        cmocka_unit_test(a_mode_is_read_as_chmod_does),
        cmocka_unit_test(what_is_no_json_is_refused_by_its_line),
        cmocka_unit_test(unknown_keys_name_the_nearest),
        cmocka_unit_test(numbers_have_bounds_and_words_are_known),
        cmocka_unit_test(listeners_and_upstreams_are_checked),
        cmocka_unit_test(origins_and_hosts_are_checked),
        cmocka_unit_test(what_only_the_whole_can_tell_has_a_line_too),
        cmocka_unit_test(no_upstream_leads_back_to_the_bridge),
        cmocka_unit_test(lists_are_bounded),
        cmocka_unit_test(nothing_to_do_has_a_hint),
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(lines_are_found),
        cmocka_unit_test(the_nearest_word),
        cmocka_unit_test(every_number_keeps_to_its_row),
    };
    return cmocka_run_group_tests_name("config", tests, fixture_begin, fixture_end);
}
