/* What pages may do, as a table: policies as they are written in the configuration, a call, and what becomes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bridge/guard/policy.h"
#include "config_fixture.h"

/* The policies of `text`: of the bridge, of its first listener, of its first upstream. */
static struct config *config;

static struct policy policy_of(const char *text) {
    char error[CONFIG_ERROR_MAX] = "";
    struct policy policy = {0};
    config_free(config);
    config = config_new();
    if (config_read_file(config, fixture_write(text), error) < 0) {
        fail_msg("%s", error);
    }
    policy_add(&policy, &config->policy);
    if (config->listeners_count > 0) {
        policy_add(&policy, &config->listeners[0].policy);
    }
    if (config->upstreams_count > 0) {
        policy_add(&policy, &config->upstreams[0].policy);
    }
    return policy;
}

static struct daffi_message call_of(const char *receiver, const char *function, enum daffi_decoder decoder) {
    return (struct daffi_message){.uuid = 7,
                                  .flag = DAFFI_REQUEST,
                                  .decoder = decoder,
                                  .transmitter = daffi_span_text("page"),
                                  .receiver = daffi_span_text(receiver),
                                  .function = daffi_span_text(function)};
}

#define ALL              "{}"
#define LISTENER(policy) "{\"listen\": [{\"url\": \"http://127.0.0.1:0\", \"policy\": " policy "}]"
#define UPSTREAM(policy) "\"upstreams\": {\"a\": {\"url\": \"router:\", \"policy\": " policy "}}"

