/* listener.h: binding and its error sentences, accepting on one and on several reactors, no descriptors left.
 * Linked with --wrap=epoll_ctl */
#include "tls_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "net/listener.h"

static struct memory_budget budget = {.limit = 1 << 20};
static struct reactor *reactor;
static uint64_t clock_ms;
static int accepted[64];
static unsigned accepted_count;
static char last_peer[64];
static char error[512];

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names */
int __real_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);

static bool no_memory_to_add; /* the kernel's */

int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event) {
    if (no_memory_to_add && operation == EPOLL_CTL_ADD) {
        errno = ENOMEM;
        return -1;
    }
    return __real_epoll_ctl(epoll_fd, operation, fd, event);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static uint64_t read_clock(void *argument) {
    (void)argument;
    return clock_ms;
}

static int setup(void **state) {
    (void)state;
    accepted_count = 0;
    error[0] = '\0';
    clock_ms = 1000;
    int r = reactor_new(&budget, &reactor);
    reactor_set_clock(reactor, read_clock, NULL);
    return r;
}

static int teardown(void **state) {
    (void)state;
    for (unsigned i = 0; i < accepted_count; i++) {
        close(accepted[i]);
    }
    reactor_free(reactor);
    return 0;
}

static void on_accept(void *owner, int fd, const char *peer) {
    (void)owner;
    accepted[accepted_count++] = fd;
    snprintf(last_peer, sizeof last_peer, "%s", peer);
}

static int dial(const char *address) {
    int fd;
    if (*address == '/') {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        snprintf(to.sun_path, sizeof to.sun_path, "%s", address);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
        return fd;
    }
    unsigned port = (unsigned)strtoul(strrchr(address, ':') + 1, NULL, 10);
    if (*address == '[' && strncmp(address, "[::]", 4) != 0) {
        struct sockaddr_in6 to = {
            .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_loopback};
        fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
        return fd;
    }
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void accepts_from(struct listener_socket *socket, const char *peer) {
    struct listener *listener = NULL;
    assert_int_equal(listener_new(reactor, socket, on_accept, NULL, &listener), 0);
    int fd = dial(socket->address);
    assert_int_equal(reactor_turn(reactor, 1000), 0);
    assert_int_equal(accepted_count, 1);
    assert_string_equal(last_peer, peer);
    assert_true(fcntl(accepted[0], F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(accepted[0], F_GETFD) & FD_CLOEXEC);
    int on = 0;
    socklen_t size = sizeof on;
    if (*socket->address != '/') {
        assert_int_equal(getsockopt(accepted[0], IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
        assert_true(on);
        /* One whose machine has gone without a word is found out within two minutes. */
        int idle_s = 0;
        int interval_s = 0;
        int probes = 0;
        assert_int_equal(getsockopt(accepted[0], SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
        assert_int_equal(getsockopt(accepted[0], IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, &size), 0);
        assert_int_equal(getsockopt(accepted[0], IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, &size), 0);
        assert_int_equal(getsockopt(accepted[0], IPPROTO_TCP, TCP_KEEPCNT, &probes, &size), 0);
        assert_true(on);
        assert_true(idle_s + interval_s * probes <= 120);
    }
    close(fd);
    listener_free(listener);
    listener_free(NULL);
}

static void test_tcp(void **state) {
    (void)state;
    struct listener_socket socket;
    assert_int_equal(listener_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error), 0);
    assert_int_equal(strncmp(socket.address, "127.0.0.1:", 10), 0);
    assert_string_not_equal(socket.address, "127.0.0.1:0");
    accepts_from(&socket, "127.0.0.1");
    listener_close(&socket);
    assert_int_equal(socket.fd, -1);
    listener_close(&socket);
}

static void test_name_prefers_ipv4(void **state) {
    (void)state;
    struct listener_socket socket;
    assert_int_equal(listener_open("localhost", "0", NULL, 0, &socket, error, sizeof error), 0);
    assert_int_equal(strncmp(socket.address, "127.0.0.1:", 10), 0);
    listener_close(&socket);
}

static void test_ipv6(void **state) {
    (void)state;
    struct listener_socket socket;
    int r = listener_open("::1", "0", NULL, 0, &socket, error, sizeof error);
    if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT) {
        skip(); /* a machine without IPv6 */
    }
    assert_int_equal(r, 0);
    assert_int_equal(strncmp(socket.address, "[::1]:", 6), 0);
    accepts_from(&socket, "::1");
    listener_close(&socket);
}

/* "*" takes both families; an IPv4 peer is shown as such. */
static void test_any(void **state) {
    (void)state;
    struct listener_socket socket;
    assert_int_equal(listener_open("*", "0", NULL, 0, &socket, error, sizeof error), 0);
    accepts_from(&socket, "127.0.0.1");
    listener_close(&socket);
}

static void test_unix(void **state) {
    (void)state;
    struct listener_socket socket, second;
    const char *path = fixture_path("door.sock");
    assert_int_equal(listener_open(NULL, NULL, path, 0, &socket, error, sizeof error), 0);
    assert_string_equal(socket.address, path);
    accepts_from(&socket, "unix");
    assert_int_equal(listener_open(NULL, NULL, path, 0, &second, error, sizeof error), -EADDRINUSE);
    assert_non_null(strstr(error, "this process itself listens at "));
    assert_non_null(strstr(error, path));
    /* Stale: its owner died without removing it. */
    struct listener_socket dead = socket;
    dead.inode = 0;
    listener_close(&dead);
    assert_int_equal(listener_open(NULL, NULL, path, 0, &second, error, sizeof error), 0);
    /* The old one's close does not remove the new one's file; its own does. */
    socket.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    if (socket.inode != status.st_ino) {
        listener_close(&socket);
        assert_int_equal(access(path, F_OK), 0);
    } else {
        close(socket.fd); /* the file system used the number again */
    }
    listener_close(&second);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_unix_refusals(void **state) {
    (void)state;
    struct listener_socket socket = {.fd = -7};
    char path[200];
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_int_equal(listener_open(NULL, NULL, path, 0, &socket, error, sizeof error), -ENAMETOOLONG);
    assert_non_null(strstr(error, "the path has 199 bytes, a socket's may have 107"));
    fixture_write("plain", "keep me");
    assert_int_equal(listener_open(NULL, NULL, fixture_path("plain"), 0, &socket, error, sizeof error),
                     -EEXIST);
    assert_non_null(strstr(error, "no socket is in the way"));
    assert_int_equal(access(fixture_path("plain"), F_OK), 0);
    assert_int_equal(
        listener_open(NULL, NULL, fixture_path("no/such/folder"), 0, &socket, error, sizeof error), -ENOENT);
    assert_int_equal(socket.fd, -7); /* untouched */
}

static void test_tcp_refusals(void **state) {
    (void)state;
    struct listener_socket socket, second = {.fd = -7};
    assert_int_equal(listener_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error), 0);
    const char *port = strchr(socket.address, ':') + 1;
    assert_int_equal(listener_open("127.0.0.1", port, NULL, 0, &second, error, sizeof error), -EADDRINUSE);
    char expected[128];
    snprintf(expected, sizeof expected,
             "cannot listen on 127.0.0.1:%s: this process itself listens at 127.0.0.1:%s: ", port, port);
    assert_int_equal(strncmp(error, expected, strlen(expected)), 0);
    assert_int_equal(listener_open("0.0.0.0", port, NULL, 0, &second, error, sizeof error), -EADDRINUSE);
    snprintf(expected, sizeof expected,
             "cannot listen on 0.0.0.0:%s: this process itself listens at 127.0.0.1:%s: ", port, port);
    assert_int_equal(strncmp(error, expected, strlen(expected)), 0);
    assert_int_equal(listener_open("192.0.2.1", "0", NULL, 0, &second, error, sizeof error), -EADDRNOTAVAIL);
    assert_string_equal(error, "cannot listen on 192.0.2.1:0: this machine has no such address");
    assert_true(listener_open("no.such.name.invalid", "0", NULL, 0, &second, error, sizeof error) < 0);
    assert_non_null(strstr(error, "no.such.name.invalid"));
    assert_int_equal(second.fd, -7);
    listener_close(&socket);
}

/* One that was not opened by listener_open is somebody else's. */
static void test_tcp_of_another(void **state) {
    (void)state;
    struct listener_socket second;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    char port[8], expected[128];
    snprintf(port, sizeof port, "%u", ntohs(address.sin_port));
    snprintf(expected, sizeof expected, "cannot listen on 127.0.0.1:%s: another process listens there", port);
    assert_int_equal(listener_open("127.0.0.1", port, NULL, 0, &second, error, sizeof error), -EADDRINUSE);
    assert_string_equal(error, expected);
    close(fd);
}

static unsigned mode_of(const char *path) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777U;
}

static void test_the_mode_of_a_unix_socket(void **state) {
    (void)state;
    struct listener_socket socket;
    const char *path = fixture_path("mode.sock");
    const mode_t before = umask(0077); /* as the unit has it */
    assert_int_equal(listener_open(NULL, NULL, path, 0, &socket, error, sizeof error), 0);
    assert_int_equal(mode_of(path), 0700);
    assert_true(listener_has_mode(&socket, 0));
    assert_false(listener_has_mode(&socket, 0660));
    listener_close(&socket);
    assert_int_equal(listener_open(NULL, NULL, path, 0660, &socket, error, sizeof error), 0);
    assert_int_equal(mode_of(path), 0660);
    assert_true(listener_has_mode(&socket, 0660));
    assert_false(listener_has_mode(&socket, 0666));
    /* Somebody has put a link in its place: that is another file. */
    fixture_write("secret", "mine");
    assert_int_equal(chmod(fixture_path("secret"), 0600), 0);
    char there[256];
    snprintf(there, sizeof there, "%s", path);
    assert_int_equal(unlink(there), 0);
    assert_int_equal(symlink("secret", there), 0);
    assert_true(listener_has_mode(&socket, 0666));
    assert_int_equal(mode_of(there), 0600);
    assert_int_equal(unlink(there), 0);
    listener_close(&socket);
    umask(before);
}

static void test_checking_disturbs_nobody(void **state) {
    (void)state;
    struct listener_socket socket;
    struct bound_address bound, other;
    char text[128];
    assert_int_equal(listener_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error), 0);
    const char *port = strchr(socket.address, ':') + 1;
    assert_int_equal(listener_check("127.0.0.1", port, NULL, &bound, error, sizeof error), 0);
    bound_address_format(&bound, text, sizeof text);
    assert_string_equal(text, socket.address);
    assert_int_equal(listener_check("localhost", port, NULL, &other, error, sizeof error), 0);
    assert_true(bound_address_collides(&bound, &other));
    accepts_from(&socket, "127.0.0.1");
    listener_close(&socket);
    assert_int_equal(listener_check("192.0.2.1", "80", NULL, &bound, error, sizeof error), -EADDRNOTAVAIL);
    assert_string_equal(error, "cannot listen on 192.0.2.1:80: this machine has no such address");
    assert_true(listener_check("no.such.name.invalid", "80", NULL, &bound, error, sizeof error) < 0);
    assert_non_null(strstr(error, "no.such.name.invalid"));
    /* A socket that is there may be of one that runs; another file is in the way. */
    const char *path = fixture_path("check.sock");
    assert_int_equal(listener_open(NULL, NULL, path, 0, &socket, error, sizeof error), 0);
    assert_int_equal(listener_check(NULL, NULL, path, &bound, error, sizeof error), 0);
    accepted_count = 0;
    accepts_from(&socket, "unix");
    listener_close(&socket);
    assert_int_equal(listener_check(NULL, NULL, fixture_path("check.sock"), &bound, error, sizeof error), 0);
    assert_int_equal(access(fixture_path("check.sock"), F_OK), -1);
    fixture_write("plain", "keep me");
    assert_int_equal(listener_check(NULL, NULL, fixture_path("plain"), &bound, error, sizeof error), -EEXIST);
}

static void test_two_reactors_share(void **state) {
    (void)state;
    struct listener_socket socket;
    struct listener *here = NULL, *there = NULL;
    struct reactor *other = NULL;
    int fds[8];
    assert_int_equal(reactor_new(&budget, &other), 0);
    assert_int_equal(listener_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error), 0);
    assert_int_equal(listener_new(reactor, &socket, on_accept, NULL, &here), 0);
    assert_int_equal(listener_new(other, &socket, on_accept, NULL, &there), 0);
    for (int i = 0; i < 8; i++) {
        fds[i] = dial(socket.address);
    }
    listener_free(here); /* what comes goes to the one that is left */
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(accepted_count, 0);
    assert_int_equal(reactor_turn(other, 1000), 0);
    assert_int_equal(accepted_count, 8);
    for (int i = 0; i < 8; i++) {
        close(fds[i]);
    }
    listener_free(there);
    reactor_free(other);
    listener_close(&socket);
}

/* Two reactors that accept from one socket; whoever accepts has a connection more. */
struct pair {
    struct listener_socket socket;
    struct side {
        struct reactor *reactor;
        struct listener *listener;
        pthread_t thread;
        atomic_int thread_id; /* 0: it does not run yet */
        int count;            /* its thread's alone */
    } sides[2];
};

/* It closes what it accepts: whoever has dialled waits for that. */
static void accept_one_more(void *owner, int fd, const char *peer) {
    struct side *side = owner;
    (void)peer;
    side->count++;
    reactor_count_connection(side->reactor, 1);
    close(fd);
}

static void open_pair(struct pair *pair) {
    *pair = (struct pair){.sides[0].reactor = reactor};
    assert_int_equal(reactor_new(&budget, &pair->sides[1].reactor), 0);
    assert_int_equal(listener_open("127.0.0.1", "0", NULL, 0, &pair->socket, error, sizeof error), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(listener_new(pair->sides[i].reactor, &pair->socket, accept_one_more, &pair->sides[i],
                                      &pair->sides[i].listener),
                         0);
    }
}

static void close_pair(struct pair *pair) {
    for (int i = 0; i < 2; i++) {
        listener_free(pair->sides[i].listener);
    }
    reactor_free(pair->sides[1].reactor);
    listener_close(&pair->socket);
}

static void *run_side(void *argument) {
    struct side *side = argument;
    atomic_store(&side->thread_id, gettid());
    return reactor_run(side->reactor) == 0 ? NULL : side;
}

static bool is_asleep(int thread_id) {
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread_id);
    int fd = thread_id == 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!read(fd, text, sizeof text - 1);
        close(fd);
    }
    return strstr(text, ") S ") != NULL;
}

