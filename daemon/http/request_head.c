#include "http/request_head.h"

#include <errno.h>
#include <strings.h>

#include "http/percent.h"

/* What may stand where, a bit each. */
enum character_class {
    IS_TOKEN = 1, /* RFC 9110, 5.6.2 */
    IS_PATH = 2,  /* what the URL standard leaves unencoded in a path, '%' besides */
    IS_QUERY = 4, /* the same of a query */
    IS_HOST = 8,  /* registered names, addresses, brackets, a port */
};

static unsigned class_of(uint8_t c) {
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) {
        return IS_TOKEN | IS_PATH | IS_QUERY | IS_HOST;
    }
    if (c <= 0x20 || c >= 0x7f) {
        return 0;
    }
    unsigned classes = 0;
    classes |= strchr("!#$%&'*+-.^_`|~", c) != NULL ? IS_TOKEN : 0;
    classes |= strchr("\"#<>?\\^`{}", c) == NULL ? IS_PATH : 0;
    classes |= strchr("\"#<>", c) == NULL ? IS_QUERY : 0;
    classes |= strchr("-._:[]", c) != NULL ? IS_HOST : 0;
    return classes;
}

static bool is_all(struct daffi_span text, unsigned class) {
    for (size_t i = 0; i < text.length; i++) {
        if ((class_of(text.data[i]) & class) == 0) {
            return false;
        }
    }
    return true;
}

static bool is_named(struct daffi_span name, const char *other) {
    return name.length == strlen(other) && strncasecmp((const char *)name.data, other, name.length) == 0;
}

static struct daffi_span trim(struct daffi_span text) {
    while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.length--;
    }
    while (text.length > 0 && (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t')) {
        text.length--;
    }
    return text;
}

static int refuse(struct request_refusal *ret_refusal, int status, const char *text) {
    *ret_refusal = (struct request_refusal){.status = status, .text = text};
    return -EPROTO;
}

/* Finds the line at the front of `in`, of which no more than `room` bytes may be looked at: 0, -EAGAIN or -EPROTO.
 * A line that has not ended yet is looked at as well, so that what can't become right is refused at once. */
static int take_line(struct daffi_span in, size_t room, bool first, struct daffi_span *ret_line,
                     struct request_refusal *ret_refusal) {
    size_t length = in.length < room ? in.length : room;
    for (size_t i = 0; i < length; i++) {
        uint8_t c = in.data[i];
        if (c >= 0x20 && c != 0x7f) { /* nearly all of them */
            continue;
        }
        if (c == '\r' && i + 1 < length) {
            if (in.data[i + 1] != '\n') {
                return refuse(ret_refusal, 400, "a carriage return stands alone: lines end in CR LF");
            }
            *ret_line = daffi_span_of(in.data, i);
            return 0;
        }
        if (c == '\n') {
            return refuse(ret_refusal, 400, "a line feed stands alone: lines end in CR LF");
        }
        if (c != '\t' && c != '\r') {
            return refuse(ret_refusal, 400,
                          "a control character: a request head holds none but CR LF at line ends");
        }
    }
    if (length < room) {
        return -EAGAIN;
    }
    return first ? refuse(ret_refusal, 414, "the request line is longer than head_bytes allows")
                 : refuse(ret_refusal, 431, "the request head is larger than head_bytes allows");
}

/* Whether the line's method is one we take; asked before the line has ended, so a guess that the door was
 * meant for another protocol is answered early. */
