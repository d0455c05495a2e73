/* HTTP answers, head and body, through a callback that queues bytes and never blocks.
 *                                                                        (RFC 9110 section 15, RFC 9112 section 4)
 * Every answer has a Content-Length, so that where it ends is never in doubt, and X-Content-Type-Options: nosniff. */
#ifndef RESPONSE_H
#define RESPONSE_H

#include <time.h>

#include "http/request_head.h"

enum { RESPONSE_HEAD_MAX = 2048 }; /* heads are never longer: header blocks are our own, see `fields` */

/* Where an answer goes: 0, or a negative errno, which is handed on. connection_write has this form. */
struct response_sink {
    int (*write)(void *owner, const void *bytes, size_t length);
    void *owner;
};

struct response {
    int status;
    const char *type; /* Content-Type; NULL: none */
    /* more header fields, each line ended by CR LF; NULL: none. Ours, never a peer's bytes. */
    const char *fields;
    struct daffi_span body; /* not sent to a HEAD, or with 204 and 304; its length is, except with 304 */
    bool to_head;           /* it answers a HEAD */
    bool close;             /* the connection will be closed behind it: said in Connection */
    time_t date;            /* 0: no Date */
};

const char *response_reason(int status); /* "Not Found"; "Unknown" for what is not ours to send */

/* Writes the head alone. Its length; -ENOBUFS when it does not fit, then `out` is unspecified. */
int response_format_head(const struct response *response, char *out, size_t capacity);

/* Head and body. 0, or what the sink said. */
int response_write(const struct response *response, const struct response_sink *sink);

/* A refusal as text, uncacheable, with what its status asks for (405: Allow; 426: Upgrade and the version
 * spoken). The connection must be closed behind it. */
int response_refuse(const struct request_refusal *refusal, bool to_head, const struct response_sink *sink);

/* 101 with the value of ws_upgrade_check. */
int response_switch_protocols(const char *accept, const struct response_sink *sink);

/* Whether the connection may go on behind the answer: HTTP/1.1 without `Connection: close`. */
bool response_keeps_alive(const struct request_head *head);

/* Whether `Accept-Encoding` takes `coding` ("br", "gzip", "identity"): its quality in thousandths, 0: not.
 * Without the field only identity is taken.                                                (RFC 9110, 12.5.3) */
unsigned response_coding_quality(const struct request_head *head, const char *coding);

/* Whether `If-None-Match` holds `etag` (a strong one, with its quotes), by weak comparison, or is `*`. */
bool response_is_unchanged(const struct request_head *head, const char *etag);

#endif
