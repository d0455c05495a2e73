/* The file of the secrets that sign tokens: a line each, `#` begins a comment. Several, so that one can follow another:
 * all are accepted. */
#ifndef CONFIG_SECRETS_H
#define CONFIG_SECRETS_H

#include "config/config.h"

enum { CONFIG_SECRET_BYTES_MIN = 32, CONFIG_SECRET_BYTES_MAX = 512 };

/* Reads `path` into config->secrets. Refused: a file that others than its owner and group can read, or others than its
 * owner can write; a line that is too short or too long; none or too many of them. 0, or -errno with one line, which does
 * not tell a secret. */
int config_secrets_read(struct config *config, const char *path, char ret_error[CONFIG_ERROR_MAX]);

/* Overwrites and frees them. */
void config_secrets_clear(struct config *config);

#endif
