/* Lists of names in which `*` stands for any run of characters, none included: "add", "report_*", "*". */
#ifndef CONFIG_PATTERNS_H
#define CONFIG_PATTERNS_H

#include "config/config.h"

enum { CONFIG_PATTERNS_MAX = 1024, CONFIG_PATTERN_BYTES_MAX = 255 };

/* Whether the text may be one: 1 to CONFIG_PATTERN_BYTES_MAX bytes without '|' or a control character. */
bool config_pattern_is_sound(const char *text);

/* Adds one; afterwards the list is given. 0 or -ENOMEM; then it is as it was. */
int config_patterns_add(struct config_patterns *patterns, const char *text);

/* Whether one of them matches all of the name. A list that is not given matches nothing. Names take O(log n), those with
 * a star O(n) times the lengths. */
bool config_patterns_match(const struct config_patterns *patterns, const void *name, size_t length);

bool config_pattern_matches(const char *pattern, const void *name, size_t length);

void config_patterns_clear(struct config_patterns *patterns);
void config_policy_clear(struct config_policy *policy);

#endif
