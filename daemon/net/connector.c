#include "net/connector.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/keepalive.h"
#include "net/name_lookup.h"

enum {
    ADDRESSES_KEPT_MS = 30000,
    NAME_MAX_LENGTH = 320,
    DETAIL_MAX = 512,
};

struct endpoint {
    struct reactor *reactor;
    char *host, *port;
    char name[NAME_MAX_LENGTH];
    struct addresses addresses;
    bool looked_up;       /* addresses are a name's, and grow old */
    uint64_t valid_until; /* ms */
    struct name_lookup lookup;
    struct reactor_retired retired;
    struct connector *connectors;
};

enum connector_state { CONNECTOR_LOOKUP, CONNECTOR_START, CONNECTOR_TRYING, CONNECTOR_DONE };

struct connector {
    struct reactor_source source; /* the socket being connected, fd -1: none */
    struct reactor_task task;
    struct reactor_retired retired;
    struct timer timer; /* of the attempt, or of the whole while looking up */
    struct endpoint *endpoint;
    struct connector *next, **link;
    enum connector_state state;
    uint64_t deadline, timeout_ms;
    struct addresses addresses;
    size_t tried;
    int error; /* of the last attempt, -errno */
    connector_callback on_done;
    void *owner;
};

/* --- one connect ---------------------------------------------------------------------------------------------- */

static void stop_attempt(struct connector *connector) {
    struct reactor *reactor = connector->endpoint->reactor;
    timer_clear(reactor_timers(reactor), &connector->timer);
    if (connector->source.fd >= 0) {
        (void)reactor_watch(reactor, &connector->source, 0);
        close(connector->source.fd);
        connector->source.fd = -1;
    }
}

static const char *error_words(int error) {
    switch (error) {
    case -ECONNREFUSED:
        return "connection refused";
    case -ENOENT:
        return "no such socket";
    case -ETIMEDOUT:
        return "no answer in time";
    case -EAGAIN:
        return "its queue of waiting connections is full";
    default:
        return strerror(-error);
    }
}

static void done(struct connector *connector, int fd, const char *detail) {
    connector->state = CONNECTOR_DONE;
    connector->on_done(connector->owner, fd, detail);
}

static void fail_all(struct connector *connector, int error, const char *words) {
    char detail[DETAIL_MAX];
    stop_attempt(connector);
    snprintf(detail, sizeof detail, "cannot connect to %s: %s", connector->endpoint->name, words);
    done(connector, error, detail);
}

static void succeed(struct connector *connector) {
    struct reactor *reactor = connector->endpoint->reactor;
    int fd = connector->source.fd;
    timer_clear(reactor_timers(reactor), &connector->timer);
    (void)reactor_watch(reactor, &connector->source, 0);
    connector->source.fd = -1;
    done(connector, fd, "");
}

/* Starts the next attempt: 1 connected, 0 under way, -errno failed at once. */
static int attempt(struct connector *connector, const struct address *address) {
    struct reactor *reactor = connector->endpoint->reactor;
    int family = address->storage.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    connector->source.fd = fd;
    if (family != AF_UNIX) {
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)keepalive_enable(fd);
    }
    if (connect(fd, (const struct sockaddr *)&address->storage, address->size) == 0) {
        return 1;
    }
    if (errno != EINPROGRESS) {
        return -errno;
    }
    /* A silent address may not use up the time of those behind it. */
    uint64_t now = reactor_now(reactor);
    uint64_t left = connector->deadline > now ? connector->deadline - now : 0;
    uint64_t share = left / (connector->addresses.count - connector->tried + 1);
    int r = timer_set(reactor_timers(reactor), &connector->timer, now + share);
    return r < 0 ? r : reactor_watch(reactor, &connector->source, EPOLLOUT);
}

static void try_next(struct connector *connector) {
    connector->state = CONNECTOR_TRYING;
    while (connector->tried < connector->addresses.count) {
        const struct address *address = &connector->addresses.list[connector->tried++];
        int r = attempt(connector, address);
        if (r > 0) {
            succeed(connector);
            return;
        }
        if (r == 0) {
            return;
        }
        connector->error = r;
        stop_attempt(connector);
    }
    connector->endpoint->valid_until = 0; /* the name may have moved */
    fail_all(connector, connector->error, error_words(connector->error));
}

static void attempt_ready(struct reactor_source *source, uint32_t events) {
    struct connector *connector =
        (struct connector *)(void *)((char *)source - offsetof(struct connector, source));
    (void)events;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) {
        error = errno;
    }
    if (error == 0) {
        succeed(connector);
        return;
    }
    connector->error = -error;
    stop_attempt(connector);
    try_next(connector);
}

static void attempt_late(struct timer *timer, uint64_t now) {
    struct connector *connector =
        (struct connector *)(void *)((char *)timer - offsetof(struct connector, timer));
    (void)now;
    if (connector->state == CONNECTOR_LOOKUP) {
        fail_all(connector, -ETIMEDOUT, "its name could not be looked up in time");
        return;
    }
    connector->error = -ETIMEDOUT;
    stop_attempt(connector);
    try_next(connector);
}

static void start_trying(struct connector *connector) {
    connector->addresses = connector->endpoint->addresses;
    connector->state = CONNECTOR_START;
    reactor_at_turn_end(connector->endpoint->reactor, &connector->task);
}

