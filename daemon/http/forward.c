#include "http/forward.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "http/pages.h"
#include "http/site.h"
#include "net/connection.h"
#include "net/connector.h"

enum {
    REQUEST_MAX = 1024,  /* bytes of the head made for the site */
    VALIDATOR_MAX = 256, /* bytes of If-None-Match handed on; our own tags are shorter */
};

struct forward_route {
    struct reactor *reactor;
    struct endpoint *endpoint;
    char secret[SITE_SECRET_LENGTH + 1];
};

struct forward {
    struct reactor *reactor;
    enum forward_state {
        FORWARD_CONNECTING,
        FORWARD_EXCHANGING,
        FORWARD_ANSWERED, /* the callback has been called, or will never be */
    } state;
    struct connector *connector;
    struct connection *connection; /* NULL before it is there and after it is gone */
    struct timer timer;
    struct reactor_retired retired;
    bool freed; /* by its owner: its memory goes once its connection has gone */
    bool to_head, keeps;
    struct response_sink sink;
    forward_callback on_done;
    void *owner;
    size_t request_length;
    char request[REQUEST_MAX];
};

int forward_route_new(struct reactor *reactor, unsigned port, const char *secret,
                      struct forward_route **ret_route) {
    char port_text[16];
    if (strlen(secret) != SITE_SECRET_LENGTH) {
        return -EINVAL;
    }
    struct forward_route *route = calloc(1, sizeof *route);
    if (route == NULL) {
        return -ENOMEM;
    }
    route->reactor = reactor;
    memcpy(route->secret, secret, sizeof route->secret);
    snprintf(port_text, sizeof port_text, "%u", port);
    int r = endpoint_new(reactor, "127.0.0.1", port_text, NULL, &route->endpoint);
    if (r < 0) {
        forward_route_free(route);
        return r;
    }
    *ret_route = route;
    return 0;
}

void forward_route_free(struct forward_route *route) {
    if (route == NULL) {
        return;
    }
    endpoint_free(route->endpoint);
    explicit_bzero(route->secret, sizeof route->secret);
    free(route);
}

static struct forward *forward_of_timer(struct timer *timer) {
    return (struct forward *)(void *)((char *)timer - offsetof(struct forward, timer));
}

static void release(struct reactor_retired *retired) {
    struct forward *forward = (struct forward *)(void *)((char *)retired - offsetof(struct forward, retired));
    explicit_bzero(forward->request, sizeof forward->request); /* it holds the secret */
    free(forward);
}

static void retire(struct forward *forward) {
    forward->retired.release = release;
    reactor_retire(forward->reactor, &forward->retired);
}

/* Ends the exchange with the site, whatever came of it. */
static void end_exchange(struct forward *forward) {
    forward->state = FORWARD_ANSWERED;
    timer_clear(reactor_timers(forward->reactor), &forward->timer);
    connector_free(forward->connector);
    forward->connector = NULL;
    if (forward->connection != NULL) {
        connection_abort(forward->connection, -ECANCELED, "the exchange with the site has ended");
    }
}

static void finish(struct forward *forward, int r, bool keeps) {
    end_exchange(forward);
    forward->on_done(forward->owner, r, keeps);
}

static void fail(struct forward *forward, int status, const char *text) {
    const struct request_refusal refusal = {.status = status, .text = text};
    finish(forward, response_refuse(&refusal, forward->to_head, &forward->sink), false);
}

static ssize_t on_input(void *owner, uint8_t *bytes, size_t length) {
    struct forward *forward = owner;
    char fields[RESPONSE_HEAD_MAX];
    struct response response;
    if (forward->state != FORWARD_EXCHANGING) {
        return (ssize_t)length;
    }
    int r = forward_read_answer(daffi_span_of(bytes, length), forward->to_head, forward->keeps, fields,
                                &response);
    if (r == -EAGAIN) {
        return 0;
    }
    if (r < 0) {
        fail(forward, 502, "the bridge's own pages gave an answer that makes no sense");
    } else {
        finish(forward, response_write(&response, &forward->sink), forward->keeps);
    }
    return (ssize_t)length;
}

static void on_end(void *owner) {
    struct forward *forward = owner;
    if (forward->state == FORWARD_EXCHANGING) {
        fail(forward, 502, "the bridge's own pages broke off their answer");
    }
}

