/* listener_socket.h: binding and its error sentences, the file of a Unix socket, checking without binding. */
#include "listener_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

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
    assert_int_equal(listener_socket_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error), 0);
    assert_int_equal(strncmp(socket.address, "127.0.0.1:", 10), 0);
    assert_string_not_equal(socket.address, "127.0.0.1:0");
    accepts_from(&socket, "127.0.0.1");
    listener_socket_close(&socket);
    assert_int_equal(socket.fd, -1);
    listener_socket_close(&socket);
}

static void test_name_prefers_ipv4(void **state) {
    (void)state;
    struct listener_socket socket;
    assert_int_equal(listener_socket_open("localhost", "0", NULL, 0, &socket, error, sizeof error), 0);
    assert_int_equal(strncmp(socket.address, "127.0.0.1:", 10), 0);
    listener_socket_close(&socket);
}

static void test_ipv6(void **state) {
    (void)state;
    struct listener_socket socket;
    int r = listener_socket_open("::1", "0", NULL, 0, &socket, error, sizeof error);
    if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT) {
        skip(); /* a machine without IPv6 */
    }
    assert_int_equal(r, 0);
    assert_int_equal(strncmp(socket.address, "[::1]:", 6), 0);
    accepts_from(&socket, "::1");
    listener_socket_close(&socket);
}

/* "*" takes both families; an IPv4 peer is shown as such. */
static void test_any(void **state) {
    (void)state;
    struct listener_socket socket;
    assert_int_equal(listener_socket_open("*", "0", NULL, 0, &socket, error, sizeof error), 0);
    accepts_from(&socket, "127.0.0.1");
    listener_socket_close(&socket);
}

/* Also who has connected and is not accepted; but systemd's socket is left alone. */
static void refuses(const char *host, const char *path) {
    struct listener_socket socket;
    char byte;
    assert_int_equal(listener_socket_open(host, host ? "0" : NULL, path, 0, &socket, error, sizeof error), 0);
    int waiting = dial(socket.address);
    socket.is_given = true;
    listener_socket_refuse(&socket);
    int again = dial(socket.address);
    socket.is_given = false;
    listener_socket_refuse(&socket);
    assert_true(recv(waiting, &byte, 1, 0) <= 0);
    assert_true(recv(again, &byte, 1, 0) <= 0);
    assert_int_equal(try_to_dial(socket.address), -ECONNREFUSED);
    close(waiting);
    close(again);
    listener_socket_refuse(&socket); /* twice is no harm */
    listener_socket_close(&socket);
    listener_socket_refuse(&socket);
}

static void test_refusing(void **state) {
    (void)state;
    refuses("127.0.0.1", NULL);
    refuses(NULL, fixture_path("refusing.sock"));
    assert_int_equal(access(fixture_path("refusing.sock"), F_OK), -1);
}

/* Another process may listen there while this one still ends. */
static void test_the_address_is_free_once_it_refuses(void **state) {
    (void)state;
    struct listener_socket old, next;
    assert_int_equal(listener_socket_open("127.0.0.1", "0", NULL, 0, &old, error, sizeof error), 0);
    const char *port = strrchr(old.address, ':') + 1;
    assert_int_equal(listener_socket_open("127.0.0.1", port, NULL, 0, &next, error, sizeof error),
                     -EADDRINUSE);
    listener_socket_refuse(&old);
    assert_int_equal(listener_socket_open("127.0.0.1", port, NULL, 0, &next, error, sizeof error), 0);
    listener_socket_close(&old);
    close(dial(next.address));
    listener_socket_close(&next);
}

static void test_unix(void **state) {
    (void)state;
    struct listener_socket socket, second;
    const char *path = fixture_path("door.sock");
    assert_int_equal(listener_socket_open(NULL, NULL, path, 0, &socket, error, sizeof error), 0);
    assert_string_equal(socket.address, path);
    accepts_from(&socket, "unix");
    assert_int_equal(listener_socket_open(NULL, NULL, path, 0, &second, error, sizeof error), -EADDRINUSE);
    assert_non_null(strstr(error, "this process itself listens at "));
    assert_non_null(strstr(error, path));
    /* Stale: its owner died without removing it. */
    struct listener_socket dead = socket;
    dead.inode = 0;
    listener_socket_close(&dead);
    assert_int_equal(listener_socket_open(NULL, NULL, path, 0, &second, error, sizeof error), 0);
    /* The old one's close does not remove the new one's file; its own does. */
    socket.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    if (socket.inode != status.st_ino) {
        listener_socket_close(&socket);
        assert_int_equal(access(path, F_OK), 0);
    } else {
        close(socket.fd); /* the file system used the number again */
    }
    listener_socket_close(&second);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_unix_refusals(void **state) {
    (void)state;
    struct listener_socket socket = {.fd = -7};
    char path[200];
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_int_equal(listener_socket_open(NULL, NULL, path, 0, &socket, error, sizeof error), -ENAMETOOLONG);
    assert_non_null(strstr(error, "the path has 199 bytes, a socket's may have 107"));
    fixture_write("plain", "keep me");
    assert_int_equal(listener_socket_open(NULL, NULL, fixture_path("plain"), 0, &socket, error, sizeof error),
                     -EEXIST);
    assert_non_null(strstr(error, "no socket is in the way"));
    assert_int_equal(access(fixture_path("plain"), F_OK), 0);
    assert_int_equal(
        listener_socket_open(NULL, NULL, fixture_path("no/such/folder"), 0, &socket, error, sizeof error),
        -ENOENT);
    assert_int_equal(socket.fd, -7); /* untouched */
}

static void test_tcp_refusals(void **state) {
    (void)state;
    struct listener_socket socket, second = {.fd = -7};
    assert_int_equal(listener_socket_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error), 0);
    const char *port = strchr(socket.address, ':') + 1;
    assert_int_equal(listener_socket_open("127.0.0.1", port, NULL, 0, &second, error, sizeof error),
                     -EADDRINUSE);
    char expected[128];
    snprintf(expected, sizeof expected,
             "cannot listen on 127.0.0.1:%s: this process itself listens at 127.0.0.1:%s: ", port, port);
    assert_int_equal(strncmp(error, expected, strlen(expected)), 0);
    assert_int_equal(listener_socket_open("0.0.0.0", port, NULL, 0, &second, error, sizeof error),
                     -EADDRINUSE);
    snprintf(expected, sizeof expected,
             "cannot listen on 0.0.0.0:%s: this process itself listens at 127.0.0.1:%s: ", port, port);
    assert_int_equal(strncmp(error, expected, strlen(expected)), 0);
    assert_int_equal(listener_socket_open("192.0.2.1", "0", NULL, 0, &second, error, sizeof error),
                     -EADDRNOTAVAIL);
    assert_string_equal(error, "cannot listen on 192.0.2.1:0: this machine has no such address");
    assert_true(listener_socket_open("no.such.name.invalid", "0", NULL, 0, &second, error, sizeof error) < 0);
    assert_non_null(strstr(error, "no.such.name.invalid"));
    assert_int_equal(second.fd, -7);
    listener_socket_close(&socket);
}

