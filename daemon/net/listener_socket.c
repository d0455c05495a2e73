#include "net/listener_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/inherited.h"
#include "net/keepalive.h"

enum {
    BACKLOG = 4096, /* the kernel's own bound, net.core.somaxconn, holds as well */
    ADDRESS_MAX = 128,
    HINT_MAX = 320,
};

/* Those that are open, for whoever finds an address taken. */
static int own[INHERITED_MAX];
static size_t own_count;

static void note_own(int fd) {
    if (own_count < sizeof own / sizeof *own) {
        own[own_count++] = fd;
    }
}

static void forget_own(int fd) {
    for (size_t i = 0; i < own_count; i++) {
        if (own[i] == fd) {
            own[i] = own[--own_count];
            return;
        }
    }
}

static bool own_is_in_the_way(const struct bound_address *wanted, char *out, size_t size) {
    for (size_t i = 0; i < own_count; i++) {
        struct bound_address held;
        if (bound_address_of(own[i], &held) == 0 && bound_address_collides(&held, wanted)) {
            bound_address_format(&held, out, size);
            return true;
        }
    }
    return false;
}

/* Why `wanted` can't be bound. Returns `out`. */
static const char *bind_hint(int error, const struct bound_address *wanted, char *out, size_t size) {
    char held[ADDRESS_MAX];
    switch (error) {
    case EADDRINUSE:
        if (own_is_in_the_way(wanted, held, sizeof held)) {
            snprintf(
                out, size,
                "this process itself listens at %s: an address is for one listener, and free for another "
                "after a restart",
                held);
        } else if (inherited_is_in_the_way(wanted, held, sizeof held)) {
            snprintf(
                out, size,
                "a socket that was passed on, by systemd or the process before, listens at %s, and only a "
                "listener of that very address takes it",
                held);
        } else {
            snprintf(out, size, "another process listens there");
        }
        break;
    case EACCES:
        snprintf(out, size, "not permitted (ports below 1024 need root or CAP_NET_BIND_SERVICE)");
        break;
    case EADDRNOTAVAIL:
        snprintf(out, size, "this machine has no such address");
        break;
    default:
        snprintf(out, size, "%s", strerror(error));
        break;
    }
    return out;
}

/* 0 and a listening socket; or, on a trial, one that is bound to any free port of that address and does not listen. -errno. */
static int bind_one(const struct bound_address *wanted, bool is_trial, struct listener_socket *ret_socket) {
    int fd = socket(wanted->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int on = 1;
    int only6 = wanted->takes_v4 ? 0 : 1;
    struct bound_address bound = *wanted;
    if (is_trial && bound.address.ss_family == AF_INET) {
        ((struct sockaddr_in *)&bound.address)->sin_port = 0;
    } else if (is_trial) {
        ((struct sockaddr_in6 *)&bound.address)->sin6_port = 0;
    }
    /* Accepted sockets inherit TCP_NODELAY and keepalive. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 || keepalive_enable(fd) < 0 ||
        (bound.address.ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof only6) < 0) ||
        bind(fd, (const struct sockaddr *)&bound.address, bound.size) < 0 ||
        (!is_trial && listen(fd, BACKLOG) < 0) ||
        getsockname(fd, (struct sockaddr *)&bound.address, &bound.size) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    *ret_socket = (struct listener_socket){.fd = fd};
    bound_address_format(&bound, ret_socket->address, sizeof ret_socket->address);
    return 0;
}

/* *ret_bound: what of `host` was bound. */
static int open_tcp(const char *host, const char *port, bool is_trial, struct listener_socket *ret_socket,
                    struct bound_address *ret_bound, char *ret_error, size_t error_size) {
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
    struct bound_address wanted = {.size = 0};
    int r = -EADDRNOTAVAIL;
    for (size_t i = 0; i < 2 && r < 0; i++) {
        for (const struct addrinfo *info = list; info && r < 0; info = info->ai_next) {
            if (info->ai_family == order[i]) {
                wanted = (struct bound_address){.size = info->ai_addrlen,
                                                .takes_v4 = any && info->ai_family == AF_INET6};
                memcpy(&wanted.address, info->ai_addr, info->ai_addrlen);
                r = bind_one(&wanted, is_trial, ret_socket);
                if (r == -EADDRINUSE || r == -EACCES) {
                    goto done; /* not the family's fault: another one would only hide it */
                }
            }
        }
    }
done:
    freeaddrinfo(list);
    if (r < 0) {
        char hint[HINT_MAX];
        snprintf(ret_error, error_size,
                 strchr(host, ':') ? "cannot listen on [%s]:%s: %s" : "cannot listen on %s:%s: %s", host,
                 port, bind_hint(-r, &wanted, hint, sizeof hint));
        return r;
    }
    *ret_bound = wanted;
    return 0;
}

/* A path as the address of a socket. */
static int read_path(const char *path, struct bound_address *ret_bound, char *ret_error, size_t error_size) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path) {
        snprintf(ret_error, error_size,
                 "cannot listen on %s: the path has %zu bytes, a socket's may have %zu", path, length,
                 sizeof address.sun_path - 1);
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, length + 1);
    *ret_bound = (struct bound_address){.size = sizeof address};
    memcpy(&ret_bound->address, &address, sizeof address);
    return 0;
}

