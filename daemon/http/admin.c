#include "http/admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "http/response.h"
#include "net/connection.h"
#include "net/listener.h"

enum { MEMORY_MAX = 64 << 20, QUEUE_MAX = 16 << 20, HEADERS_MAX = 50, NAME_MAX_HERE = 64, HOST_MAX = 255 };

struct admin {
    struct admin_setup setup;
    struct memory_budget memory;
    struct reactor *reactor;
    struct listener *listener;
    size_t connections;
    pthread_t thread;
};

/* A connection of whoever asks. */
struct caller {
    struct reactor_retired retired;
    struct admin *admin;
    struct connection *connection;
    struct timer deadline; /* for the next request */
};

/* -- answers -- */

static int sink_write(void *owner, const void *bytes, size_t length) {
    return connection_write(owner, bytes, length);
}

static bool is_address(const char *host) {
    struct in_addr four;
    return inet_pton(AF_INET, host, &four) == 1 || host[0] == '[';
}

/* The host of a Host field, without its port. */
static bool is_own_host(const struct admin *admin, struct daffi_span field) {
    char host[HOST_MAX + 1];
    if (field.length == 0 || field.length > HOST_MAX) {
        return field.length == 0;
    }
    memcpy(host, field.data, field.length);
    host[field.length] = '\0';
    char *colon = host[0] == '[' ? strchr(host, ']') : strchr(host, ':');
    if (host[0] != '[' && colon != NULL) {
        *colon = '\0';
    }
    if (is_address(host) || strcasecmp(host, "localhost") == 0) {
        return true;
    }
    return admin->setup.is_own_host(admin->setup.source, host);
}

/* `text` is what was written to a stream, the caller's to free. */
static void answer(struct caller *caller, const struct request_head *head, int status, const char *type,
                   struct daffi_span text) {
    const struct response_sink sink = {.write = sink_write, .owner = caller->connection};
    const struct response response = {.status = status,
                                      .type = type,
                                      .fields = "Cache-Control: no-store\r\n",
                                      .body = text,
                                      .to_head = head->method == REQUEST_HEAD,
                                      .close = !response_keeps_alive(head)};
    (void)response_write(&response, &sink);
}

static void answer_readiness(struct caller *caller, const struct request_head *head, const char *upstream,
                             FILE *out, char *const *text, const size_t *length) {
    const struct admin_setup *setup = &caller->admin->setup;
    int ready = setup->write_readiness(setup->source, upstream, out);
    if (fclose(out) == 0) {
        answer(caller, head,
               ready < 0   ? 404
               : ready > 0 ? 200
                           : 503,
               "text/plain; charset=utf-8", daffi_span_of(*text, *length));
    }
}

/* The NAME of /readyz/NAME; NULL where the path is none, or the name none of ours. */
static const char *upstream_of(struct daffi_span path, char out[NAME_MAX_HERE + 1]) {
    static const char before[] = "/readyz/";
    const size_t length = sizeof before - 1;
    if (path.length <= length || path.length > length + NAME_MAX_HERE ||
        memcmp(path.data, before, length) != 0) {
        return NULL;
    }
    memcpy(out, path.data + length, path.length - length);
    out[path.length - length] = '\0';
    return out;
}

static void take_request(struct caller *caller, const struct request_head *head) {
    const struct admin_setup *setup = &caller->admin->setup;
    static const char text_type[] = "text/plain; charset=utf-8";
    char name[NAME_MAX_HERE + 1];
    const char *upstream = upstream_of(head->path, name);
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL) {
        connection_abort(caller->connection, -ENOMEM, NULL);
        return;
    }
    if (upstream != NULL || daffi_span_equal(head->path, daffi_span_text("/readyz"))) {
        answer_readiness(caller, head, upstream, out, &text, &length);
        free(text);
        return;
    }
    int status = 200;
    const char *type = text_type;
    if (daffi_span_equal(head->path, daffi_span_text("/healthz"))) {
        status = setup->write_health(setup->source, reactor_now(caller->admin->reactor), out) ? 200 : 503;
    } else if (!daffi_span_equal(head->path, daffi_span_text("/metrics"))) {
        status = 404;
        fputs("there are /healthz, /readyz and /metrics here\n", out);
    } else if (!is_own_host(caller->admin, request_head_find(head, "Host"))) {
        status = 403;
        fputs("this host name is not one of this bridge's own: see \"hosts\" in its configuration\n", out);
    } else {
        type = "text/plain; version=0.0.4; charset=utf-8";
        setup->write_metrics(setup->source, out);
    }
    if (fclose(out) == 0) {
        answer(caller, head, status, type, daffi_span_of(text, length));
    } else {
        connection_abort(caller->connection, -ENOMEM, NULL);
    }
    free(text);
}

