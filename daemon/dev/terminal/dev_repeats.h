/* Lines on the terminal of which many equal ones follow each other, as a page makes them that calls in a loop: the first few
 * are shown, of the others how many there were. Lines are written, and never taken back: so it is on a terminal and in a
 * file alike. */
#ifndef DEV_REPEATS_H
#define DEV_REPEATS_H

#include "dev/terminal/dev_terminal.h"

enum { DEV_REPEATS_SHOWN = 3, DEV_REPEATS_MAX = 768 };

struct dev_repeats {
    struct dev_terminal *terminal;
    char last[DEV_REPEATS_MAX]; /* what is equal; empty: nothing has been written */
    size_t count;               /* that have come one behind the other */
    size_t left_out;            /* of these, not told of yet */
};

void dev_repeats_init(struct dev_repeats *repeats, struct dev_terminal *terminal);

/* "`what`  `rest`"; `rest` may be empty, and differ between equal ones. `what` is shorter than DEV_REPEATS_MAX. */
void dev_repeats_write(struct dev_repeats *repeats, const char *what, const char *rest);

/* To be called each second or so: tells how many were left out; if none were, equality begins anew. */
void dev_repeats_tick(struct dev_repeats *repeats);

#endif
