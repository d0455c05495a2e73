/* docs/man/daffi-bridge.json.5 is made from the table of keys.
 *
 *     DAFFI_WRITE_DOCUMENTS=1 build/dev/tests/unit/test_config_manual     writes it anew */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>

#include "config/config_table.h"
#include "document.h"

#define PAGE TESTS_DIR "/../docs/man/daffi-bridge.json.5"

/* Text as roff takes it: no line begins a request, a dash is a dash. */
static void put_text(FILE *out, const char *text) {
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\\') {
            fputs("\\e", out);
        } else if (*at == '-') {
            fputs("\\-", out);
        } else if ((*at == '.' || *at == '\'') && at == text) {
            fprintf(out, "\\&%c", *at);
        } else {
            fputc(*at, out);
        }
    }
}

static void put_values(FILE *out, const struct config_row *row) {
    char words[128];
    switch (row->type) {
    case CONFIG_SIZE:
    case CONFIG_MS:
        fprintf(out, "%" PRIu64 " to %" PRIu64, row->minimum, row->maximum);
        if (row->standard >= row->minimum) {
            fprintf(out, "; default %" PRIu64, row->standard);
        }
        break;
    case CONFIG_BOOL:
        fprintf(out, "true or false; default %s", row->standard != 0 ? "true" : "false");
        break;
    case CONFIG_CHOICE:
        fprintf(out, "%s; default \"%s\"", config_choices_text(row->choices, words, sizeof words),
                row->choices[row->standard]);
        break;
    case CONFIG_FILE:
        fputs("a file", out);
        break;
    case CONFIG_FOLDER:
        fputs("a folder", out);
        break;
    case CONFIG_MODE:
        fprintf(out, "a mode, \"%04o\" to \"%04o\"", (unsigned)row->minimum, (unsigned)row->maximum);
        break;
    case CONFIG_URL:
        fputs("a URL", out);
        break;
    case CONFIG_POLICY:
    case CONFIG_UPSTREAMS:
    case CONFIG_PINS:
        fputs("an object", out);
        break;
    default:
        fputs("a list", out);
        break;
    }
}

static void put_section(FILE *out, const char *section, const char *title, const char *help) {
    const char *keys[CONFIG_KEYS_MAX + 1];
    fprintf(out, ".SS \"%s\"\n", title);
    if (help[0] != '\0') {
        put_text(out, help);
        fputs(".\n", out);
    }
    config_list_keys(section, keys);
    for (size_t i = 0; keys[i] != NULL; i++) {
        const struct config_row *row = config_row_find(section, keys[i]);
        if (row != NULL) {
            fprintf(out, ".TP\n.B %s\n(", row->name);
            put_values(out, row);
            fputs(")\n.br\n", out);
            put_text(out, row->help);
            fputs(".\n", out);
        }
    }
}

static void the_page_holds_the_table(void **state) {
    (void)state;
    static const char head[] =
        ".\\\" Made from the table of the parser: tests/unit/test_config_manual.c\n"
        ".TH DAFFI\\-BRIDGE.JSON 5 \"\" daffi\\-bridge \"File formats\"\n"
        ".SH NAME\ndaffi\\-bridge.json \\- configuration of daffi\\-bridge\n"
        ".SH DESCRIPTION\nOne JSON object. Each key may be left out; a key that is not known is an error. "
        "What the command\n"
        "line says wins over the file. Relative paths begin at the file's folder.\n.PP\n"
        ".B daffi\\-bridge \\-t \\-c\n.I FILE\nchecks a file and all that it names.\n.SH KEYS\n";
    static const char tail[] =
        ".SH FILES\n.I /etc/daffi\\-bridge/daffi\\-bridge.json\n.SH SEE ALSO\n.BR daffi\\-bridge (8)\n";
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    fputs(head, out);
    put_section(out, CONFIG_TOP, "The outermost object", "");
    put_section(out, "listen", "listen: a list of objects", config_row_find(CONFIG_TOP, "listen")->help);
    put_section(out, "certificates", "certificates, in a listener: a list of objects", "");
    put_section(out, "upstreams", "upstreams: by name, a URL or an object",
                config_row_find(CONFIG_TOP, "upstreams")->help);
    put_section(out, "policy", "policy: here, in a listener, in an upstream",
                config_row_find(CONFIG_TOP, "policy")->help);
    for (size_t i = 0; i < config_section_count; i++) {
        put_section(out, config_sections[i].name, config_sections[i].name, config_sections[i].help);
    }
    fputs(tail, out);
    assert_int_equal(fclose(out), 0);
    assert_document(PAGE, text);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_page_holds_the_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
