/* One range of an answer's bytes: what a download that was cut off asks for.                   (RFC 9110 section 14)
 * Several ranges, other units and what is not well formed are passed over, as the RFC allows: the whole is a right answer. */
#ifndef RANGE_H
#define RANGE_H

#include "http/head_writer.h"
#include "http/request_head.h"
#include "http/response.h"

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

/* Makes of a 200 what the request's range wants: its status, 200, 206 or 416, and Content-Range behind what `fields` holds. What
 * of the `length` bytes is to be sent, which may be nothing. */
struct range range_apply(const struct request_head *head, const char *etag, size_t length,
                         struct head_writer *fields, struct response *response);

#endif