static int check_method(struct daffi_span line, bool whole, struct request_head *head,
                        struct request_refusal *ret_refusal) {
    static const char *const known[] = {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"};
    static const char malformed[] = "no HTTP request line: METHOD, a space, the target, a space, HTTP/1.1";
    const uint8_t *space = line.length > 0 ? memchr(line.data, ' ', line.length) : NULL;
    struct daffi_span method =
        daffi_span_of(line.data, space != NULL ? (size_t)(space - line.data) : line.length);
    if (!is_all(method, IS_TOKEN) || (method.length == 0 && (whole || space != NULL))) {
        return refuse(ret_refusal, 400, malformed);
    }
    if (space == NULL) {
        return whole ? refuse(ret_refusal, 400, malformed) : 0;
    }
    if (daffi_span_equal(method, daffi_span_text("GET"))) {
        head->method = REQUEST_GET;
        return 0;
    }
    if (daffi_span_equal(method, daffi_span_text("HEAD"))) {
        head->method = REQUEST_HEAD;
        return 0;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (daffi_span_equal(method, daffi_span_text(known[i]))) {
            return refuse(ret_refusal, 405, "this method is not taken: GET and HEAD are");
        }
    }
    return refuse(ret_refusal, 501, "an unknown method: GET and HEAD are taken, in capitals");
}

static int check_target(struct request_head *head, struct request_refusal *ret_refusal) {
    struct daffi_span target = head->target;
    if (target.length == 0 || target.data[0] != '/') {
        return refuse(ret_refusal, 400, "the target must be a path that begins with '/', in origin-form");
    }
    const uint8_t *mark = memchr(target.data, '?', target.length);
    size_t path = mark != NULL ? (size_t)(mark - target.data) : target.length;
    head->path = daffi_span_of(target.data, path);
    head->query = mark != NULL ? daffi_span_of(mark + 1, target.length - path - 1) : (struct daffi_span){0};
    if (!is_all(head->path, IS_PATH) || !is_all(head->query, IS_QUERY)) {
        return refuse(ret_refusal, 400, "the target holds a character that must be percent-encoded");
    }
    for (size_t i = 0; i < path; i++) {
        if (target.data[i] != '%') {
            continue;
        }
        int byte = percent_decode(head->path, i);
        if (byte < 0) {
            return refuse(ret_refusal, 400, "a '%' in the path is not followed by two hexadecimal digits");
        }
        if (byte == 0) {
            return refuse(ret_refusal, 400, "the path holds an encoded NUL");
        }
    }
    return 0;
}

static int parse_request_line(struct daffi_span line, struct request_head *head,
                              struct request_refusal *ret_refusal) {
    int r = check_method(line, true, head, ret_refusal);
    if (r < 0) {
        return r;
    }
    size_t method = head->method == REQUEST_GET ? 4 : 5;
    struct daffi_span rest = daffi_span_of(line.data + method, line.length - method);
    const uint8_t *space = rest.length > 0 ? memchr(rest.data, ' ', rest.length) : NULL;
    if (space == NULL) {
        return refuse(ret_refusal, 400, "the request line names no version: METHOD /path HTTP/1.1");
    }
    head->target = daffi_span_of(rest.data, (size_t)(space - rest.data));
    struct daffi_span version = daffi_span_of(space + 1, rest.length - head->target.length - 1);
    if (version.length != 8 || memcmp(version.data, "HTTP/", 5) != 0 || version.data[6] != '.' ||
        version.data[5] < '0' || version.data[5] > '9' || version.data[7] < '0' || version.data[7] > '9') {
        return refuse(ret_refusal, 400, "the request line must end in HTTP/1.1, behind a single space");
    }
    if (version.data[5] != '1' || version.data[7] > '1') {
        return refuse(ret_refusal, 505, "this version is not spoken: HTTP/1.1 and HTTP/1.0 are");
    }
    head->minor_version = version.data[7] - '0';
    return check_target(head, ret_refusal);
}

static int parse_header(struct daffi_span line, struct request_header *ret_header,
                        struct request_refusal *ret_refusal) {
    if (line.data[0] == ' ' || line.data[0] == '\t') {
        return refuse(ret_refusal, 400,
                      "a header line begins with white space: each field stands on one line");
    }
    const uint8_t *colon = memchr(line.data, ':', line.length);
    if (colon == NULL) {
        return refuse(ret_refusal, 400, "a header line holds no colon: Name: value");
    }
    size_t length = (size_t)(colon - line.data);
    ret_header->name = daffi_span_of(line.data, length);
    if (length == 0 || !is_all(ret_header->name, IS_TOKEN)) {
        return refuse(ret_refusal, 400,
                      "a header's name must be letters, digits and -, right before its colon");
    }
    ret_header->value = trim(daffi_span_of(colon + 1, line.length - length - 1));
    return 0;
}

static size_t count_fields(const struct request_head *head, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < head->headers_count; i++) {
        count += is_named(head->headers[i].name, name);
    }
    return count;
}

