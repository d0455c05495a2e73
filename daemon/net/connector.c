#include "net/connector.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/keepalive.h"

enum {
    ADDRESSES_MAX = 8, /* of a name; more are not tried */
    ADDRESSES_KEPT_MS = 30000,
    NAME_MAX_LENGTH = 320,
    DETAIL_MAX = 512,
    LOOKUP_STACK = 524288,
};

struct address {
    struct sockaddr_storage storage;
    socklen_t size;
};

struct addresses {
    struct address list[ADDRESSES_MAX];
    size_t count;
};

/* A name being looked up: shared by the helper thread and the endpoint; the last to let go frees it. The thread
 * knows neither endpoint nor reactor: closing its end of a pipe is how it tells. */
struct lookup {
    atomic_int holders;
    int tell_fd; /* the thread's */
    char *host, *port;
    atomic_bool done; /* what follows is written */
    int failed;       /* getaddrinfo's */
    int system_error;
    struct addresses addresses;
};

struct endpoint {
    struct reactor *reactor;
    char *host, *port;
    char name[NAME_MAX_LENGTH];
    struct addresses addresses;
    bool looked_up;       /* addresses are a name's, and grow old */
    uint64_t valid_until; /* ms */
    struct lookup *lookup;
    struct reactor_source told; /* the pipe's reading end while looking up */
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

/* --- names ---------------------------------------------------------------------------------------------------- */

static void lookup_release(struct lookup *lookup) {
    if (!lookup || atomic_fetch_sub(&lookup->holders, 1) > 1) {
        return;
    }
    free(lookup->host);
    free(lookup->port);
    free(lookup);
}

static void add_addresses(struct addresses *addresses, const struct addrinfo *list) {
    for (const struct addrinfo *info = list; info && addresses->count < ADDRESSES_MAX; info = info->ai_next) {
        struct address *address = &addresses->list[addresses->count++];
        memcpy(&address->storage, info->ai_addr, info->ai_addrlen);
        address->size = info->ai_addrlen;
    }
}

static int look_up(const char *host, const char *port, int flags, struct addresses *addresses) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    struct addrinfo *list = NULL;
    int failed = getaddrinfo(host, port, &hints, &list);
    if (!failed) {
        add_addresses(addresses, list);
        freeaddrinfo(list);
    }
    return failed;
}

static void *lookup_thread(void *argument) {
    struct lookup *lookup = argument;
    lookup->failed = look_up(lookup->host, lookup->port, AI_ADDRCONFIG, &lookup->addresses);
    lookup->system_error = errno;
    atomic_store_explicit(&lookup->done, true, memory_order_release);
    close(lookup->tell_fd);
    lookup_release(lookup);
    return NULL;
}

static void lookup_done(struct reactor_source *source, uint32_t events);

static int start_thread(struct lookup *lookup) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, LOOKUP_STACK);
    int r = pthread_create(&thread, &attributes, lookup_thread, lookup);
    pthread_attr_destroy(&attributes);
    return -r;
}

static int lookup_start(struct endpoint *endpoint) {
    int fds[2] = {-1, -1};
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup) {
        return -ENOMEM;
    }
    atomic_init(&lookup->holders, 1);
    lookup->host = strdup(endpoint->host);
    lookup->port = strdup(endpoint->port);
    int r = lookup->host && lookup->port ? 0 : -ENOMEM;
    if (r == 0 && pipe2(fds, O_CLOEXEC) < 0) {
        r = -errno;
    }
    if (r < 0) {
        goto fail;
    }
    lookup->tell_fd = fds[1];
    endpoint->told = (struct reactor_source){.fd = fds[0], .on_ready = lookup_done};
    r = reactor_watch(endpoint->reactor, &endpoint->told, EPOLLIN);
    if (r < 0) {
        goto fail;
    }
    atomic_store(&lookup->holders, 2);
    r = start_thread(lookup);
    if (r < 0) {
        atomic_store(&lookup->holders, 1);
        (void)reactor_watch(endpoint->reactor, &endpoint->told, 0);
        goto fail;
    }
    endpoint->lookup = lookup;
    return 0;

fail:
    if (fds[0] >= 0) {
        close(fds[0]);
        close(fds[1]);
    }
    endpoint->told.fd = -1;
    lookup_release(lookup);
    return r;
}

static void lookup_forget(struct endpoint *endpoint) {
    if (!endpoint->lookup) {
        return;
    }
    (void)reactor_watch(endpoint->reactor, &endpoint->told, 0);
    close(endpoint->told.fd);
    endpoint->told.fd = -1;
    lookup_release(endpoint->lookup);
    endpoint->lookup = NULL;
}

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

static void lookup_done(struct reactor_source *source, uint32_t events) {
    struct endpoint *endpoint = (struct endpoint *)(void *)((char *)source - offsetof(struct endpoint, told));
    (void)events;
    struct lookup *lookup = endpoint->lookup;
    char words[DETAIL_MAX] = "";
    if (!atomic_load_explicit(&lookup->done, memory_order_acquire)) {
        return;
    }
    if (lookup->failed) {
        snprintf(words, sizeof words, "its name cannot be looked up: %s",
                 lookup->failed == EAI_SYSTEM ? strerror(lookup->system_error)
                                              : gai_strerror(lookup->failed));
    } else {
        endpoint->addresses = lookup->addresses;
        endpoint->valid_until = reactor_now(endpoint->reactor) + ADDRESSES_KEPT_MS;
    }
    lookup_forget(endpoint);
    /* A callback may free any connector: begin anew after each. */
    struct connector *connector = endpoint->connectors;
    while (connector) {
        struct connector *next = connector->next;
        if (connector->state == CONNECTOR_LOOKUP) {
            if (*words) {
                fail_all(connector, -EADDRNOTAVAIL, words);
                next = endpoint->connectors;
            } else {
                start_trying(connector);
            }
        }
        connector = next;
    }
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
    } else if (!endpoint->lookup && (r = lookup_start(endpoint)) < 0) {
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
        endpoint->looked_up =
            look_up(endpoint->host, endpoint->port, AI_NUMERICHOST, &endpoint->addresses) != 0;
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
    endpoint->told = (struct reactor_source){.fd = -1, .on_ready = lookup_done};
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
    lookup_forget(endpoint);
    endpoint->retired.release = release_endpoint;
    reactor_retire(endpoint->reactor, &endpoint->retired);
}

const char *endpoint_name(const struct endpoint *endpoint) {
    return endpoint->name;
}
