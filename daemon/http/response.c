#include "http/response.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "http/head_writer.h"

enum { QUALITY_FULL = 1000, QUALITY_NOT_NAMED = QUALITY_FULL + 1 };

const char *response_reason(int status) {
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {101, "Switching Protocols"},
        {200, "OK"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {304, "Not Modified"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {414, "URI Too Long"},
        {416, "Range Not Satisfiable"},
        {421, "Misdirected Request"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "Unknown";
}

int response_format_head(const struct response *response, char *out, size_t capacity) {
    struct head_writer head = head_writer_of(out, capacity);
    head_put(&head, "HTTP/1.1 ");
    head_put_number(&head, (uint64_t)response->status);
    head_put(&head, " ");
    head_put(&head, response_reason(response->status));
    head_put(&head, "\r\n");
    if (response->date != 0) {
        head_put(&head, "Date: ");
        head_put_date(&head, response->date);
        head_put(&head, "\r\n");
    }
    if (response->type != NULL) {
        head_put(&head, "Content-Type: ");
        head_put(&head, response->type);
        head_put(&head, "\r\n");
    }
    if (response->status != 304 && response->status != 204) {
        head_put(&head, "Content-Length: ");
        head_put_number(&head, response->body.length);
        head_put(&head, "\r\n");
    }
    head_put(&head, "X-Content-Type-Options: nosniff\r\n");
    head_put(&head, response->fields != NULL ? response->fields : "");
    head_put(&head, response->close ? "Connection: close\r\n\r\n" : "\r\n");
    return head.is_over ? -ENOBUFS : (int)head.length;
}

int response_write(const struct response *response, const struct response_sink *sink) {
    char head[RESPONSE_HEAD_MAX];
    int size = response_format_head(response, head, sizeof head);
    if (size < 0) {
        return size;
    }
    int r = sink->write(sink->owner, head, (size_t)size);
    bool bodiless = response->to_head || response->status == 304 || response->status == 204;
    if (r < 0 || bodiless || response->body.length == 0) {
        return r;
    }
    return sink->write(sink->owner, response->body.data, response->body.length);
}

int response_refuse(const struct request_refusal *refusal, bool to_head, const struct response_sink *sink) {
    char text[512];
    char fields[256];
    int length = snprintf(text, sizeof text, "%s\n", refusal->text);
    if (length < 0 || (size_t)length >= sizeof text) {
        return -ENOBUFS;
    }
    snprintf(fields, sizeof fields, "Cache-Control: no-store\r\n%s",
             refusal->status == 405 ? "Allow: GET, HEAD\r\n"
             : refusal->status == 426
                 ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n"
                 : "");
    const struct response response = {.status = refusal->status,
                                      .type = "text/plain; charset=utf-8",
                                      .fields = fields,
                                      .body = daffi_span_of(text, (size_t)length),
                                      .to_head = to_head,
                                      .close = true};
    return response_write(&response, sink);
}

int response_switch_protocols(const char *accept, const struct response_sink *sink) {
    char head[256];
    int size = snprintf(head, sizeof head,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\n\r\n",
                        accept);
    return size < 0 || (size_t)size >= sizeof head ? -ENOBUFS : sink->write(sink->owner, head, (size_t)size);
}

bool response_keeps_alive(const struct request_head *head) {
    return head->minor_version == 1 && !request_head_has_token(head, "Connection", "close");
}

static struct daffi_span trim(struct daffi_span text) {
    while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = daffi_span_of(text.data + 1, text.length - 1);
    }
    while (text.length > 0 && (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t')) {
        text.length--;
    }
    return text;
}

/* Takes what stands before `separator` off the front of `text`; false when nothing is left. */
static bool take_part(struct daffi_span *text, char separator, struct daffi_span *ret_part) {
    if (text->data == NULL) {
        return false;
    }
    const uint8_t *end = text->length > 0 ? memchr(text->data, separator, text->length) : NULL;
    size_t length = end != NULL ? (size_t)(end - text->data) : text->length;
    *ret_part = trim(daffi_span_of(text->data, length));
    *text = end != NULL ? daffi_span_of(end + 1, text->length - length - 1) : (struct daffi_span){0};
    return true;
}

static bool equals_any_case(struct daffi_span text, const char *other) {
    return text.length == strlen(other) && strncasecmp((const char *)text.data, other, text.length) == 0;
}

/* `q=0.25` in thousandths; what is not well formed counts as 0, so that it is never chosen. */
static unsigned read_quality(struct daffi_span parameter) {
    if (parameter.length < 3 || (parameter.data[0] | 0x20) != 'q' || parameter.data[1] != '=') {
        return 0;
    }
    struct daffi_span number = daffi_span_of(parameter.data + 2, parameter.length - 2);
    if (number.length > 5 || (number.data[0] != '0' && number.data[0] != '1') ||
        (number.length > 1 && number.data[1] != '.')) {
        return 0;
    }
    unsigned value = number.data[0] == '1' ? QUALITY_FULL : 0;
    unsigned place = QUALITY_FULL / 10;
    for (size_t i = 2; i < number.length; i++, place /= 10) {
        if (number.data[i] < '0' || number.data[i] > '9') {
            return 0;
        }
        value += (unsigned)(number.data[i] - '0') * place;
    }
    return value <= QUALITY_FULL ? value : 0;
}

/* The quality that one field gives `coding`, or QUALITY_NOT_NAMED. */
static unsigned quality_in(struct daffi_span list, const char *coding) {
    struct daffi_span item;
    while (take_part(&list, ',', &item)) {
        struct daffi_span name;
        struct daffi_span parameter;
        take_part(&item, ';', &name);
        if (equals_any_case(name, coding)) {
            return take_part(&item, ';', &parameter) ? read_quality(parameter) : QUALITY_FULL;
        }
    }
    return QUALITY_NOT_NAMED;
}

static unsigned quality_of(const struct request_head *head, const char *coding) {
    for (size_t i = 0; i < head->headers_count; i++) {
        if (equals_any_case(head->headers[i].name, "Accept-Encoding")) {
            unsigned quality = quality_in(head->headers[i].value, coding);
            if (quality != QUALITY_NOT_NAMED) {
                return quality;
            }
        }
    }
    return QUALITY_NOT_NAMED;
}

unsigned response_coding_quality(const struct request_head *head, const char *coding) {
    unsigned quality = quality_of(head, coding);
    if (quality != QUALITY_NOT_NAMED) {
        return quality;
    }
    bool identity = strcmp(coding, "identity") == 0;
    unsigned others = quality_of(head, "*");
    if (others == QUALITY_NOT_NAMED) {
        return identity ? 1 : 0; /* identity is taken, though whatever is asked for by name goes first */
    }
    return others;
}

bool response_is_unchanged(const struct request_head *head, const char *etag) {
    for (size_t i = 0; i < head->headers_count; i++) {
        struct daffi_span list = head->headers[i].value;
        struct daffi_span item;
        if (!equals_any_case(head->headers[i].name, "If-None-Match")) {
            continue;
        }
        while (take_part(&list, ',', &item)) { /* our own tags hold no comma */
            if (item.length >= 2 && memcmp(item.data, "W/", 2) == 0) {
                item = daffi_span_of(item.data + 2, item.length - 2);
            }
            if (daffi_span_equal(item, daffi_span_text(etag)) ||
                daffi_span_equal(item, daffi_span_text("*"))) {
                return true;
            }
        }
    }
    return false;
}