static void run_task(struct reactor_task *task) {
    struct connector *connector =
        (struct connector *)(void *)((char *)task - offsetof(struct connector, task));
    if (connector->state == CONNECTOR_START) {
        timer_clear(reactor_timers(connector->endpoint->reactor), &connector->timer);
        try_next(connector);
    }
}

static void on_looked_up(void *owner, const struct addresses *addresses, const char *wrong) {
    struct endpoint *endpoint = owner;
    if (addresses) {
        endpoint->addresses = *addresses;
        endpoint->valid_until = reactor_now(endpoint->reactor) + ADDRESSES_KEPT_MS;
    }
    /* A callback may free any connector: begin anew after each. */
    struct connector *connector = endpoint->connectors;
    while (connector) {
        struct connector *next = connector->next;
        if (connector->state == CONNECTOR_LOOKUP) {
            if (addresses) {
                start_trying(connector);
            } else {
                fail_all(connector, -EADDRNOTAVAIL, wrong);
                next = endpoint->connectors;
            }
        }
        connector = next;
    }
}

static int look_up(struct endpoint *endpoint) {
    return name_lookup_start(&endpoint->lookup, endpoint->reactor, endpoint->host, endpoint->port,
                             on_looked_up, endpoint);
}

/* --- what others call ------------------------------------------------------------------------------------------ */

int connector_new(struct endpoint *endpoint, uint64_t timeout_ms, connector_callback on_done, void *owner,
                  struct connector **ret_connector) {
    struct reactor *reactor = endpoint->reactor;
    struct connector *connector = calloc(1, sizeof *connector);
    if (!connector) {
        return -ENOMEM;
    }
    connector->source = (struct reactor_source){.fd = -1, .on_ready = attempt_ready};
    connector->task.run = run_task;
    connector->timer.on_due = attempt_late;
    connector->endpoint = endpoint;
    connector->timeout_ms = timeout_ms;
    connector->deadline = reactor_now(reactor) + timeout_ms;
    connector->error = -EADDRNOTAVAIL;
    connector->on_done = on_done;
    connector->owner = owner;
    int r = timer_set(reactor_timers(reactor), &connector->timer, connector->deadline);
    if (r < 0) {
        free(connector);
        return r;
    }
    if (!endpoint->looked_up || reactor_now(reactor) < endpoint->valid_until) {
        start_trying(connector);
    } else if (!endpoint->lookup.errand && (r = look_up(endpoint)) < 0) {
        timer_clear(reactor_timers(reactor), &connector->timer);
        free(connector);
        return r;
    }
    connector->link = &endpoint->connectors;
    connector->next = endpoint->connectors;
    if (connector->next) {
        connector->next->link = &connector->next;
    }
    endpoint->connectors = connector;
    *ret_connector = connector;
    return 0;
}

static void release_connector(struct reactor_retired *retired) {
    free((char *)retired - offsetof(struct connector, retired));
}

void connector_free(struct connector *connector) {
    if (!connector) {
        return;
    }
    stop_attempt(connector);
    connector->state = CONNECTOR_DONE;
    *connector->link = connector->next;
    if (connector->next) {
        connector->next->link = connector->link;
    }
    connector->retired.release = release_connector;
    reactor_retire(connector->endpoint->reactor, &connector->retired);
}

/* An address literal, or a socket's path: known for ever. A name: looked up when it is needed. */
static int find_addresses(struct endpoint *endpoint, const char *path) {
    if (!path) {
        endpoint->looked_up = !name_lookup_is_address(endpoint->host, endpoint->port, &endpoint->addresses);
        return 0;
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof address.sun_path) {
        return -EINVAL;
    }
    memcpy(address.sun_path, path, length + 1);
    endpoint->addresses.count = 1;
    endpoint->addresses.list[0].size = sizeof address;
    memcpy(&endpoint->addresses.list[0].storage, &address, sizeof address);
    return 0;
}

int endpoint_new(struct reactor *reactor, const char *host, const char *port, const char *path,
                 struct endpoint **ret_endpoint) {
    if (!path && (!host || !port)) {
        return -EINVAL;
    }
    struct endpoint *endpoint = calloc(1, sizeof *endpoint);
    if (!endpoint) {
        return -ENOMEM;
    }
    endpoint->reactor = reactor;
    int r = 0;
    if (path) {
        snprintf(endpoint->name, sizeof endpoint->name, "%s", path);
    } else {
        snprintf(endpoint->name, sizeof endpoint->name, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
        endpoint->host = strdup(host);
        endpoint->port = strdup(port);
        r = endpoint->host && endpoint->port ? 0 : -ENOMEM;
    }
    if (r == 0) {
        r = find_addresses(endpoint, path);
    }
    if (r < 0) {
        endpoint_free(endpoint);
        return r;
    }
    *ret_endpoint = endpoint;
    return 0;
}

static void release_endpoint(struct reactor_retired *retired) {
    struct endpoint *endpoint =
        (struct endpoint *)(void *)((char *)retired - offsetof(struct endpoint, retired));
    free(endpoint->host);
    free(endpoint->port);
    free(endpoint);
}

void endpoint_free(struct endpoint *endpoint) {
    if (!endpoint) {
        return;
    }
    name_lookup_stop(&endpoint->lookup);
    endpoint->retired.release = release_endpoint;
    reactor_retire(endpoint->reactor, &endpoint->retired);
}

const char *endpoint_name(const struct endpoint *endpoint) {
    return endpoint->name;
}