static void on_closed(void *owner, int reason, const char *detail) {
    (void)reason;
    (void)detail;
    struct forward *forward = owner;
    forward->connection = NULL;
    if (forward->freed) {
        retire(forward);
    } else if (forward->state == FORWARD_EXCHANGING) {
        fail(forward, 502, "the connection to the bridge's own pages was lost");
    }
}

static const struct connection_handler handler = {
    .on_input = on_input, .on_end = on_end, .on_closed = on_closed};

static int open_exchange(struct forward *forward, int fd) {
    static const struct connection_limits limits = {.queue_high = REQUEST_MAX,
                                                    .queue_bytes = (size_t)2 * REQUEST_MAX,
                                                    .slow_consumer_ms = FORWARD_TIMEOUT_MS,
                                                    .open_ms = FORWARD_TIMEOUT_MS};
    struct stream *stream;
    int r = stream_tcp_new(fd, &stream);
    if (r < 0) {
        close(fd);
        return r;
    }
    r = connection_new(forward->reactor, stream, &limits, &handler, forward, &forward->connection);
    if (r < 0) {
        return r;
    }
    forward->state = FORWARD_EXCHANGING;
    /* A refused write ends in on_closed, which answers. */
    (void)connection_write(forward->connection, forward->request, forward->request_length);
    return 0;
}

static void on_connected(void *owner, int fd, const char *detail) {
    (void)detail;
    struct forward *forward = owner;
    connector_free(forward->connector);
    forward->connector = NULL;
    if (fd < 0 || open_exchange(forward, fd) < 0) {
        fail(forward, 502, "the bridge's own pages can't be reached");
    }
}

static void on_late(struct timer *timer, uint64_t now) {
    (void)now;
    fail(forward_of_timer(timer), 504, "the bridge's own pages took too long to answer");
}

/* The value where it is one that we could have made; else none. */
static struct daffi_span find_validator(const struct request_head *head) {
    struct daffi_span value = request_head_find(head, "If-None-Match");
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] < 0x20 || value.data[i] > 0x7e) {
            return (struct daffi_span){0};
        }
    }
    return value.length <= VALIDATOR_MAX ? value : (struct daffi_span){0};
}

/* The head for the site: nothing of the client's stands in it as it came, but for its validator. */
static int format_request(const struct forward_route *route, const struct request_head *head,
                          char out[REQUEST_MAX]) {
    char path[PAGES_PATH_MAX + 1];
    if (pages_decode_path(head->path, path) < 0) {
        return -ENOENT;
    }
    unsigned brotli = response_coding_quality(head, "br");
    unsigned gzip = response_coding_quality(head, "gzip");
    struct daffi_span validator = find_validator(head);
    int length = snprintf(
        out, REQUEST_MAX,
        "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" SITE_SECRET_FIELD ": %s\r\n"
        "Accept-Encoding: %s\r\n%s%.*s%s\r\n",
        head->method == REQUEST_HEAD ? "HEAD" : "GET", path, route->secret,
        brotli > 0 && brotli >= gzip ? "br"
        : gzip > 0                   ? "gzip"
                                     : "identity",
        validator.length > 0 ? "If-None-Match: " : "", (int)validator.length,
        validator.length > 0 ? (const char *)validator.data : "", validator.length > 0 ? "\r\n" : "");
    return length < 0 || length >= REQUEST_MAX ? -ENOENT : length;
}

int forward_new(struct forward_route *route, const struct request_head *head,
                const struct response_sink *sink, forward_callback on_done, void *owner,
                struct forward **ret_forward) {
    struct forward *forward = calloc(1, sizeof *forward);
    if (forward == NULL) {
        return -ENOMEM;
    }
    forward->reactor = route->reactor;
    forward->to_head = head->method == REQUEST_HEAD;
    forward->keeps = response_keeps_alive(head);
    forward->sink = *sink;
    forward->on_done = on_done;
    forward->owner = owner;
    forward->timer.on_due = on_late;
    int r = format_request(route, head, forward->request);
    if (r < 0) {
        goto fail;
    }
    forward->request_length = (size_t)r;
    uint64_t due = reactor_now(route->reactor) + FORWARD_TIMEOUT_MS;
    r = timer_set(reactor_timers(route->reactor), &forward->timer, due);
    if (r < 0) {
        goto fail;
    }
    r = connector_new(route->endpoint, FORWARD_TIMEOUT_MS, on_connected, forward, &forward->connector);
    if (r < 0) {
        timer_clear(reactor_timers(route->reactor), &forward->timer);
        goto fail;
    }
    *ret_forward = forward;
    return 0;
fail:
    release(&forward->retired);
    return r;
}

