/* listener.h: binding and its error sentences, accepting on one and on several reactors, no descriptors left. */
#include "tls_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
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
    assert_int_equal(listener_open("127.0.0.1", "0", NULL, &socket, error, sizeof error), 0);
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
    assert_int_equal(listener_open("localhost", "0", NULL, &socket, error, sizeof error), 0);
    assert_int_equal(strncmp(socket.address, "127.0.0.1:", 10), 0);
    listener_close(&socket);
}

static void test_ipv6(void **state) {
    (void)state;
    struct listener_socket socket;
    int r = listener_open("::1", "0", NULL, &socket, error, sizeof error);
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
    assert_int_equal(listener_open("*", "0", NULL, &socket, error, sizeof error), 0);
    accepts_from(&socket, "127.0.0.1");
    listener_close(&socket);
}

static void test_unix(void **state) {
    (void)state;
    struct listener_socket socket, second;
    const char *path = fixture_path("door.sock");
    assert_int_equal(listener_open(NULL, NULL, path, &socket, error, sizeof error), 0);
    assert_string_equal(socket.address, path);
    accepts_from(&socket, "unix");
    assert_int_equal(listener_open(NULL, NULL, path, &second, error, sizeof error), -EADDRINUSE);
    assert_non_null(strstr(error, "another process listens there"));
    assert_non_null(strstr(error, path));
    /* Stale: its owner died without removing it. */
    close(socket.fd);
    assert_int_equal(listener_open(NULL, NULL, path, &second, error, sizeof error), 0);
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
    assert_int_equal(listener_open(NULL, NULL, path, &socket, error, sizeof error), -ENAMETOOLONG);
    assert_non_null(strstr(error, "the path has 199 bytes, a socket's may have 107"));
    fixture_write("plain", "keep me");
    assert_int_equal(listener_open(NULL, NULL, fixture_path("plain"), &socket, error, sizeof error), -EEXIST);
    assert_non_null(strstr(error, "no socket is in the way"));
    assert_int_equal(access(fixture_path("plain"), F_OK), 0);
    assert_int_equal(listener_open(NULL, NULL, fixture_path("no/such/folder"), &socket, error, sizeof error),
                     -ENOENT);
    assert_int_equal(socket.fd, -7); /* untouched */
}

static void test_tcp_refusals(void **state) {
    (void)state;
    struct listener_socket socket, second = {.fd = -7};
    assert_int_equal(listener_open("127.0.0.1", "0", NULL, &socket, error, sizeof error), 0);
    const char *port = strchr(socket.address, ':') + 1;
    assert_int_equal(listener_open("127.0.0.1", port, NULL, &second, error, sizeof error), -EADDRINUSE);
    char expected[128];
    snprintf(expected, sizeof expected, "cannot listen on 127.0.0.1:%s: another process listens there", port);
    assert_string_equal(error, expected);
    assert_int_equal(listener_open("192.0.2.1", "0", NULL, &second, error, sizeof error), -EADDRNOTAVAIL);
    assert_string_equal(error, "cannot listen on 192.0.2.1:0: this machine has no such address");
    assert_true(listener_open("no.such.name.invalid", "0", NULL, &second, error, sizeof error) < 0);
    assert_non_null(strstr(error, "no.such.name.invalid"));
    assert_int_equal(second.fd, -7);
    listener_close(&socket);
}

static void test_two_reactors_share(void **state) {
    (void)state;
    struct listener_socket socket;
    struct listener *here = NULL, *there = NULL;
    struct reactor *other = NULL;
    int fds[8];
    assert_int_equal(reactor_new(&budget, &other), 0);
    assert_int_equal(listener_open("127.0.0.1", "0", NULL, &socket, error, sizeof error), 0);
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

static void test_no_descriptors_left(void **state) {
    (void)state;
    struct listener_socket socket;
    struct listener *listener = NULL;
    struct rlimit usual, tight;
    assert_int_equal(listener_open("127.0.0.1", "0", NULL, &socket, error, sizeof error), 0);
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
    assert_int_equal(listener_open("127.0.0.1", "0", NULL, &socket, error, sizeof error), 0);
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
        CASE(test_two_reactors_share),
        CASE(test_no_descriptors_left),
        CASE(test_freed_while_pausing),
    };
    return cmocka_run_group_tests(tests, NULL, fixture_remove);
}