static int refuse_path(const char *path, int status, const struct bound_address *wanted, char *ret_error,
                       size_t error_size) {
    char hint[HINT_MAX];
    snprintf(ret_error, error_size, "cannot listen on %s: %s", path,
             status == -EEXIST ? "a file that is no socket is in the way"
                               : bind_hint(-status, wanted, hint, sizeof hint));
    return status;
}

/* Removes a socket file that nobody listens on. 0 when the path is free now, -EADDRINUSE, -EEXIST (it is no socket). */
static int clear_stale(const struct bound_address *wanted) {
    const char *path = ((const struct sockaddr_un *)&wanted->address)->sun_path;
    struct stat status;
    if (lstat(path, &status) < 0) {
        return 0; /* bind says what is the matter, if anything is */
    }
    if (!S_ISSOCK(status.st_mode)) {
        return -EEXIST;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int r = connect(fd, (const struct sockaddr *)&wanted->address, wanted->size) < 0 ? errno : 0;
    close(fd);
    if (r != ECONNREFUSED) {
        return -EADDRINUSE;
    }
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* The file has its mode from the first moment on. No other thread makes files meanwhile that the umask would be wrong for. */
static int bind_path(int fd, const struct bound_address *wanted, unsigned mode) {
    const mode_t before = mode != 0 ? umask(0777U & ~mode) : 0;
    int r = bind(fd, (const struct sockaddr *)&wanted->address, wanted->size);
    int error = errno;
    if (mode != 0) {
        umask(before);
    }
    errno = error;
    return r;
}

static int open_unix(const char *path, unsigned mode, struct listener_socket *ret_socket, char *ret_error,
                     size_t error_size) {
    struct bound_address wanted;
    struct stat status;
    int r = read_path(path, &wanted, ret_error, error_size);
    if (r < 0) {
        return r;
    }
    r = clear_stale(&wanted);
    if (r < 0) {
        return refuse_path(path, r, &wanted, ret_error, error_size);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind_path(fd, &wanted, mode) < 0 || listen(fd, BACKLOG) < 0 || lstat(path, &status) < 0) {
        r = -errno;
        if (fd >= 0) {
            close(fd);
        }
        snprintf(ret_error, error_size, "cannot listen on %s: %s", path, strerror(-r));
        return r;
    }
    *ret_socket = (struct listener_socket){.fd = fd, .device = status.st_dev, .inode = status.st_ino};
    snprintf(ret_socket->address, sizeof ret_socket->address, "%s", path);
    return 0;
}

bool listener_socket_has_mode(const struct listener_socket *socket, unsigned mode) {
    struct stat status;
    bool is_told = mode != 0 && socket->inode != 0 && lstat(socket->address, &status) == 0 &&
                   status.st_dev == socket->device && status.st_ino == socket->inode;
    return !is_told || (status.st_mode & 0777U) == mode;
}

int listener_socket_open(const char *host, const char *port, const char *path, unsigned mode,
                         struct listener_socket *ret_socket, char *ret_error, size_t error_size) {
    struct bound_address bound;
    int r = 0;
    if (!inherited_find(host, port, path, ret_socket)) {
        r = host ? open_tcp(host, port, false, ret_socket, &bound, ret_error, error_size)
                 : open_unix(path, mode, ret_socket, ret_error, error_size);
    }
    if (r == 0) {
        note_own(ret_socket->fd);
    }
    return r;
}

int listener_socket_check(const char *host, const char *port, const char *path,
                          struct bound_address *ret_bound, char *ret_error, size_t error_size) {
    struct listener_socket trial = {.fd = -1};
    struct stat status;
    int r;
    if (host) {
        r = open_tcp(host, port, true, &trial, ret_bound, ret_error, error_size);
        if (r == 0) {
            close(trial.fd);
        }
        return r;
    }
    r = read_path(path, ret_bound, ret_error, error_size);
    if (r == 0 && lstat(path, &status) == 0 && !S_ISSOCK(status.st_mode)) {
        r = refuse_path(path, -EEXIST, ret_bound, ret_error, error_size);
    }
    return r;
}

void listener_socket_refuse(struct listener_socket *socket) {
    if (socket->fd < 0 || socket->is_given) {
        return;
    }
    (void)shutdown(socket->fd, SHUT_RDWR);
    int waiting;
    while ((waiting = accept4(socket->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        close(waiting); /* of a Unix socket; TCP has ended them itself */
    }
}

void listener_socket_close(struct listener_socket *socket) {
    struct stat status;
    if (socket->fd < 0) {
        return;
    }
    if (socket->inode != 0 && lstat(socket->address, &status) == 0 && status.st_dev == socket->device &&
        status.st_ino == socket->inode) {
        (void)unlink(socket->address);
    }
    forget_own(socket->fd);
    close(socket->fd);
    socket->fd = -1;
}
