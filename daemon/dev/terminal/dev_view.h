/* A call as a line on the terminal: who called what of whom, in which serde, how long it took, how much came back,
 * or what the error says.                                                                      (docs/development.md) */
#ifndef DEV_VIEW_H
#define DEV_VIEW_H

#include <stdbool.h>

#include "ops/access_log.h"

enum { DEV_VIEW_LINE_MAX = 1024 };

/* With its newline. Names and errors are a peer's bytes: nothing in them acts on a terminal. Pure. */
void dev_view_format(const struct access_call *call, bool has_colours, char out[DEV_VIEW_LINE_MAX]);

#endif