/* -- a connection -- */

static void set_deadline(struct caller *caller) {
    struct reactor *reactor = caller->admin->reactor;
    if (timer_set(reactor_timers(reactor), &caller->deadline, reactor_now(reactor) + ADMIN_TIMEOUT_MS) < 0) {
        connection_abort(caller->connection, -ENOMEM, NULL);
    }
}

static void on_deadline(struct timer *timer, uint64_t now) {
    (void)now;
    struct caller *caller = (struct caller *)(void *)((char *)timer - offsetof(struct caller, deadline));
    connection_close(caller->connection, ADMIN_TIMEOUT_MS);
}

static ssize_t on_input(void *owner, uint8_t *bytes, size_t length) {
    static const struct request_limits limits = {.head_bytes = ADMIN_HEAD_MAX, .headers = HEADERS_MAX};
    struct caller *caller = owner;
    struct request_head head;
    struct request_refusal refusal;
    size_t at = 0;
    while (at < length) {
        size_t size = 0;
        int status =
            request_head_parse(daffi_span_of(bytes + at, length - at), &limits, &head, &size, &refusal);
        if (status == -EAGAIN) {
            break;
        }
        if (status == 0) {
            take_request(caller, &head);
        } else {
            const struct response_sink sink = {.write = sink_write, .owner = caller->connection};
            (void)response_refuse(&refusal, false, &sink);
        }
        if (status < 0 || !response_keeps_alive(&head)) {
            connection_close(caller->connection, ADMIN_TIMEOUT_MS);
            return (ssize_t)length;
        }
        at += size;
        set_deadline(caller);
    }
    return (ssize_t)at;
}

static void release(struct reactor_retired *retired) {
    free((struct caller *)(void *)((char *)retired - offsetof(struct caller, retired)));
}

static void on_closed(void *owner, int reason, const char *detail) {
    (void)reason;
    (void)detail;
    struct caller *caller = owner;
    timer_clear(reactor_timers(caller->admin->reactor), &caller->deadline);
    caller->admin->connections--;
    caller->retired.release = release;
    reactor_retire(caller->admin->reactor, &caller->retired);
}

static const struct connection_handler handler = {.on_input = on_input, .on_closed = on_closed};

static void on_accept(void *owner, int fd, const char *peer) {
    static const struct connection_limits limits = {.queue_high = QUEUE_MAX,
                                                    .queue_bytes = QUEUE_MAX,
                                                    .slow_consumer_ms = ADMIN_TIMEOUT_MS,
                                                    .open_ms = ADMIN_TIMEOUT_MS};
    (void)peer;
    struct admin *admin = owner;
    struct stream *stream = NULL;
    struct caller *caller = admin->connections < ADMIN_CONNECTIONS_MAX ? calloc(1, sizeof *caller) : NULL;
    if (caller == NULL || stream_tcp_new(fd, &stream) < 0) {
        close(fd);
        free(caller);
        return;
    }
    caller->admin = admin;
    caller->deadline.on_due = on_deadline;
    if (connection_new(admin->reactor, stream, &limits, &handler, caller, &caller->connection) < 0) {
        free(caller);
        return;
    }
    admin->connections++;
    set_deadline(caller);
}

/* -- the whole -- */

static void *run(void *argument) {
    struct admin *admin = argument;
    (void)pthread_setname_np(pthread_self(), "admin");
    (void)reactor_run(admin->reactor);
    return NULL;
}

static void free_admin(struct admin *admin) {
    listener_free(admin->listener);
    if (admin->reactor != NULL) {
        connection_abort_all(admin->reactor, -ECANCELED, "the bridge has shut down");
    }
    reactor_free(admin->reactor);
    free(admin);
}

int admin_start(const struct admin_setup *setup, struct admin **ret_admin) {
    struct admin *admin = calloc(1, sizeof *admin);
    if (admin == NULL) {
        return -ENOMEM;
    }
    admin->setup = *setup;
    admin->memory.limit = MEMORY_MAX;
    int status = reactor_new(&admin->memory, &admin->reactor);
    if (status == 0) {
        status = listener_new(admin->reactor, setup->socket, on_accept, admin, &admin->listener);
    }
    if (status == 0) {
        status = -pthread_create(&admin->thread, NULL, run, admin);
    }
    if (status < 0) {
        free_admin(admin);
        return status;
    }
    *ret_admin = admin;
    return 0;
}

void admin_stop(struct admin *admin) {
    if (admin == NULL) {
        return;
    }
    reactor_stop(admin->reactor);
    pthread_join(admin->thread, NULL);
    free_admin(admin);
}
