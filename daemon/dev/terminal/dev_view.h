/* A call as text on the terminal: who called what of whom, in which serde, how long it took, how much came back, or what
 * the error says.                                                                              (docs/development.md) */
#ifndef DEV_VIEW_H
#define DEV_VIEW_H

#include <stdbool.h>

#include "ops/access_log.h"

enum { DEV_VIEW_CALL_MAX = 256, DEV_VIEW_RESULT_MAX = 480, DEV_VIEW_TOOK_MAX = 80 };

/* Names and errors are a peer's bytes: nothing in them acts on a terminal. Pure. */

/* "call   tab → worker.add  json" */
void dev_view_call(const struct access_call *call, bool has_colours, char out[DEV_VIEW_CALL_MAX]);

/* "ValueError: not a number"; empty where it is answered well. */
void dev_view_result(const struct access_call *call, bool has_colours, char out[DEV_VIEW_RESULT_MAX]);

/* "27 B  1.1 ms"; empty where no answer is waited for. */
void dev_view_took(const struct access_call *call, char out[DEV_VIEW_TOOK_MAX]);

#endif
