#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/inherited.h"
#include "net/keepalive.h"

enum {
    BACKLOG = 4096,        /* the kernel's own bound, net.core.somaxconn, holds as well */
    ACCEPTS_PER_TURN = 16, /* the other reactors have a share */
    EXHAUSTED_PAUSE_MS = 100,
    SPREAD_SLACK = 1, /* connections that a reactor may have more than another before it steps back */
    SPREAD_FAR = 16,  /* that it may have more before it pauses as well */
    SPREAD_PAUSE_MS = 1,
    PEER_MAX = INET6_ADDRSTRLEN + 16, /* with a scope id */
};

/* --- binding -------------------------------------------------------------------------------------------------- */

static const char *bind_hint(int error) {
    switch (error) {
    case EADDRINUSE:
        return "another process listens there";
    case EACCES:
        return "not permitted (ports below 1024 need root or CAP_NET_BIND_SERVICE)";
    case EADDRNOTAVAIL:
        return "this machine has no such address";
    default:
        return strerror(error);
    }
}

void listener_format_address(const struct sockaddr *address, socklen_t size, char *out, size_t out_size) {
    char host[PEER_MAX] = "?";
    char port[8] = "?";
    (void)getnameinfo(address, size, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(out, out_size, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

/* 0 and a listening socket, or -errno. */
static int bind_one(const struct addrinfo *info, bool any, struct listener_socket *ret_socket) {
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int on = 1;
    int only6 = any ? 0 : 1;
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    /* Accepted sockets inherit TCP_NODELAY and keepalive. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 || keepalive_enable(fd) < 0 ||
        (info->ai_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof only6) < 0) ||
        bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &size) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    *ret_socket = (struct listener_socket){.fd = fd};
    listener_format_address((const struct sockaddr *)&bound, size, ret_socket->address,
                            sizeof ret_socket->address);
    return 0;
}

static int open_tcp(const char *host, const char *port, struct listener_socket *ret_socket, char *ret_error,
                    size_t error_size) {
    bool any = strcmp(host, "*") == 0;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int failed = getaddrinfo(any ? NULL : host, port, &hints, &list);
    if (failed) {
        snprintf(ret_error, error_size, "cannot listen on %s port %s: %s", host, port,
                 failed == EAI_SYSTEM ? strerror(errno) : gai_strerror(failed));
        return -EADDRNOTAVAIL;
    }
    /* "*" takes IPv6 first, as such a socket takes IPv4 as well; a name IPv4 first, as every client tries that. */
    const int order[] = {any ? AF_INET6 : AF_INET, any ? AF_INET : AF_INET6};
    int r = -EADDRNOTAVAIL;
    for (size_t i = 0; i < 2 && r < 0; i++) {
        for (const struct addrinfo *info = list; info && r < 0; info = info->ai_next) {
            if (info->ai_family == order[i]) {
                r = bind_one(info, any, ret_socket);
                if (r == -EADDRINUSE || r == -EACCES) {
                    goto done; /* not the family's fault: another one would only hide it */
                }
            }
        }
    }
done:
    freeaddrinfo(list);
    if (r < 0) {
        snprintf(ret_error, error_size,
                 strchr(host, ':') ? "cannot listen on [%s]:%s: %s" : "cannot listen on %s:%s: %s", host,
                 port, bind_hint(-r));
    }
    return r;
}

/* Removes a socket file that nobody listens on. 0 when the path is free now, -EADDRINUSE, -EEXIST (it is no socket). */
static int clear_stale(const struct sockaddr_un *address) {
    struct stat status;
    if (lstat(address->sun_path, &status) < 0) {
        return 0; /* bind says what is the matter, if anything is */
    }
    if (!S_ISSOCK(status.st_mode)) {
        return -EEXIST;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int r = connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? errno : 0;
    close(fd);
    if (r != ECONNREFUSED) {
        return -EADDRINUSE;
    }
    return unlink(address->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int open_unix(const char *path, struct listener_socket *ret_socket, char *ret_error,
                     size_t error_size) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path) {
        snprintf(ret_error, error_size,
                 "cannot listen on %s: the path has %zu bytes, a socket's may have %zu", path, length,
                 sizeof address.sun_path - 1);
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, length + 1);
    int r = clear_stale(&address);
    if (r < 0) {
        snprintf(ret_error, error_size, "cannot listen on %s: %s", path,
                 r == -EEXIST ? "a file that is no socket is in the way" : bind_hint(-r));
        return r;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, BACKLOG) < 0 ||
        lstat(path, &status) < 0) {
        int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        snprintf(ret_error, error_size, "cannot listen on %s: %s", path, strerror(error));
        return -error;
    }
    *ret_socket = (struct listener_socket){.fd = fd, .device = status.st_dev, .inode = status.st_ino};
    memcpy(ret_socket->address, path, length + 1);
    return 0;
}

int listener_open(const char *host, const char *port, const char *path, struct listener_socket *ret_socket,
                  char *ret_error, size_t error_size) {
    if (inherited_find(host, port, path, ret_socket)) {
        return 0;
    }
    return host ? open_tcp(host, port, ret_socket, ret_error, error_size)
                : open_unix(path, ret_socket, ret_error, error_size);
}

void listener_close(struct listener_socket *socket) {
    struct stat status;
    if (socket->fd < 0) {
        return;
    }
    if (socket->inode != 0 && lstat(socket->address, &status) == 0 && status.st_dev == socket->device &&
        status.st_ino == socket->inode) {
        (void)unlink(socket->address);
    }
    close(socket->fd);
    socket->fd = -1;
}

/* --- accepting ------------------------------------------------------------------------------------------------ */

struct listener {
    struct reactor_source source;
    struct reactor_retired retired;
    struct timer pause;
    struct reactor *reactor;
    struct listener_socket *socket;
    listener_accept_callback on_accept;
    listener_pause_callback on_pause; /* NULL: nobody wants to know */
    void *owner;
    bool freed;
};

static void format_peer(const struct sockaddr_storage *address, char *out, size_t size) {
    switch (address->ss_family) {
    case AF_INET:
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, out, (socklen_t)size);
        break;
    case AF_INET6: {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(v6)) {
            inet_ntop(AF_INET, v6->s6_addr + 12, out, (socklen_t)size);
        } else {
            inet_ntop(AF_INET6, v6, out, (socklen_t)size);
        }
        break;
    }
    default:
        snprintf(out, size, "unix");
        break;
    }
}

/* Those that wait stay in the kernel's queue, and are served once there are descriptors again. */
static void pause_accepting(struct listener *listener, uint64_t pause_ms) {
    uint64_t due = reactor_now(listener->reactor) + pause_ms;
    if (timer_set(reactor_timers(listener->reactor), &listener->pause, due) == 0) {
        (void)reactor_watch(listener->reactor, &listener->source, 0);
    }
}

static void watch(struct listener *listener) {
    if (reactor_watch(listener->reactor, &listener->source, EPOLLIN | EPOLLEXCLUSIVE) < 0) {
        pause_accepting(listener, EXHAUSTED_PAUSE_MS);
    } else {
        timer_clear(reactor_timers(listener->reactor), &listener->pause);
    }
}

static void resume_accepting(struct timer *timer, uint64_t now) {
    struct listener *listener = (struct listener *)(void *)((char *)timer - offsetof(struct listener, pause));
    (void)now;
    watch(listener);
}

/* Of the reactors that sleep the kernel wakes the one that has watched the socket for longest, each time: it would get all that
 * trickle in. So one that has more than another goes behind the others, by ceasing to watch and beginning anew, and leaves what waits
 * to them; if they are busy, it is back for one a turn. One that has far more, since a crowd came while the others had no processor,
 * is back a moment later.
 *
 * Nothing is handed from reactor to reactor, so nothing is lost between them as one stops, is late, or has no memory, and a reactor that
 * hangs keeps nobody waiting. It costs two system calls, and those only where connections stay. A socket for each reactor (SO_REUSEPORT)
 * would spread by a hash, unevenly, strand what waits as one is closed, and be at odds with the one socket that systemd, or the
 * process before, hands over. The kernel does not promise whom it wakes first; nginx lives by it as well, and
 * tests/unit/test_listener.c would tell. */
static void step_back(struct listener *listener, size_t surplus) {
    pause_accepting(listener, SPREAD_PAUSE_MS);
    if (surplus <= SPREAD_FAR) {
        watch(listener);
    }
}

/* Connections that it has more than another reactor that accepts there: a socket's listeners are on one reactor, or on all. */
static size_t surplus_of(const struct listener *listener) {
    const bool is_alone = atomic_load_explicit(&listener->socket->listeners, memory_order_relaxed) < 2;
    return is_alone ? 0 : reactor_surplus(listener->reactor);
}

static void accept_ready(struct reactor_source *source, uint32_t events) {
    struct listener *listener =
        (struct listener *)(void *)((char *)source - offsetof(struct listener, source));
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN && !listener->freed; i++) {
        struct sockaddr_storage address = {0};
        socklen_t size = sizeof address;
        int fd = accept4(source->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            char peer[PEER_MAX] = "";
            format_peer(&address, peer, sizeof peer);
            listener->on_accept(listener->owner, fd, peer);
            const size_t surplus = listener->freed ? 0 : surplus_of(listener);
            if (surplus > SPREAD_SLACK) {
                step_back(listener, surplus);
                return;
            }
            continue;
        }
        switch (errno) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            if (listener->on_pause) {
                listener->on_pause(listener->owner, errno);
            }
            pause_accepting(listener, EXHAUSTED_PAUSE_MS);
            return;
        case EAGAIN:
            return;
        default: /* this one is gone, or the network had an error for it: accept(2) says to go on */
            break;
        }
    }
}