static void one_row_one_verdict(void **state) {
    (void)state;
    static const struct {
        const char *text, *receiver, *function;
        enum daffi_decoder decoder;
        enum policy_verdict verdict;
        const char *sentence; /* part of it */
    } rows[] = {
        {ALL, "w1", "add", DAFFI_JSON, POLICY_ALLOWED, ""},
        {ALL, "w1", "add", DAFFI_MSGPACK, POLICY_ALLOWED, ""},
        {ALL, "w1", "add", DAFFI_OPAQUE, POLICY_ALLOWED, ""},
        {ALL, "w1", "add", DAFFI_PICKLE, POLICY_SERDE,
         "no calls in pickle from pages: use one of raw, json, msgpack"},
        {ALL, "", "", DAFFI_JSON, POLICY_ALLOWED, ""},
        /* functions */
        {"{\"policy\": {\"allow_functions\": [\"add\", \"math.*\"]}}", "w1", "add", DAFFI_JSON,
         POLICY_ALLOWED, ""},
        {"{\"policy\": {\"allow_functions\": [\"add\", \"math.*\"]}}", "w1", "math.pi", DAFFI_JSON,
         POLICY_ALLOWED, ""},
        {"{\"policy\": {\"allow_functions\": [\"add\", \"math.*\"]}}", "w1", "adds", DAFFI_JSON,
         POLICY_FUNCTION,
         "does not let pages call the function \"adds\": call one of those that the handshake names"},
        {"{\"policy\": {\"allow_functions\": []}}", "w1", "add", DAFFI_JSON, POLICY_FUNCTION, "\"add\""},
        {"{\"policy\": {\"deny_functions\": [\"admin_*\"]}}", "w1", "admin_stop", DAFFI_JSON, POLICY_FUNCTION,
         "\"admin_stop\""},
        {"{\"policy\": {\"deny_functions\": [\"admin_*\"]}}", "w1", "add", DAFFI_JSON, POLICY_ALLOWED, ""},
        {"{\"policy\": {\"allow_functions\": [\"*\"], \"deny_functions\": [\"a\"]}}", "w1", "a", DAFFI_JSON,
         POLICY_FUNCTION, "\"a\""},
        {"{\"policy\": {\"deny_functions\": [\"x\"]}}", "w1", "a|b\n", DAFFI_JSON, POLICY_ALLOWED, ""},
        {"{\"policy\": {\"allow_functions\": [\"x\"]}}", "w1", "a\nb", DAFFI_JSON, POLICY_FUNCTION, "\"a"},
        /* receivers */
        {"{\"policy\": {\"allow_receivers\": [\"w*\"]}}", "w1", "add", DAFFI_JSON, POLICY_ALLOWED, ""},
        {"{\"policy\": {\"allow_receivers\": [\"w*\"]}}", "x", "add", DAFFI_JSON, POLICY_RECEIVER,
         "does not let pages call \"x\": call one of the members that the handshake names"},
        {"{\"policy\": {\"deny_receivers\": [\"w1\"]}}", "w1", "add", DAFFI_JSON, POLICY_RECEIVER, "\"w1\""},
        {"{\"policy\": {\"deny_receivers\": [\"w1\"]}}", "w2", "add", DAFFI_JSON, POLICY_ALLOWED, ""},
        {"{\"policy\": {\"visible\": [\"public-*\"]}}", "public-1", "add", DAFFI_JSON, POLICY_ALLOWED, ""},
        {"{\"policy\": {\"visible\": [\"public-*\"]}}", "internal", "add", DAFFI_JSON, POLICY_HIDDEN,
         "no member called \"internal\" is connected"},
        {"{\"policy\": {\"visible\": [], \"deny_receivers\": [\"w1\"]}}", "w1", "add", DAFFI_JSON,
         POLICY_HIDDEN, "no member"},
        /* serdes */
        {"{\"policy\": {\"serdes\": [\"json\"]}}", "w1", "add", DAFFI_JSON, POLICY_ALLOWED, ""},
        {"{\"policy\": {\"serdes\": [\"json\"]}}", "w1", "add", DAFFI_MSGPACK, POLICY_SERDE,
         "no calls in msgpack from pages: use one of json"},
        {"{\"policy\": {\"serdes\": [\"pickle\"]}}", "w1", "add", DAFFI_PICKLE, POLICY_ALLOWED, ""},
        {"{\"policy\": {\"serdes\": [\"pickle\"]}}", "w1", "add", DAFFI_JSON, POLICY_SERDE,
         "use one of pickle"},
        {"{\"policy\": {\"function_serdes\": {\"thumbnail\": [\"raw\", \"msgpack\"]}}}", "w1", "thumbnail",
         DAFFI_JSON, POLICY_PINNED,
         "no calls of the function \"thumbnail\" in json: use one of raw, msgpack"},
        {"{\"policy\": {\"function_serdes\": {\"thumbnail\": [\"raw\", \"msgpack\"]}}}", "w1", "thumbnail",
         DAFFI_OPAQUE, POLICY_ALLOWED, ""},
        {"{\"policy\": {\"function_serdes\": {\"thumbnail\": [\"raw\", \"msgpack\"]}}}", "w1", "add",
         DAFFI_JSON, POLICY_ALLOWED, ""},
        {"{\"policy\": {\"function_serdes\": {\"thumb*\": [\"raw\", \"pickle\"]}}}", "w1", "thumbnail",
         DAFFI_PICKLE, POLICY_SERDE, "pickle"},
        {"{\"policy\": {\"function_serdes\": {\"t*\": [\"raw\"], \"*l\": [\"json\"]}}}", "w1", "tl",
         DAFFI_JSON, POLICY_PINNED, "use one of none"},
        /* several: all have to allow */
        {LISTENER("{\"allow_functions\": [\"a*\"]}") ", \"policy\": {\"deny_functions\": "
                                                     "[\"ab\"]}, " UPSTREAM(
                                                         "{\"allow_functions\": [\"*b\", \"*c\"]}") "}",
         "w1", "ac", DAFFI_JSON, POLICY_ALLOWED, ""},
        {LISTENER("{\"allow_functions\": [\"a*\"]}") ", \"policy\": {\"deny_functions\": "
                                                     "[\"ab\"]}, " UPSTREAM(
                                                         "{\"allow_functions\": [\"*b\", \"*c\"]}") "}",
         "w1", "ab", DAFFI_JSON, POLICY_FUNCTION, ""},
        {LISTENER("{\"allow_functions\": [\"a*\"]}") ", \"policy\": {\"deny_functions\": "
                                                     "[\"ab\"]}, " UPSTREAM(
                                                         "{\"allow_functions\": [\"*b\", \"*c\"]}") "}",
         "w1", "ad", DAFFI_JSON, POLICY_FUNCTION, ""},
        {LISTENER("{\"serdes\": [\"json\", \"pickle\"]}") ", \"policy\": {\"serdes\": [\"raw\", \"json\"]}}",
         "w1", "a", DAFFI_PICKLE, POLICY_SERDE, "use one of json"},
        {LISTENER("{}") ", " UPSTREAM("{\"serdes\": [\"json\", \"pickle\"]}") "}", "w1", "a", DAFFI_PICKLE,
         POLICY_ALLOWED, ""},
        {LISTENER("{\"visible\": [\"w*\"]}") ", " UPSTREAM("{\"visible\": [\"*1\"]}") "}", "w2", "a",
         DAFFI_JSON, POLICY_HIDDEN, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char sentence[512];
        const struct policy policy = policy_of(rows[i].text);
        const struct daffi_message call = call_of(rows[i].receiver, rows[i].function, rows[i].decoder);
        enum policy_verdict verdict = policy_check(&policy, &call);
        policy_explain(&policy, verdict, &call, sentence, sizeof sentence);
        if (verdict != rows[i].verdict || strstr(sentence, rows[i].sentence) == NULL) {
            fail_msg("row %zu, %s: %d, %s", i, rows[i].text, verdict, sentence);
        }
        for (const char *c = sentence; *c != '\0'; c++) {
            assert_true((unsigned char)*c >= 0x20);
        }
    }
}

static void what_may_not_be_called_is_not_shown(void **state) {
    (void)state;
    struct policy policy = policy_of(ALL);
    assert_true(policy_shows_all(&policy));
    policy =
        policy_of("{\"policy\": {\"serdes\": [\"json\"], \"calls_per_second\": 1, \"expose\": [\"*\"]}}");
    assert_true(policy_shows_all(&policy));
    policy = policy_of(
        "{\"policy\": {\"visible\": [\"w*\"], \"deny_receivers\": [\"w9\"], \"deny_functions\": [\"f\"]}}");
    assert_false(policy_shows_all(&policy));
    assert_true(policy_shows_member(&policy, daffi_span_text("w1")));
    assert_false(policy_shows_member(&policy, daffi_span_text("w9")));
    assert_false(policy_shows_member(&policy, daffi_span_text("x")));
    assert_false(policy_allows_function(&policy, daffi_span_text("f")));
    assert_true(policy_allows_function(&policy, daffi_span_text("g")));
}

static void pages_expose_what_all_lists_name(void **state) {
    (void)state;
    struct policy policy = policy_of(ALL);
    assert_false(policy_may_expose(&policy, daffi_span_text("notify")));
    policy = policy_of("{\"policy\": {\"expose\": [\"notify\", \"n*\"]}}");
    assert_true(policy_may_expose(&policy, daffi_span_text("notify")));
    assert_false(policy_may_expose(&policy, daffi_span_text("other")));
    policy = policy_of(LISTENER("{\"expose\": [\"notify\"]}") ", \"policy\": {\"expose\": [\"*\"]}}");
    assert_true(policy_may_expose(&policy, daffi_span_text("notify")));
    assert_false(policy_may_expose(&policy, daffi_span_text("nothing")));
    policy = policy_of(LISTENER("{\"expose\": []}") ", \"policy\": {\"expose\": [\"*\"]}}");
    assert_false(policy_may_expose(&policy, daffi_span_text("notify")));
}

static void what_others_serve_is_shared_where_one_says_so(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool shares;
    } rows[] = {
        {ALL, false},
        {"{\"policy\": {\"expose\": [\"*\"]}}", false},
        {"{\"policy\": {\"expose_shared\": false}}", false},
        {"{\"policy\": {\"expose_shared\": true}}", true},
        {LISTENER("{\"expose_shared\": true}") "}", true},
        {LISTENER("{\"expose_shared\": true}") ", \"policy\": {\"expose_shared\": false}}", true},
        {"{" UPSTREAM("{\"expose_shared\": true}") "}", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct policy policy = policy_of(rows[i].text);
        if (policy_shares_exposed(&policy) != rows[i].shares) {
            fail_msg("%s", rows[i].text);
        }
    }
}

static void names_of_pages_are_by_all_lists_and_never_our_own(void **state) {
    (void)state;
    static const char WEB[] =
        "{\"policy\": {\"allow_names\": [\"web-*\", \"guest\"], \"deny_names\": [\"web-root\"]}}";
    static const char OPEN[] = "{\"policy\": {\"allow_names\": [\"*\"]}}";
    static const char BOTH[] =
        LISTENER("{\"allow_names\": [\"*-1\"]}") ", \"policy\": {\"allow_names\": [\"web-*\"]}}";
    static const struct {
        const char *text, *name, *sentence; /* NULL: it may be called so */
    } rows[] = {
        {ALL, "w1", NULL},
        {ALL, "daffi", NULL},
        {ALL, "daffi-bridge", "reserved"},
        {ALL, "daffi-bridge-watch-1", "reserved"},
        {OPEN, "daffi-bridge-watch-1", "reserved"},
        {OPEN, "anything", NULL},
        {WEB, "web-1", NULL},
        {WEB, "guest", NULL},
        {WEB, "web-root", "reserved"},
        {WEB, "w1", "names like \"web-*\", \"guest\" are accepted"},
        {WEB, "Web-1", "\"Web-1\""},
        {WEB, "guest2", "\"guest2\""},
        {"{\"policy\": {\"allow_names\": []}}", "a", "names like none are accepted"},
        {BOTH, "web-1", NULL},
        {BOTH, "web-2", "\"*-1\""},
        {BOTH, "x-1", "\"web-*\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512] = "";
        const struct policy policy = policy_of(rows[i].text);
        const struct daffi_span name = daffi_span_text(rows[i].name);
        bool is_right = policy_allows_name(&policy, name) == (rows[i].sentence == NULL);
        if (is_right && rows[i].sentence != NULL) {
            is_right =
                strstr(policy_explain_name(&policy, name, text, sizeof text), rows[i].sentence) != NULL;
        }
        if (!is_right) {
            fail_msg("%s, \"%s\": %s", rows[i].text, rows[i].name, text);
        }
    }
}

static void the_smallest_numbers_hold(void **state) {
    (void)state;
    struct policy policy = policy_of(ALL);
    assert_int_equal(policy_call_rate(&policy).per_second, 0);
    assert_int_equal(policy_byte_rate(&policy).per_second, 0);
    assert_int_equal(policy_calls_in_flight(&policy, 1024), 1024);
    policy = policy_of(LISTENER(
        "{\"calls_per_second\": 5, \"calls_burst\": 9, \"calls_in_flight\": 3}") ", \"policy\": "
                                                                                 "{\"calls_per_second\": 7, "
                                                                                 "\"calls_in_flight\": 2000, "
                                                                                 "\"bytes_per_second\": "
                                                                                 "100}}");
    assert_int_equal(policy_call_rate(&policy).per_second, 5);
    assert_int_equal(policy_call_rate(&policy).burst, 9);
    assert_int_equal(policy_byte_rate(&policy).per_second, 100);
    assert_int_equal(policy_byte_rate(&policy).burst, 100);
    assert_int_equal(policy_calls_in_flight(&policy, 1024), 3);
}

static void no_more_parts_than_there_is_room_for(void **state) {
    (void)state;
    static const struct config_policy part = {.calls_in_flight = 1};
    struct policy policy = {0};
    for (int i = 0; i < 9; i++) {
        policy_add(&policy, &part);
    }
    assert_int_equal(policy.count, POLICY_PARTS_MAX);
    assert_true(policy_shows_all(&policy));
}

static void what_says_nothing_is_left_out(void **state) {
    (void)state;
    static const struct config_policy nothing;
    static const struct config_policy last = {.bytes_burst = 1}; /* whatever it is that is said */
    struct policy policy = {0};
    policy_add(&policy, &nothing);
    assert_int_equal(policy.count, 0);
    policy_add(&policy, &last);
    assert_int_equal(policy.count, 1);
}

static int forget(void **state) {
    config_free(config);
    config = NULL;
    return fixture_end(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_row_one_verdict),
        cmocka_unit_test(what_may_not_be_called_is_not_shown),
        cmocka_unit_test(pages_expose_what_all_lists_name),
        cmocka_unit_test(what_others_serve_is_shared_where_one_says_so),
        cmocka_unit_test(names_of_pages_are_by_all_lists_and_never_our_own),
        cmocka_unit_test(the_smallest_numbers_hold),
        cmocka_unit_test(no_more_parts_than_there_is_room_for),
        cmocka_unit_test(what_says_nothing_is_left_out),
    };
    return cmocka_run_group_tests_name("policy", tests, fixture_begin, forget);
}
