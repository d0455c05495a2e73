/* What a session owes: the REQUESTs delivered to it that wait for an answer, by caller and call id. An answer passes once,
 * and only to such a call.  Pure: time is passed in. One thread; the calls stand in its reactor's call_table.
 *                                                                            (protocol.md, "Router": answers go by name) */
#ifndef ANSWERS_H
#define ANSWERS_H

#include "bridge/session/call_table.h"
#include "daffi/span.h"

enum {
    ANSWERS_STALE_MS = 600000, /* of a full table the oldest makes way that has waited for so long */
};

struct answers_caller;

struct answers {                     /* all zero: nothing is owed */
    struct answers_caller **buckets; /* of callers by name; NULL until the first */
    size_t count;                    /* of calls */
};

void answers_clear(struct answers *answers, struct call_table *table);

/* Takes note of a call that is about to be delivered; one of the same caller and id is over. 0; -EBUSY: `limit` calls are
 * owed answers; -ENOMEM. */
int answers_open(struct answers *answers, struct call_table *table, struct daffi_span caller, uint16_t uuid,
                 size_t limit, uint64_t now);

/* Whether an answer to that call may pass; it is over with this. */
bool answers_take(struct answers *answers, struct call_table *table, struct daffi_span caller, uint16_t uuid);

/* The caller has left: whoever takes its name may not get its answers. */
void answers_drop_caller(struct answers *answers, struct call_table *table, struct daffi_span caller);

#endif
