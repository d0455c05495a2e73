/* Policies in the configuration file, and the patterns they are made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "config/config_patterns.h"
#include "config_fixture.h"

static void patterns_match_whole_names(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool matches;
    } rows[] = {
        {"add", "add", true},
        {"add", "adds", false},
        {"add", "ad", false},
        {"add", "", false},
        {"*", "", true},
        {"*", "anything", true},
        {"**", "x", true},
        {"a*", "a", true},
        {"a*", "abc", true},
        {"a*", "ba", false},
        {"*a", "a", true},
        {"*a", "aba", true},
        {"*a", "ab", false},
        {"a*b", "ab", true},
        {"a*b", "a_b_b", true},
        {"a*b", "a_b_c", false},
        {"a*b*c", "abc", true},
        {"a*b*c", "axbxbxc", true},
        {"a*b*c", "acb", false},
        {"report_*", "report", false},
        {"report_*", "report_", true},
        {"*.math.*", "x.math.y", true},
        {"a?", "ab", false},
        {"Add", "add", false},
        {"*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config_patterns patterns = {0};
        assert_int_equal(config_patterns_add(&patterns, rows[i].pattern), 0);
        if (config_patterns_match(&patterns, rows[i].name, strlen(rows[i].name)) != rows[i].matches) {
            fail_msg("%s of %s", rows[i].pattern, rows[i].name);
        }
        config_patterns_clear(&patterns);
    }
    assert_false(config_pattern_matches("a", "a\0b", 3));
    assert_true(config_pattern_matches("*", NULL, 0));
}

/* Each of a list is found, in whatever order they were given; what stands between them is not. */
static void long_lists_find_each(void **state) {
    (void)state;
    struct config_patterns patterns = {0};
    char name[16];
    assert_false(config_patterns_match(&patterns, NULL, 0));
    for (unsigned i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "f%u", i * 7919 % 500 * 2);
        assert_int_equal(config_patterns_add(&patterns, name), 0);
    }
    for (unsigned i = 0; i < 1000; i++) {
        int length = snprintf(name, sizeof name, "f%u", i);
        assert_int_equal(config_patterns_match(&patterns, name, (size_t)length), i % 2 == 0);
    }
    assert_false(config_patterns_match(&patterns, NULL, 0));
    config_patterns_clear(&patterns);
}

static void everything_of_a_policy_is_read(void **state) {
    (void)state;
    const char *file = fixture_write(
        "{ \"policy\": { \"allow_functions\": [\"add\", \"report_*\"], \"deny_functions\": [],\n"
        "  \"allow_receivers\": [\"w*\"], \"deny_receivers\": [\"w9\"], \"visible\": [\"*\"], \"expose\": "
        "[\"notify\"],\n"
        "  \"serdes\": [\"json\", \"raw\"], \"function_serdes\": { \"thumb*\": [\"raw\", \"msgpack\"] },\n"
        "  \"calls_per_second\": 10, \"calls_burst\": 20, \"bytes_per_second\": 1000, \"bytes_burst\": "
        "2000,\n"
        "  \"calls_in_flight\": 5 },\n"
        "  \"listen\": [ { \"url\": \"http://127.0.0.1:0\", \"policy\": { \"serdes\": [\"pickle\"] } } ],\n"
        "  \"upstreams\": { \"a\": { \"url\": \"router:\", \"policy\": { \"visible\": [] } }, \"b\": "
        "\"router:\" } }\n");
    struct config *config = config_new();
    char error[CONFIG_ERROR_MAX] = "";
    assert_int_equal(config_read_file(config, file, error), 0);
    assert_int_equal(config_finish(config, error), 0);
    const struct config_policy *policy = &config->policy;
    assert_int_equal(policy->allow_functions.names_count, 1);
    assert_string_equal(policy->allow_functions.wild[0], "report_*");
    assert_true(policy->deny_functions.is_given);
    assert_string_equal(policy->allow_receivers.wild[0], "w*");
    assert_string_equal(policy->deny_receivers.names[0], "w9");
    assert_string_equal(policy->visible.wild[0], "*");
    assert_string_equal(policy->expose.names[0], "notify");
    assert_int_equal(policy->serdes, 1U << CONFIG_JSON | 1U << CONFIG_RAW);
    assert_int_equal(policy->pins_count, 1);
    assert_string_equal(policy->pins[0].function, "thumb*");
    assert_int_equal(policy->pins[0].serdes, 1U << CONFIG_RAW | 1U << CONFIG_MSGPACK);
    assert_int_equal(policy->calls_per_second, 10);
    assert_int_equal(policy->calls_burst, 20);
    assert_int_equal(policy->bytes_per_second, 1000);
    assert_int_equal(policy->bytes_burst, 2000);
    assert_int_equal(policy->calls_in_flight, 5);
    assert_int_equal(config->listeners[0].policy.serdes, 1U << CONFIG_PICKLE);
    assert_true(config->upstreams[0].policy.visible.is_given);
    assert_int_equal(config->upstreams[0].policy.visible.names_count, 0);
    assert_false(config->upstreams[1].policy.visible.is_given);
    config_free(config);
}