/* One that was not opened by listener_socket_open is somebody else's. */
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
    assert_int_equal(listener_socket_open("127.0.0.1", port, NULL, 0, &second, error, sizeof error),
                     -EADDRINUSE);
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
    assert_int_equal(listener_socket_open(NULL, NULL, path, 0, &socket, error, sizeof error), 0);
    assert_int_equal(mode_of(path), 0700);
    assert_true(listener_socket_has_mode(&socket, 0));
    assert_false(listener_socket_has_mode(&socket, 0660));
    listener_socket_close(&socket);
    assert_int_equal(listener_socket_open(NULL, NULL, path, 0660, &socket, error, sizeof error), 0);
    assert_int_equal(mode_of(path), 0660);
    assert_true(listener_socket_has_mode(&socket, 0660));
    assert_false(listener_socket_has_mode(&socket, 0666));
    /* Somebody has put a link in its place: that is another file. */
    fixture_write("secret", "mine");
    assert_int_equal(chmod(fixture_path("secret"), 0600), 0);
    char there[256];
    snprintf(there, sizeof there, "%s", path);
    assert_int_equal(unlink(there), 0);
    assert_int_equal(symlink("secret", there), 0);
    assert_true(listener_socket_has_mode(&socket, 0666));
    assert_int_equal(mode_of(there), 0600);
    assert_int_equal(unlink(there), 0);
    listener_socket_close(&socket);
    umask(before);
}

static void test_checking_disturbs_nobody(void **state) {
    (void)state;
    struct listener_socket socket;
    struct bound_address bound, other;
    char text[128];
    assert_int_equal(listener_socket_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error), 0);
    const char *port = strchr(socket.address, ':') + 1;
    assert_int_equal(listener_socket_check("127.0.0.1", port, NULL, &bound, error, sizeof error), 0);
    bound_address_format(&bound, text, sizeof text);
    assert_string_equal(text, socket.address);
    assert_int_equal(listener_socket_check("localhost", port, NULL, &other, error, sizeof error), 0);
    assert_true(bound_address_collides(&bound, &other));
    accepts_from(&socket, "127.0.0.1");
    listener_socket_close(&socket);
    assert_int_equal(listener_socket_check("192.0.2.1", "80", NULL, &bound, error, sizeof error),
                     -EADDRNOTAVAIL);
    assert_string_equal(error, "cannot listen on 192.0.2.1:80: this machine has no such address");
    assert_true(listener_socket_check("no.such.name.invalid", "80", NULL, &bound, error, sizeof error) < 0);
    assert_non_null(strstr(error, "no.such.name.invalid"));
    /* A socket that is there may be of one that runs; another file is in the way. */
    const char *path = fixture_path("check.sock");
    assert_int_equal(listener_socket_open(NULL, NULL, path, 0, &socket, error, sizeof error), 0);
    assert_int_equal(listener_socket_check(NULL, NULL, path, &bound, error, sizeof error), 0);
    accepted_count = 0;
    accepts_from(&socket, "unix");
    listener_socket_close(&socket);
    assert_int_equal(
        listener_socket_check(NULL, NULL, fixture_path("check.sock"), &bound, error, sizeof error), 0);
    assert_int_equal(access(fixture_path("check.sock"), F_OK), -1);
    fixture_write("plain", "keep me");
    assert_int_equal(listener_socket_check(NULL, NULL, fixture_path("plain"), &bound, error, sizeof error),
                     -EEXIST);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_tcp),
        CASE(test_name_prefers_ipv4),
        CASE(test_ipv6),
        CASE(test_any),
        CASE(test_refusing),
        CASE(test_the_address_is_free_once_it_refuses),
        CASE(test_unix),
        CASE(test_unix_refusals),
        CASE(test_tcp_refusals),
        CASE(test_tcp_of_another),
        CASE(test_the_mode_of_a_unix_socket),
        CASE(test_checking_disturbs_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, fixture_remove);
}
