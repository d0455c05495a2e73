/* What the readers of the configuration file share: config_file.c, which knows the table, and config_file_ends.c and
 * config_file_policy.c, which read what is more than a value. What returns an int: 0, -EINVAL with the refusal written, -ENOMEM. */
#ifndef CONFIG_READER_H
#define CONFIG_READER_H

#include <jansson.h>

#include "config/config_error.h"
#include "config/config_table.h"

enum { KEY_PATH_MAX = 256, FOUND_MAX = 64 };

struct reader {
    struct config *config;
    char *ret_error;
};

#define REFUSE(reader, path, ...)                                                                            \
    config_refuse_at((reader)->config->source, path, (reader)->ret_error, __VA_ARGS__)

/* `path`.`key`, or `key` alone in the outermost object. A path that is too long is cut: its line is then that of what is
 * above it. */
void reader_join(char out[KEY_PATH_MAX], const char *path, const char *key);
void reader_join_place(char out[KEY_PATH_MAX], const char *path, size_t place);

/* What was found, short enough for a line. Returns `out`. */
const char *reader_found(const json_t *value, char out[FOUND_MAX]);

/* A text that is not empty: the value's own, not to be freed. NULL when it was refused. */
const char *reader_text(const struct reader *reader, const char *path, const json_t *value);
/* Likewise, at a place of a list; the path to it is in `ret_inner`. */
const char *reader_text_at(const struct reader *reader, const char *path, const json_t *list, size_t place,
                           char ret_inner[KEY_PATH_MAX]);

/* -- config_file.c -- */

/* An object whose keys are rows of the table's `section`, into `owner`. */
int reader_object(const struct reader *reader, const char *section, void *owner, const char *path,
                  json_t *object);

int reader_url(const struct reader *reader, const struct config_row *row, void *owner, const char *path,
               const json_t *value);

/* -- config_file_ends.c -- */

int read_upstreams(const struct reader *reader, const char *path, json_t *object);
int read_listeners(const struct reader *reader, const char *path, const json_t *list);

/* The values of a listener's rows: the names of its upstreams, the networks of its proxies, its further certificates. */
int read_names(const struct reader *reader, struct config_listener *listener, const char *path,
               const json_t *list);
int read_networks(const struct reader *reader, struct config_listener *listener, const char *path,
                  const json_t *list);
int read_certificates(const struct reader *reader, struct config_listener *listener, const char *path,
                      const json_t *list);

/* -- config_file_policy.c -- */

/* The values of a policy's rows. */
int read_patterns(const struct reader *reader, const struct config_row *row, void *owner, const char *path,
                  const json_t *list);
int read_serdes(const struct reader *reader, const struct config_row *row, void *owner, const char *path,
                const json_t *list);
int read_pins(const struct reader *reader, const struct config_row *row, void *owner, const char *path,
              json_t *object);

/* What only all of a policy can tell. 0 or -EINVAL. */
int check_policy(const struct reader *reader, const struct config_policy *policy, const char *path);

#endif
