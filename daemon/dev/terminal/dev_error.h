/* What the ERROR of a call says, for a person. */
#ifndef DEV_ERROR_H
#define DEV_ERROR_H

#include <stddef.h>

#include "ops/access_log.h"

/* "ValueError: not a number", whatever serde it came in; the code of the bridge's own ("no-such-member"); "error"
 * where it can't be read. Fit for a terminal; cut where it is too long. */
void dev_error_show(const struct access_call *call, char *out, size_t capacity);

#endif
