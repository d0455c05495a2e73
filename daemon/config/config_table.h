/* Every option that is a number or a word, as data: one row each. The parser, --help, the JSON Schema and docs/configuration.md are
 * all held to this table.                                                            (design.md, "Outside faces") */
#ifndef CONFIG_TABLE_H
#define CONFIG_TABLE_H

#include "config/config.h"

enum config_type {
    CONFIG_SIZE,   /* size_t */
    CONFIG_MS,     /* uint64_t, milliseconds */
    CONFIG_BOOL,   /* bool */
    CONFIG_CHOICE, /* enum, by its place in `choices` */
};

struct config_row {
    const char *section; /* object of the file the key is in; NULL: the outermost */
    const char *name;
    enum config_type type;
    size_t offset; /* in struct config */
    uint64_t minimum, maximum, standard;
    const char *const *choices; /* NULL-terminated; CONFIG_CHOICE */
    const char *help;
};

extern const struct config_row config_table[];
extern const size_t config_table_rows;

/* The words that `native` takes, in the order of enum config_native. */
extern const char *const config_native_words[];

/* The row of a section (NULL: the outermost) and name, or NULL. */
const struct config_row *config_row_find(const char *section, const char *name);

/* Writes `value`, which must lie within the row's bounds, into `config`. */
void config_row_store(const struct config_row *row, struct config *config, uint64_t value);

/* The place of `word` in a NULL-terminated list, or -1. */
int config_choice_find(const char *const *choices, const char *word);

#endif