static void release(struct reactor_retired *retired) {
    free((char *)retired - offsetof(struct listener, retired));
}

int listener_new(struct reactor *reactor, struct listener_socket *socket, listener_accept_callback on_accept,
                 void *owner, struct listener **ret_listener) {
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener) {
        return -ENOMEM;
    }
    listener->source = (struct reactor_source){.fd = socket->fd, .on_ready = accept_ready};
    listener->retired.release = release;
    listener->pause.on_due = resume_accepting;
    listener->reactor = reactor;
    listener->socket = socket;
    listener->on_accept = on_accept;
    listener->owner = owner;
    int r = reactor_watch(reactor, &listener->source, EPOLLIN | EPOLLEXCLUSIVE);
    if (r < 0) {
        free(listener);
        return r;
    }
    atomic_fetch_add_explicit(&socket->listeners, 1, memory_order_relaxed);
    *ret_listener = listener;
    return 0;
}

void listener_on_pause(struct listener *listener, listener_pause_callback on_pause) {
    listener->on_pause = on_pause;
}

void listener_free(struct listener *listener) {
    if (!listener || listener->freed) {
        return;
    }
    listener->freed = true;
    atomic_fetch_sub_explicit(&listener->socket->listeners, 1, memory_order_relaxed);
    timer_clear(reactor_timers(listener->reactor), &listener->pause);
    (void)reactor_watch(listener->reactor, &listener->source, 0);
    reactor_retire(listener->reactor, &listener->retired);
}
