/* The ids of calls that members left behind without their answers. An answer goes by its caller's name and call id alone: one
 * that comes late would be given to whoever has come in its place, a page that is loaded anew or a script that is started anew,
 * and has asked the same member something else with the same id. So the ids of who comes are shifted on their way up, and back
 * on the way down, to somewhere where none of the former's is near ahead; an answer to one of these then finds no call. Neither
 * side sees it: a worker gives back the id that it got. Where that is is left to chance, as the newcomer may be a stranger who
 * would aim at a late answer. No answer is held up or guessed at, as which of two with one id is whose can't be told.
 *
 * Nothing is known of what becomes of such a call: a Router drops an answer for nobody without a word. So ids are kept for a
 * while, and in a bounded memory of which the oldest make way; without memory they are not. Who asks with the same id after that,
 * or after as many calls as there is room ahead (32767 or more where one was left), is as badly off as without. Any thread. */
#ifndef UNANSWERED_H
#define UNANSWERED_H

#include <stdint.h>

#include "daffi/span.h"

enum {
    UNANSWERED_MS = 600000,
    UNANSWERED_BYTES_MAX = 1 << 20, /* of all that is kept */
};

struct unanswered;

int unanswered_new(struct unanswered **ret_unanswered); /* 0 or -errno */
void unanswered_free(struct unanswered *unanswered);    /* NULL-safe */

/* The member `name` of a backend with that place is about to leave, and these calls wait: copied. With NULL for `unanswered`
 * nothing is kept. */
void unanswered_put(struct unanswered *unanswered, size_t place, struct daffi_span name, const uint16_t *ids,
                    size_t count, uint64_t now);

/* By how much a newcomer of that name shifts its ids, which go up in turn from behind `first` (0 to 65535): 0 to 65534. 0 where
 * nothing was left. */
uint16_t unanswered_shift(struct unanswered *unanswered, size_t place, struct daffi_span name, uint16_t first,
                          uint64_t now);

/* An id so much further on in the round of 1 to 65535; 0 stays. unanswered_unshifted is its inverse. */
uint16_t unanswered_shifted(uint16_t id, uint16_t shift);
uint16_t unanswered_unshifted(uint16_t id, uint16_t shift);

#endif
