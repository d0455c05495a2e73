/* A strict HTTP/1.1 request head.                                        (RFC 9112 sections 2 to 6, RFC 9110)
 *
 * Sans-I/O, no allocation, bytes in place. What two readers could read differently is refused: bare CR or LF,
 * obs-fold, space before a colon, control characters, two Host or Content-Length or Transfer-Encoding fields,
 * a body on any request (the door takes GET and HEAD alone), absolute-form and authority-form targets. */
#ifndef REQUEST_HEAD_H
#define REQUEST_HEAD_H

#include "daffi/span.h"

enum { REQUEST_HEADERS_MAX = 100 };

enum request_method { REQUEST_GET, REQUEST_HEAD };

struct request_header {
    struct daffi_span name, value; /* the value without the white space around it */
};

struct request_head {
    enum request_method method;
    struct daffi_span target; /* origin-form, as sent: path and query */
    struct daffi_span path;   /* of the target: percent-encoding left as it is */
    struct daffi_span query;  /* behind '?', or empty */
    int minor_version;        /* HTTP/1.0 or 1.1 */
    struct request_header headers[REQUEST_HEADERS_MAX];
    size_t headers_count;
};

struct request_limits {
    size_t head_bytes;
    size_t headers; /* at most REQUEST_HEADERS_MAX */
};

struct request_refusal {
    int status;       /* 400, 405, 414, 431, 501, 505; of ws_upgrade_check 426, 500 as well */
    const char *text; /* a sentence: what was wrong, what is accepted */
};

/*  0       *ret_head is set (it borrows `in`) and *ret_size is the head's size, its empty line included
 *  -EAGAIN more bytes are needed
 *  -EPROTO *ret_refusal says how to answer; the connection must be closed behind the answer */
int request_head_parse(struct daffi_span in, const struct request_limits *limits,
                       struct request_head *ret_head, size_t *ret_size, struct request_refusal *ret_refusal);

/* The value of the only field of that name (any case): NULL data when there is none. A field that a
 * reader acts on by itself (Host, Origin, Authorization, Sec-WebSocket-Key and -Version) can't come twice; of any other
 * the first is taken. */
struct daffi_span request_head_find(const struct request_head *head, const char *name);

/* Whether a comma-separated field (all of that name together) holds `token`, any case. */
bool request_head_has_token(const struct request_head *head, const char *name, const char *token);

/* What follows `beginning` in the first part that begins so of a query ('&' between its parts) or of cookies (';', and blanks that
 * are left out): data is NULL where there is none. */
struct daffi_span request_part_find(struct daffi_span list, char separator, const char *beginning);

#endif