/* What only the whole head can tell. */
static int check_fields(const struct request_head *head, struct request_refusal *ret_refusal) {
    static const struct {
        const char *name, *text;
    } single[] = {
        {"Host", "more than one Host field: exactly one is taken"},
        {"Content-Length", "more than one Content-Length field"},
        {"Transfer-Encoding", "more than one Transfer-Encoding field"},
        {"Origin", "more than one Origin field: at most one is taken"},
        {"Authorization", "more than one Authorization field: at most one is taken"},
        {"Sec-WebSocket-Key", "more than one Sec-WebSocket-Key field: exactly one is taken"},
        {"Sec-WebSocket-Version", "more than one Sec-WebSocket-Version field: exactly one is taken"},
    };
    for (size_t i = 0; i < sizeof single / sizeof *single; i++) {
        if (count_fields(head, single[i].name) > 1) {
            return refuse(ret_refusal, 400, single[i].text);
        }
    }
    struct daffi_span host = request_head_find(head, "Host");
    if (host.data == NULL && head->minor_version == 1) {
        return refuse(ret_refusal, 400, "no Host field: HTTP/1.1 asks for exactly one");
    }
    if (host.data != NULL && (host.length == 0 || !is_all(host, IS_HOST))) {
        return refuse(ret_refusal, 400,
                      "the Host field must be a name or an address, and a port where there is one");
    }
    if (count_fields(head, "Transfer-Encoding") > 0) {
        return refuse(ret_refusal, 400, "a request with a body (Transfer-Encoding): none is taken with one");
    }
    struct daffi_span length = request_head_find(head, "Content-Length");
    if (length.data != NULL && !daffi_span_equal(length, daffi_span_text("0"))) {
        return refuse(ret_refusal, 400, "a request with a body (Content-Length): none is taken with one");
    }
    return 0;
}

int request_head_parse(struct daffi_span in, const struct request_limits *limits,
                       struct request_head *ret_head, size_t *ret_size, struct request_refusal *ret_refusal) {
    struct request_head head;
    head.headers_count = 0;
    size_t at = 0;
    for (bool first = true;; first = false) {
        struct daffi_span rest = daffi_span_of(in.data + at, in.length - at);
        struct daffi_span line;
        int r = take_line(rest, limits->head_bytes - at, first, &line, ret_refusal);
        if (r == -EAGAIN && first) {
            int early = check_method(rest, false, &head, ret_refusal);
            return early < 0 ? early : r;
        }
        if (r < 0) {
            return r;
        }
        at += line.length + 2;
        if (first) {
            r = parse_request_line(line, &head, ret_refusal);
        } else if (line.length == 0) {
            break;
        } else if (head.headers_count >= limits->headers || head.headers_count >= REQUEST_HEADERS_MAX) {
            r = refuse(ret_refusal, 431, "the request head holds more fields than `headers` allows");
        } else {
            r = parse_header(line, &head.headers[head.headers_count], ret_refusal);
            head.headers_count += r == 0;
        }
        if (r < 0) {
            return r;
        }
    }
    int r = check_fields(&head, ret_refusal);
    if (r < 0) {
        return r;
    }
    *ret_head = head;
    *ret_size = at;
    return 0;
}

struct daffi_span request_head_find(const struct request_head *head, const char *name) {
    for (size_t i = 0; i < head->headers_count; i++) {
        if (is_named(head->headers[i].name, name)) {
            return head->headers[i].value;
        }
    }
    return (struct daffi_span){0};
}

static bool list_holds(struct daffi_span list, const char *token) {
    for (;;) {
        const uint8_t *comma = list.length > 0 ? memchr(list.data, ',', list.length) : NULL;
        size_t length = comma != NULL ? (size_t)(comma - list.data) : list.length;
        if (is_named(trim(daffi_span_of(list.data, length)), token)) {
            return true;
        }
        if (comma == NULL) {
            return false;
        }
        list = daffi_span_of(comma + 1, list.length - length - 1);
    }
}

bool request_head_has_token(const struct request_head *head, const char *name, const char *token) {
    for (size_t i = 0; i < head->headers_count; i++) {
        if (is_named(head->headers[i].name, name) && list_holds(head->headers[i].value, token)) {
            return true;
        }
    }
    return false;
}

struct daffi_span request_part_find(struct daffi_span list, char separator, const char *beginning) {
    const size_t length = strlen(beginning);
    while (list.length > 0) {
        while (list.length > 0 && list.data[0] == ' ') {
            list = daffi_span_of(list.data + 1, list.length - 1);
        }
        const uint8_t *stop = list.length == 0 ? NULL : memchr(list.data, separator, list.length);
        size_t taken = stop == NULL ? list.length : (size_t)(stop - list.data);
        if (taken >= length && memcmp(list.data, beginning, length) == 0) {
            return daffi_span_of(list.data + length, taken - length);
        }
        size_t skipped = stop == NULL ? taken : taken + 1;
        list = daffi_span_of(list.data + skipped, list.length - skipped);
    }
    return daffi_span_of(NULL, 0);
}
