/* The documents that are made from the table of keys: conf/daffi-bridge.schema.json and the tables of
 * docs/configuration.md say what the parser takes. And the configurations that are shipped are ones.
 *
 *     DAFFI_WRITE_DOCUMENTS=1 build/dev/tests/unit/test_config_documents     writes them anew */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config_patterns.h"
#include "config/config_table.h"
#include "document.h"

#define PROJECT TESTS_DIR "/.."
#define SCHEMA  PROJECT "/conf/daffi-bridge.schema.json"
#define MANUAL  PROJECT "/docs/configuration.md"

/* -- the schema -- */

static json_t *object_of(const char *section);

static json_t *words_of(const struct config_row *row) {
    json_t *words = json_array();
    for (size_t i = 0; row->choices[i] != NULL; i++) {
        json_array_append_new(words, json_string(row->choices[i]));
    }
    return words;
}

static json_t *serdes_schema(const struct config_row *row) {
    return json_pack("{ss si s{so}}", "type", "array", "minItems", 1, "items", "enum", words_of(row));
}

static json_t *row_schema(const struct config_row *row) {
    json_t *schema = NULL;
    switch (row->type) {
    case CONFIG_SIZE:
    case CONFIG_MS:
        schema = json_pack("{ss sI sI}", "type", "integer", "minimum", (json_int_t)row->minimum, "maximum",
                           (json_int_t)row->maximum);
        if (row->standard >= row->minimum) { /* else it is left out by default */
            json_object_set_new(schema, "default", json_integer((json_int_t)row->standard));
        }
        break;
    case CONFIG_BOOL:
        schema = json_pack("{ss sb}", "type", "boolean", "default", row->standard != 0);
        break;
    case CONFIG_CHOICE:
        schema = json_pack("{so ss}", "enum", words_of(row), "default", row->choices[row->standard]);
        break;
    case CONFIG_FILE:
    case CONFIG_FOLDER:
        schema = json_pack("{ss si}", "type", "string", "minLength", 1);
        break;
    case CONFIG_MODE:
        schema = json_pack("{ss ss}", "type", "string", "pattern", "^0[67][0-7][0-7]$");
        break;
    case CONFIG_URL:
        schema = json_pack("{ss ss}", "type", "string", "pattern",
                           strcmp(row->section, "listen") == 0  ? "^(https://|http://|unix:/)"
                           : strcmp(row->section, "admin") == 0 ? "^(http://|unix:/)"
                                                                : "^(tcp://|tls://|unix:/|router:)");
        break;
    case CONFIG_ORIGINS:
    case CONFIG_HOSTS:
        schema = json_pack("{ss si s{ss si}}", "type", "array", "maxItems", CONFIG_LIST_MAX, "items", "type",
                           "string", "minLength", 1);
        break;
    case CONFIG_NAMES:
        schema = json_pack("{ss si si s{ss}}", "type", "array", "minItems", 1, "maxItems", CONFIG_LIST_MAX,
                           "items", "type", "string");
        break;
    case CONFIG_PATTERNS:
        schema = json_pack("{ss si s{ss si si}}", "type", "array", "maxItems", CONFIG_PATTERNS_MAX, "items",
                           "type", "string", "minLength", 1, "maxLength", CONFIG_PATTERN_BYTES_MAX);
        break;
    case CONFIG_SERDES:
        schema = serdes_schema(row);
        break;
    case CONFIG_PINS:
        schema = json_pack("{ss si so}", "type", "object", "maxProperties", CONFIG_PATTERNS_MAX,
                           "additionalProperties", serdes_schema(row));
        break;
    case CONFIG_POLICY:
        schema = row->section == CONFIG_TOP ? object_of("policy")
                                            : json_pack("{ss}", "$ref", "#/properties/policy");
        break;
    case CONFIG_UPSTREAMS:
        schema = json_pack("{ss si s{ss} s{s[oo]}}", "type", "object", "maxProperties", CONFIG_LIST_MAX,
                           "propertyNames", "pattern", "^[A-Za-z0-9._-]{1,64}$", "additionalProperties",
                           "anyOf", row_schema(config_row_find("upstreams", "url")), object_of("upstreams"));
        break;
    case CONFIG_NETWORKS:
        schema = json_pack("{ss si s{ss si}}", "type", "array", "maxItems", CONFIG_LIST_MAX, "items", "type",
                           "string", "minLength", 2);
        break;
    case CONFIG_CERTIFICATES:
        schema = json_pack("{ss si so}", "type", "array", "maxItems", CONFIG_CERTIFICATES_MAX, "items",
                           object_of("certificates"));
        json_object_set_new(json_object_get(schema, "items"), "required", json_pack("[ss]", "cert", "key"));
        break;
    case CONFIG_LISTENERS:
        schema = json_pack("{ss si so}", "type", "array", "maxItems", CONFIG_LIST_MAX, "items",
                           object_of("listen"));
        break;
    }
    assert_non_null(schema);
    json_object_set_new(schema, "description", json_string(row->help));
    return schema;
}

