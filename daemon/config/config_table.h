/* Every key of the configuration as data: one row each. The parser, --help, conf/daffi-bridge.schema.json and
 * docs/configuration.md are all made from this table. */
#ifndef CONFIG_TABLE_H
#define CONFIG_TABLE_H

#include "config/config.h"

enum config_type {
    CONFIG_SIZE,         /* size_t */
    CONFIG_MS,           /* uint64_t, milliseconds */
    CONFIG_BOOL,         /* bool */
    CONFIG_CHOICE,       /* enum, by its place in `choices` */
    CONFIG_FILE,         /* char *, a file's path; a relative one starts at the configuration file's folder */
    CONFIG_FOLDER,       /* the same of a folder */
    CONFIG_MODE,         /* unsigned, of a Unix socket's file: text as chmod has it, "0660"; 0: not said */
    CONFIG_URL,          /* struct config_url, of one of `schemes` */
    CONFIG_ORIGINS,      /* char *[CONFIG_LIST_MAX], how many at `count_offset` */
    CONFIG_HOSTS,        /* the same, in lower case */
    CONFIG_NAMES,        /* of upstreams: size_t[CONFIG_LIST_MAX], places; how many at `count_offset` */
    CONFIG_PATTERNS,     /* struct config_patterns */
    CONFIG_SERDES,       /* unsigned, bits of enum config_serde by their places in `choices` */
    CONFIG_PINS,         /* object of function and serdes: struct config_pin *, how many at `count_offset` */
    CONFIG_POLICY,       /* struct config_policy: object of section "policy" */
    CONFIG_UPSTREAMS,    /* object of name and URL or section "upstreams" */
    CONFIG_CERTIFICATES, /* list of section "certificates": struct config_certificate[CONFIG_CERTIFICATES_MAX] */
    CONFIG_NETWORKS,     /* struct config_network[CONFIG_LIST_MAX], how many at `count_offset` */
    CONFIG_LISTENERS,    /* list of section "listen" */
};

/* The sections. A row's offset is in struct config, of "listen" in config_listener, of "upstreams" in config_upstream,
 * of "certificates" in config_certificate, of "policy" in config_policy. */
#define CONFIG_TOP NULL

struct config_row {
    const char *section; /* the object that the key is in; CONFIG_TOP: the outermost */
    const char *name;
    enum config_type type;
    unsigned schemes; /* CONFIG_URL: bits, 1 << enum config_scheme */
    size_t offset, count_offset;
    uint64_t minimum, maximum, standard; /* numbers; choices and truth values by their places */
    const char *const *choices;          /* NULL-terminated; CONFIG_CHOICE, CONFIG_SERDES, CONFIG_PINS */
    const char *help;
};

struct config_section {
    const char *name;
    const char *help;
};

extern const struct config_row config_table[];
extern const size_t config_table_rows;
extern const struct config_section config_sections[]; /* the outermost objects that are groups of keys */
extern const size_t config_section_count;

enum { CONFIG_KEYS_MAX = 32 }; /* rows of a section, and of the outermost with the sections' names */

/* The row of a section and name, or NULL. */
const struct config_row *config_row_find(const char *section, const char *name);

/* Whether a section's rows are of struct config itself. */
bool config_section_is_outer(const char *section);

/* Writes a number, truth value or choice, which must lie within the row's bounds, into the struct the row is of. */
void config_row_store(const struct config_row *row, void *owner, uint64_t value);

/* The names that may stand in a section, NULL-terminated. */
void config_list_keys(const char *section, const char *ret_keys[CONFIG_KEYS_MAX + 1]);

/* The place of `word` in a NULL-terminated list, or -1. */
int config_choice_find(const char *const *choices, const char *word);

/* `"a", "b" or "c"`, for a refusal. Returns `out`. */
const char *config_choices_text(const char *const *choices, char *out, size_t size);

/* The beginnings of the URLs of some schemes: `https://, http:// or unix:/`. Returns `out`. */
const char *config_schemes_text(unsigned schemes, char *out, size_t size);

#endif
