/* One range of an answer's bytes: what a download that was cut off asks for.                   (RFC 9110 section 14)
 * Several ranges, other units and what is not well formed are passed over, as the RFC allows: the whole is a right answer. */
#ifndef RANGE_H
#define RANGE_H

#include "http/request_head.h"

enum range_verdict {
    RANGE_WHOLE,
    RANGE_PART,    /* 206 */
    RANGE_OUTSIDE, /* 416: well formed, but nothing is there */
};

struct range {
    size_t first, length; /* bytes */
};

/* What a GET wants of `length` bytes whose strong tag is `etag`; *ret_range is set for RANGE_PART. `If-Range` with another tag,
 * or with a date, asks for the whole. */
enum range_verdict range_choose(const struct request_head *head, const char *etag, size_t length,
                                struct range *ret_range);

#endif
