/* What is known of each upstream: whether it is there, and whether it gives receipts. Told by whoever talks to it, the
 * former read by /readyz and /metrics, too; shared by all reactors, any thread. An upstream that is watched has to be known to
 * be there; of one that is not, nothing known is no reason to call the bridge not ready: somebody must come for it to be tried. */
#ifndef UPSTREAM_HEALTH_H
#define UPSTREAM_HEALTH_H

#include <stdbool.h>
#include <stddef.h>

enum { UPSTREAM_HEALTH_REASON_MAX = 256 };

enum upstream_state { UPSTREAM_UNKNOWN, UPSTREAM_UP, UPSTREAM_DOWN };

struct upstream_health_table;
struct upstream_health; /* of one upstream; lives as long as the table */

int upstream_health_new(struct upstream_health_table **ret_table); /* 0 or -ENOMEM */
void upstream_health_free(struct upstream_health_table *table);    /* NULL-safe */

/* That of the upstream of this name, made where there is none yet. NULL: no memory, or `table` is NULL. */
struct upstream_health *upstream_health_of(struct upstream_health_table *table, const char *name);

/* Somebody watches it from now on. NULL-safe, as upstream_health_tell. */
void upstream_health_watch(struct upstream_health *health);

/* It is there, or it is not: `reason` is a sentence then, copied. Cheap where nothing has changed. True: it has. */
bool upstream_health_tell(struct upstream_health *health, bool is_up, const char *reason);

/* What is known; the reason of DOWN (else empty) in `ret_reason`. NULL: unknown. */
enum upstream_state upstream_health_read(const struct upstream_health *health,
                                         char ret_reason[UPSTREAM_HEALTH_REASON_MAX]);

/* It has given a receipt (upstream_receipt.c), or is another server now, which has not; whether it ever has. NULL-safe. */
void upstream_health_note_receipts(struct upstream_health *health, bool gives);
bool upstream_health_gives_receipts(const struct upstream_health *health);

/* Whether it is as it should be: UP, or not watched and UNKNOWN. */
bool upstream_health_is_good(const struct upstream_health *health);

#endif