void forward_free(struct forward *forward) {
    if (forward == NULL) {
        return;
    }
    if (forward->state != FORWARD_ANSWERED) {
        end_exchange(forward);
    }
    forward->freed = true;
    if (forward->connection == NULL) {
        retire(forward);
    }
}

static bool begins_with(struct daffi_span line, const char *name) {
    size_t length = strlen(name);
    return line.length >= length && strncasecmp((const char *)line.data, name, length) == 0;
}

static int read_length(struct daffi_span digits, size_t *ret_length) {
    size_t value = 0;
    while (digits.length > 0 && digits.data[0] == ' ') {
        digits = daffi_span_of(digits.data + 1, digits.length - 1);
    }
    if (digits.length == 0) {
        return -EBADMSG;
    }
    for (size_t i = 0; i < digits.length; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return -EBADMSG;
        }
        value = value * 10 + (size_t)(digits.data[i] - '0');
        if (value > FORWARD_ANSWER_MAX) {
            return -EMSGSIZE;
        }
    }
    *ret_length = value;
    return 0;
}

static int read_status(struct daffi_span line) {
    static const char version[] = "HTTP/1.1 ";
    if (line.length < sizeof version + 2 || memcmp(line.data, version, sizeof version - 1) != 0) {
        return -EBADMSG;
    }
    int status = 0;
    for (size_t i = sizeof version - 1; i < sizeof version + 2; i++) {
        if (line.data[i] < '0' || line.data[i] > '9') {
            return -EBADMSG;
        }
        status = status * 10 + (line.data[i] - '0');
    }
    return status >= 200 ? status : -EBADMSG;
}

int forward_read_answer(struct daffi_span in, bool to_head, bool keeps, char fields[RESPONSE_HEAD_MAX],
                        struct response *ret_response) {
    static const char *const ours[] = {"Connection:", "X-Content-Type-Options:", "Date:"}; /* said anew */
    static const char length_field[] = "Content-Length:";
    const uint8_t *end = in.length > 0 ? memmem(in.data, in.length, "\r\n\r\n", 4) : NULL;
    if (end == NULL) {
        return in.length < RESPONSE_HEAD_MAX ? -EAGAIN : -EMSGSIZE;
    }
    size_t head = (size_t)(end - in.data) + 4;
    if (head > RESPONSE_HEAD_MAX) {
        return -EMSGSIZE;
    }
    int status = 0;
    bool has_length = false;
    size_t length = 0;
    size_t written = 0;
    for (size_t at = 0; at < head - 2;) {
        const uint8_t *stop = memmem(in.data + at, head - at, "\r\n", 2);
        struct daffi_span line = daffi_span_of(in.data + at, (size_t)(stop - (in.data + at)));
        bool skipped = at == 0;
        if (at == 0) {
            status = read_status(line);
        }
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
            skipped = skipped || begins_with(line, ours[i]);
        }
        if (begins_with(line, length_field)) {
            size_t name = sizeof length_field - 1;
            int r = has_length ? -EBADMSG
                               : read_length(daffi_span_of(line.data + name, line.length - name), &length);
            if (r < 0) {
                return r;
            }
            has_length = true;
            skipped = true;
        }
        if (!skipped) { /* what is kept is never longer than what was read */
            memcpy(fields + written, line.data, line.length + 2);
            written += line.length + 2;
        }
        at += line.length + 2;
    }
    fields[written] = '\0';
    bool bodiless = to_head || status == 304;
    size_t body = in.length - head;
    if (status < 0 || (!has_length && status != 304) || body > (bodiless ? 0 : length)) {
        return -EBADMSG;
    }
    if (!bodiless && body < length) {
        return -EAGAIN;
    }
    *ret_response = (struct response){.status = status,
                                      .fields = fields,
                                      .body = daffi_span_of(in.data + head, length),
                                      .to_head = to_head,
                                      .close = !keeps};
    return 0;
}