static json_t *object_of(const char *section) {
    json_t *properties = json_object();
    const char *keys[CONFIG_KEYS_MAX + 1];
    config_list_keys(section, keys);
    for (size_t i = 0; keys[i] != NULL; i++) {
        const struct config_row *row = config_row_find(section, keys[i]);
        if (row != NULL) {
            json_object_set_new(properties, keys[i], row_schema(row));
        }
    }
    json_t *schema =
        json_pack("{ss sb so}", "type", "object", "additionalProperties", 0, "properties", properties);
    if (json_object_get(properties, "url") != NULL) {
        json_object_set_new(schema, "required", json_pack("[s]", "url"));
    }
    return schema;
}

static void schema_is_made_from_the_table(void **state) {
    (void)state;
    json_t *schema = object_of(CONFIG_TOP);
    json_t *properties = json_object_get(schema, "properties");
    json_object_set_new(properties, "$schema", json_pack("{ss}", "type", "string"));
    for (size_t i = 0; i < config_section_count; i++) {
        json_t *section = object_of(config_sections[i].name);
        json_object_set_new(section, "description", json_string(config_sections[i].help));
        json_object_set_new(properties, config_sections[i].name, section);
    }
    json_t *whole = json_pack("{ss ss}", "$schema", "https://json-schema.org/draft/2020-12/schema", "title",
                              "Configuration of daffi-bridge");
    json_object_update(whole, schema);
    char *text = json_dumps(whole, JSON_INDENT(2));
    char *line = NULL;
    assert_true(asprintf(&line, "%s\n", text) > 0);
    assert_document(SCHEMA, line);
    free(line);
    free(text);
    json_decref(schema);
    json_decref(whole);
}

/* -- the manual -- */

/* Bytes in binary multiples are easier to read as such. */
static const char *number_text(const struct config_row *row, uint64_t value, char out[48]) {
    static const char *const units[] = {"", " KiB", " MiB", " GiB", " TiB"};
    size_t unit = 0;
    uint64_t whole = value;
    while (strstr(row->name, "bytes") != NULL && whole >= 1024 && whole % 1024 == 0 && unit < 4) {
        whole /= 1024;
        unit++;
    }
    snprintf(out, 48, unit > 0 ? "%" PRIu64 " (%" PRIu64 "%s)" : "%" PRIu64, value, whole, units[unit]);
    return out;
}

static void write_row(FILE *out, const struct config_row *row) {
    char standard[48], low[48], high[48], words[128];
    fprintf(out, "| `%s` | ", row->name);
    switch (row->type) {
    case CONFIG_SIZE:
    case CONFIG_MS:
        fprintf(out, "%s to %s | %s", number_text(row, row->minimum, low),
                number_text(row, row->maximum, high),
                row->standard >= row->minimum ? number_text(row, row->standard, standard) : "");
        break;
    case CONFIG_BOOL:
        fprintf(out, "`true` or `false` | `%s`", row->standard != 0 ? "true" : "false");
        break;
    case CONFIG_CHOICE:
        fprintf(out, "%s | `\"%s\"`", config_choices_text(row->choices, words, sizeof words),
                row->choices[row->standard]);
        break;
    case CONFIG_FILE:
        fputs("a file | ", out);
        break;
    case CONFIG_FOLDER:
        fputs("a folder | ", out);
        break;
    case CONFIG_MODE:
        fprintf(out, "a mode, `\"%04o\"` to `\"%04o\"` | ", (unsigned)row->minimum, (unsigned)row->maximum);
        break;
    case CONFIG_URL:
        fputs("a URL | ", out);
        break;
    case CONFIG_ORIGINS:
    case CONFIG_HOSTS:
        fputs("a list | `[]`", out);
        break;
    case CONFIG_NAMES:
        fputs("a list | all", out);
        break;
    case CONFIG_PATTERNS:
        fputs("a list of names, `*` stands for any run of characters | ", out);
        break;
    case CONFIG_SERDES:
        fprintf(out, "a list of %s | ", config_choices_text(row->choices, words, sizeof words));
        break;
    case CONFIG_PINS:
        fputs("an object of function names, as above, and lists of serdes | ", out);
        break;
    case CONFIG_POLICY:
        fputs("an object of the keys of `policy` | ", out);
        break;
    case CONFIG_UPSTREAMS:
        fputs("an object | ", out);
        break;
    case CONFIG_NETWORKS:
    case CONFIG_CERTIFICATES:
    case CONFIG_LISTENERS:
        fputs("a list | ", out);
        break;
    }
    fprintf(out, " | %s |\n", row->help);
}