static void what_is_wrong_in_a_policy_is_named(void **state) {
    (void)state;
    static const struct {
        const char *text, *what;
    } rows[] = {
        {"{\"policy\": []}", "line 1: policy: [] can't be taken; an object { ... } is expected"},
        {"{\"policy\": {\n\"allow_function\": []}}",
         "line 2: policy.allow_function: unknown key; did you mean \"allow_functions\"?"},
        {"{\"policy\": {\"deny_functions\": \"add\"}}",
         "line 1: policy.deny_functions: \"add\" can't be taken; a list [ ... ] of at most 1024 names is "
         "expected"},
        {"{\"policy\": {\"visible\": [\n\"a\",\n1]}}",
         "line 3: policy.visible.1: 1 is no text; a text in quotes is expected"},
        {"{\"policy\": {\"visible\": [\"\"]}}",
         "line 1: policy.visible.0: \"\" is no text; a text in quotes is expected"},
        {"{\"policy\": {\"expose\": [\"a|b\"]}}", "line 1: policy.expose.0: \"a|b\" is no name; 1 to 255 "
                                                  "bytes without \"|\" and control characters are "
                                                  "expected, \"*\" for any run of them"},
        {"{\"policy\": {\"serdes\": []}}",
         "line 1: policy.serdes: [] can't be taken; a list of \"raw\", \"json\", "
         "\"pickle\" or \"msgpack\" is expected"},
        {"{\"policy\": {\"serdes\": [\"json\", \"xml\"]}}",
         "line 1: policy.serdes.1: \"xml\" is no serde; \"raw\", \"json\", \"pickle\" or \"msgpack\" is "
         "expected"},
        {"{\"policy\": {\"function_serdes\": []}}",
         "line 1: policy.function_serdes: [] can't be taken; an object {\"FUNCTION\": [\"raw\", ...]} of at "
         "most 1024 is "
         "expected"},
        {"{\"policy\": {\"function_serdes\": {\"thumbnail\":\n \"raw\"}}}",
         "line 1: policy.function_serdes.thumbnail: \"raw\" can't be taken; a list of \"raw\", \"json\", "
         "\"pickle\" or "
         "\"msgpack\" is expected"},
        {"{\"policy\": {\"function_serdes\": {\"\": [\"raw\"]}}}",
         "line 1: policy.function_serdes.: \"\" is no name; 1 to 255 bytes without \"|\" and control "
         "characters are "
         "expected, \"*\" for any run of them"},
        {"{\"policy\": {\"calls_per_second\": 0}}",
         "line 1: policy.calls_per_second: 0 can't be taken; a whole number from 1 to 1000000 is expected"},
        {"{\"policy\": {\n\"calls_burst\": 7}}", "line 2: policy.calls_burst: 7 limits nothing by itself; "
                                                 "\"calls_per_second\" is expected with it"},
        {"{\"policy\": {\"bytes_burst\": 7}}", "line 1: policy.bytes_burst: 7 limits nothing by itself; "
                                               "\"bytes_per_second\" is expected with it"},
        {"{\"listen\": [{\"url\": \"http://127.0.0.1:0\",\n\"policy\": {\"serdes\": 1}}]}",
         "line 2: listen.0.policy.serdes: 1 can't be taken; a list of \"raw\", \"json\", \"pickle\" or "
         "\"msgpack\" is "
         "expected"},
        {"{\"upstreams\": {\"a\": {\"url\": \"router:\",\n\"policy\": {\"calls_in_flight\": 65536}}}}",
         "line 2: upstreams.a.policy.calls_in_flight: 65536 can't be taken; a whole number from 1 to 65535 "
         "is "
         "expected"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char error[CONFIG_ERROR_MAX] = "", expected[CONFIG_ERROR_MAX];
        struct config *config = config_new();
        assert_int_equal(config_read_file(config, fixture_write(rows[i].text), error), -EINVAL);
        snprintf(expected, sizeof expected, "%s: %s", fixture_file, rows[i].what);
        assert_string_equal(error, expected);
        config_free(config);
    }
}

static void a_list_of_too_many_names_is_refused(void **state) {
    (void)state;
    char *text = NULL, error[CONFIG_ERROR_MAX] = "";
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    fputs("{\"policy\": {\"visible\": [", out);
    for (unsigned i = 0; i <= CONFIG_PATTERNS_MAX; i++) {
        fprintf(out, "%s\"m%u\"", i > 0 ? "," : "", i);
    }
    fputs("]}}", out);
    fclose(out);
    struct config *config = config_new();
    assert_int_equal(config_read_file(config, fixture_write(text), error), -EINVAL);
    assert_non_null(strstr(error, "a list [ ... ] of at most 1024 names is expected"));
    config_free(config);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_whole_names),
        cmocka_unit_test(long_lists_find_each),
        cmocka_unit_test(everything_of_a_policy_is_read),
        cmocka_unit_test(what_is_wrong_in_a_policy_is_named),
        cmocka_unit_test(a_list_of_too_many_names_is_refused),
    };
    return cmocka_run_group_tests_name("config policy", tests, fixture_begin, fixture_end);
}
