/* How much of each kind may be logged: what a peer can cause must not fill a disk. Pure: time is passed in, and the
 * caller locks. Kinds are told apart by address (a format string's); when there are more of them at a time than
 * places, the one least recently begun gives way. */
#ifndef LOG_LIMIT_H
#define LOG_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOG_LIMIT_KINDS = 64, LOG_LIMIT_WINDOW_MS = 1000 };

struct log_limit_kind {
    const char *kind; /* NULL: a free place */
    uint64_t began_ms;
    unsigned passed;
    uint64_t left_out;
};

struct log_limit {
    struct log_limit_kind kinds[LOG_LIMIT_KINDS]; /* zeroed: nothing has been logged */
};

/* Whether one more of `kind` may be logged at `now_ms`: `burst` may in each window. */
bool log_limit_pass(struct log_limit *limit, const char *kind, unsigned burst, uint64_t now_ms);

/* Takes a kind of which something was left out in a window that is over; `any`: in any window. True with the kind and
 * how many it was; to be called until false. */
bool log_limit_take_left_out(struct log_limit *limit, uint64_t now_ms, bool any, const char **ret_kind,
                             uint64_t *ret_left_out);

#endif