/* Those that come one by one: the kernel wakes the same sleeper each time, unless that steps back. */
static void test_one_by_one_they_are_spread(void **state) {
    (void)state;
    struct pair pair;
    open_pair(&pair);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&pair.sides[i].thread, NULL, run_side, &pair.sides[i]), 0);
    }
    for (int i = 0; i < 20; i++) {
        char byte;
        for (int j = 0; j < 2; j++) {
            while (!is_asleep(atomic_load(&pair.sides[j].thread_id))) {
                sched_yield();
            }
        }
        int fd = dial(pair.socket.address);
        assert_int_equal(recv(fd, &byte, 1, 0), 0);
        close(fd);
    }
    for (int i = 0; i < 2; i++) {
        void *failed = NULL;
        reactor_stop(pair.sides[i].reactor);
        assert_int_equal(pthread_join(pair.sides[i].thread, &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(pair.sides[0].count + pair.sides[1].count, 20);
    assert_in_range(pair.sides[0].count, 8, 12);
    close_pair(&pair);
}

/* Those that come at once: who has more takes one a turn, so that the other gets its share; none is left behind if it does not. */
static void test_at_once_who_has_more_takes_one_a_turn(void **state) {
    (void)state;
    struct pair pair;
    int fds[10];
    open_pair(&pair);
    struct side *here = &pair.sides[0], *there = &pair.sides[1];
    for (int i = 0; i < 10; i++) {
        fds[i] = dial(pair.socket.address);
    }
    assert_int_equal(reactor_turn(here->reactor, 1000), 0);
    assert_int_equal(here->count, 2);
    assert_int_equal(reactor_turn(there->reactor, 1000), 0);
    assert_int_equal(there->count, 4);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(reactor_turn(there->reactor, 1000), 0);
    }
    assert_int_equal(there->count, 7);
    assert_int_equal(reactor_turn(here->reactor, 1000), 0);
    assert_int_equal(here->count, 3);
    for (int i = 0; i < 10; i++) {
        close(fds[i]);
    }
    close_pair(&pair);
}

/* Who has far more pauses for a moment: so long the others have to come, even on a machine that is busy. */
static void test_at_once_who_has_far_more_pauses(void **state) {
    (void)state;
    struct pair pair;
    int fds[30];
    open_pair(&pair);
    struct side *here = &pair.sides[0], *there = &pair.sides[1];
    for (int i = 0; i < 30; i++) {
        fds[i] = dial(pair.socket.address);
    }
    for (int i = 0; i < 30; i++) {
        assert_int_equal(reactor_turn(here->reactor, 0), 0);
    }
    assert_int_equal(here->count, 17);
    clock_ms++;
    assert_int_equal(reactor_turn(here->reactor, 0), 0); /* it comes back, at the turn's end */
    assert_int_equal(reactor_turn(here->reactor, 0), 0);
    assert_int_equal(here->count, 18);
    assert_int_equal(reactor_turn(there->reactor, 0), 0);
    assert_int_equal(there->count, 12);
    for (int i = 0; i < 30; i++) {
        close(fds[i]);
    }
    close_pair(&pair);
}

/* Nobody can step in for the only one that accepts there: it takes all it can. */
static void test_alone_it_takes_all(void **state) {
    (void)state;
    struct pair pair;
    int fds[10];
    open_pair(&pair);
    struct side *here = &pair.sides[0], *there = &pair.sides[1];
    listener_free(there->listener);
    there->listener = NULL;
    for (int i = 0; i < 10; i++) {
        fds[i] = dial(pair.socket.address);
    }
    assert_int_equal(reactor_turn(here->reactor, 1000), 0);
    assert_int_equal(here->count, 10);
    for (int i = 0; i < 10; i++) {
        close(fds[i]);
    }
    close_pair(&pair);
}

static void test_stepping_back_without_memory(void **state) {
    (void)state;
    struct pair pair;
    int fds[4];
    open_pair(&pair);
    struct side *here = &pair.sides[0];
    for (int i = 0; i < 4; i++) {
        fds[i] = dial(pair.socket.address);
    }
    no_memory_to_add = true;
    assert_int_equal(reactor_turn(here->reactor, 1000), 0);
    assert_int_equal(here->count, 2);
    clock_ms += 100;
    assert_int_equal(reactor_turn(here->reactor, 0), 0);
    assert_int_equal(here->count, 2);
    no_memory_to_add = false;
    clock_ms += 100;
    assert_int_equal(reactor_turn(here->reactor, 0), 0); /* it comes back */
    assert_int_equal(reactor_turn(here->reactor, 1000), 0);
    assert_int_equal(here->count, 3);
    for (int i = 0; i < 4; i++) {
        close(fds[i]);
    }
    close_pair(&pair);
}

static void test_no_descriptors_left(void **state) {
    (void)state;
    struct listener_socket socket;
    struct listener *listener = NULL;
    struct rlimit usual, tight;
    assert_int_equal(listener_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error), 0);
    assert_int_equal(listener_new(reactor, &socket, on_accept, NULL, &listener), 0);
    int fd = dial(socket.address);
    getrlimit(RLIMIT_NOFILE, &usual);
    tight = usual;
    tight.rlim_cur = (rlim_t)fd + 1; /* the next one is refused */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(accepted_count, 0);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    assert_int_equal(reactor_turn(reactor, 30), 0); /* it does not spin meanwhile */
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true((end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000 >= 20);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    assert_int_equal(accepted_count, 0);
    clock_ms += 100;
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(reactor_turn(reactor, 1000), 0);
    assert_int_equal(accepted_count, 1); /* the one that waited is served, not dropped */
    close(fd);
    listener_free(listener);
    listener_close(&socket);
}

static void test_freed_while_pausing(void **state) {
    (void)state;
    struct listener_socket socket;
    struct listener *listener = NULL;
    struct rlimit usual, tight;
    assert_int_equal(listener_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error), 0);
    assert_int_equal(listener_new(reactor, &socket, on_accept, NULL, &listener), 0);
    int fd = dial(socket.address);
    getrlimit(RLIMIT_NOFILE, &usual);
    tight = usual;
    tight.rlim_cur = (rlim_t)fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    listener_free(listener);
    clock_ms += 1000;
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(accepted_count, 0);
    close(fd);
    listener_close(&socket);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_tcp),
        CASE(test_name_prefers_ipv4),
        CASE(test_ipv6),
        CASE(test_any),
        CASE(test_unix),
        CASE(test_unix_refusals),
        CASE(test_tcp_refusals),
        CASE(test_tcp_of_another),
        CASE(test_the_mode_of_a_unix_socket),
        CASE(test_checking_disturbs_nobody),
        CASE(test_two_reactors_share),
        CASE(test_one_by_one_they_are_spread),
        CASE(test_at_once_who_has_more_takes_one_a_turn),
        CASE(test_at_once_who_has_far_more_pauses),
        CASE(test_alone_it_takes_all),
        CASE(test_stepping_back_without_memory),
        CASE(test_no_descriptors_left),
        CASE(test_freed_while_pausing),
    };
    return cmocka_run_group_tests(tests, NULL, fixture_remove);
}
