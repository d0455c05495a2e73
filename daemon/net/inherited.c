#include "net/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/keepalive.h"

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un path;
    struct sockaddr_storage storage;
};

struct inherited {
    union address address;
    bool is_there, is_own; /* own: its file is the process's to remove */
};

static struct inherited list[INHERITED_MAX];
static int ready_fd = -1;

/* -- the environment -- */

static long read_number(const char *name) {
    const char *text = getenv(name);
    char *end = NULL;
    long number = text != NULL ? strtol(text, &end, 10) : -1;
    return text == NULL || *text == '\0' || *end != '\0' ? -1 : number;
}

static void add(int place, bool is_own) {
    int fd = INHERITED_FIRST + place, listens = 0;
    struct inherited *one = &list[place];
    socklen_t size = sizeof listens, address_size = sizeof one->address;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || listens == 0 ||
        getsockname(fd, &one->address.any, &address_size) < 0 ||
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) {
        return; /* whatever it is, it is nothing to accept from */
    }
    one->is_there = true;
    one->is_own = is_own;
}

void inherited_read(void) {
    static const char *const names[] = {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
                                        INHERITED_SOCKETS_VARIABLE, INHERITED_READY_VARIABLE};
    const char *letters = getenv(INHERITED_SOCKETS_VARIABLE);
    long count = read_number("LISTEN_PID") == getpid() ? read_number("LISTEN_FDS") : 0;
    if (letters != NULL) {
        count = (long)strlen(letters);
        ready_fd = (int)read_number(INHERITED_READY_VARIABLE);
        (void)fcntl(ready_fd, F_SETFD, FD_CLOEXEC);
    }
    for (int i = 0; i < count && i < INHERITED_MAX; i++) {
        add(i, letters != NULL && letters[i] == 'o');
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unsetenv(names[i]);
    }
}

int inherited_leave_parent(void) {
    if (ready_fd < 0) {
        return 0;
    }
    pid_t pid = fork();
    if (pid < 0) {
        return -errno;
    }
    if (pid > 0) {
        _exit(0);
    }
    pid = getpid();
    return write(ready_fd, &pid, sizeof pid) == (ssize_t)sizeof pid ? 0 : -EPIPE;
}

/* -- finding -- */

static bool is_same_address(const union address *own, const struct addrinfo *wanted, bool any_port) {
    if (own->any.sa_family != wanted->ai_family) {
        return false;
    }
    const union address *other = (const union address *)(const void *)wanted->ai_addr;
    if (wanted->ai_family == AF_INET) {
        return own->v4.sin_addr.s_addr == other->v4.sin_addr.s_addr &&
               (any_port || own->v4.sin_port == other->v4.sin_port);
    }
    return memcmp(&own->v6.sin6_addr, &other->v6.sin6_addr, sizeof own->v6.sin6_addr) == 0 &&
           (any_port || own->v6.sin6_port == other->v6.sin6_port);
}

static struct inherited *find_tcp(const char *host, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    struct inherited *one = NULL;
    if (getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port, &hints, &found) != 0) {
        return NULL;
    }
    for (const struct addrinfo *info = found; info != NULL && one == NULL; info = info->ai_next) {
        for (size_t i = 0; i < INHERITED_MAX && one == NULL; i++) {
            if (list[i].is_there && (info->ai_family == AF_INET || info->ai_family == AF_INET6) &&
                is_same_address(&list[i].address, info, strcmp(port, "0") == 0)) {
                one = &list[i];
            }
        }
    }
    freeaddrinfo(found);
    return one;
}

static struct inherited *find_unix(const char *path) {
    for (size_t i = 0; i < INHERITED_MAX; i++) {
        if (list[i].is_there && list[i].address.any.sa_family == AF_UNIX &&
            strncmp(list[i].address.path.sun_path, path, sizeof list[i].address.path.sun_path) == 0) {
            return &list[i];
        }
    }
    return NULL;
}

bool inherited_find(const char *host, const char *port, const char *path,
                    struct listener_socket *ret_socket) {
    struct inherited *one = host != NULL ? find_tcp(host, port) : find_unix(path);
    struct listener_socket found = {0};
    struct stat status;
    if (one == NULL) {
        return false;
    }
    found.fd = INHERITED_FIRST + (int)(one - list);
    if (host != NULL) {
        int on = 1; /* as listener_socket_open sets them: accepted sockets inherit both */
        (void)setsockopt(found.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)keepalive_enable(found.fd);
        struct bound_address bound;
        if (bound_address_of(found.fd, &bound) == 0) {
            bound_address_format(&bound, found.address, sizeof found.address);
        }
    } else {
        snprintf(found.address, sizeof found.address, "%s", path);
        if (one->is_own && lstat(path, &status) == 0) {
            found.device = status.st_dev;
            found.inode = status.st_ino;
        }
    }
    found.is_given = !one->is_own;
    one->is_there = false;
    *ret_socket = found;
    return true;
}

bool inherited_is_in_the_way(const struct bound_address *wanted, char *out, size_t size) {
    for (int i = 0; i < INHERITED_MAX; i++) {
        struct bound_address held;
        if (list[i].is_there && bound_address_of(INHERITED_FIRST + i, &held) == 0 &&
            bound_address_collides(&held, wanted)) {
            bound_address_format(&held, out, size);
            return true;
        }
    }
    return false;
}

size_t inherited_close_rest(void) {
    size_t closed = 0;
    for (int i = 0; i < INHERITED_MAX; i++) {
        if (list[i].is_there) {
            close(INHERITED_FIRST + i);
            list[i].is_there = false;
            closed++;
        }
    }
    return closed;
}

bool inherited_say_ready(void) {
    if (ready_fd < 0) {
        return false;
    }
    ssize_t n = write(ready_fd, "r", 1);
    (void)n; /* who does not read it any more has gone */
    close(ready_fd);
    ready_fd = -1;
    return true;
}