static void write_section(FILE *out, const char *section, const char *title, const char *help) {
    fprintf(out, "### %s\n\n%s%s", title, help, help[0] != '\0' ? ".\n\n" : "");
    fputs("| key | takes | default | what it is |\n| --- | --- | --- | --- |\n", out);
    const char *keys[CONFIG_KEYS_MAX + 1];
    config_list_keys(section, keys);
    for (size_t i = 0; keys[i] != NULL; i++) {
        const struct config_row *row = config_row_find(section, keys[i]);
        if (row != NULL) {
            write_row(out, row);
        }
    }
    fputc('\n', out);
}

static void write_keys(FILE *out) {
    write_section(out, CONFIG_TOP, "The outermost object", "");
    write_section(out, "listen", "`listen`: a list of objects", config_row_find(CONFIG_TOP, "listen")->help);
    write_section(out, "certificates", "`certificates`, in a listener: a list of objects", "");
    write_section(out, "upstreams", "`upstreams`: by name, a URL or an object",
                  config_row_find(CONFIG_TOP, "upstreams")->help);
    write_section(out, "policy", "`policy`: here, in a listener, in an upstream",
                  config_row_find(CONFIG_TOP, "policy")->help);
    for (size_t i = 0; i < config_section_count; i++) {
        char title[64];
        snprintf(title, sizeof title, "`%s`", config_sections[i].name);
        write_section(out, config_sections[i].name, title, config_sections[i].help);
    }
}

static void manual_holds_the_tables(void **state) {
    (void)state;
    static const char begin[] = "<!-- keys: made from the table of the parser -->\n",
                      end[] = "<!-- /keys -->\n";
    char *manual = read_whole(MANUAL);
    const char *from = strstr(manual, begin), *to = strstr(manual, end);
    assert_true(from != NULL && to != NULL && from < to);
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    fwrite(manual, 1, (size_t)(from - manual), out);
    fputs(begin, out);
    fputc('\n', out);
    write_keys(out);
    fputc('\n', out);
    fputs(to, out);
    fclose(out);
    assert_document(MANUAL, text);
    free(text);
    free(manual);
}

/* -- what is shipped -- */

/* The administrator makes the file of secrets: it is not shipped. */
static void give_secrets(struct config *config) {
    char path[] = "/tmp/daffi-bridge-secrets-XXXXXX";
    char error[CONFIG_ERROR_MAX] = "";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "0123456789abcdef0123456789abcdef\n", 33), 33);
    close(fd);
    free(config->secrets_file);
    config->secrets_file = strdup(path);
    int status = config_finish(config, error);
    unlink(path);
    if (status < 0) {
        fail_msg("%s", error);
    }
}

static void assert_configurations(const char *pattern, size_t at_least) {
    glob_t found;
    char error[CONFIG_ERROR_MAX];
    size_t seen = 0;
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        if (strstr(found.gl_pathv[i], ".schema.json") != NULL) {
            continue;
        }
        struct config *config = config_new();
        int status = config_read_file(config, found.gl_pathv[i], error);
        if (status == 0 && config->secrets_file != NULL) {
            give_secrets(config);
        } else if (status == 0) {
            status = config_finish(config, error);
        }
        if (status < 0) {
            fail_msg("%s", error);
        }
        config_free(config);
        seen++;
    }
    assert_true(seen >= at_least);
    globfree(&found);
}

static void shipped_configurations_are_sound(void **state) {
    (void)state;
    assert_configurations(PROJECT "/conf/*.json", 1);
    assert_configurations(PROJECT "/conf/examples/*.json", 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_is_made_from_the_table),
        cmocka_unit_test(manual_holds_the_tables),
        cmocka_unit_test(shipped_configurations_are_sound),
    };
    return cmocka_run_group_tests_name("config documents", tests, NULL, NULL);
}
