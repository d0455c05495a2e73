#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    ACCEPTS_PER_TURN = 16, /* the other reactors have a share */
    EXHAUSTED_PAUSE_MS = 100,
    SPREAD_SLACK = 1, /* connections that a reactor may have more than another before it steps back */
    SPREAD_FAR = 16,  /* that it may have more before it pauses as well */
    SPREAD_PAUSE_MS = 1,
    PEER_MAX = INET6_ADDRSTRLEN + 16, /* with a scope id */
};

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
