/* connector.h: names, addresses and paths; refusals, silence, several addresses, and giving up at any point. */
#include "tls_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/connector.h"
#include "net/listener_socket.h"

enum { TIMEOUT_MS = 3000, PATIENCE = 200 };

static struct memory_budget budget = {.limit = 1 << 20};
static struct reactor *reactor;
static struct connector *connector;
static char error[512];
static unsigned calls;
static int result;
static char said[512];
static bool free_in_callback;

static int setup(void **state) {
    (void)state;
    calls = 0;
    result = 0;
    free_in_callback = false;
    return reactor_new(&budget, &reactor);
}

static int teardown(void **state) {
    (void)state;
    reactor_free(reactor);
    return 0;
}

static void on_done(void *owner, int fd, const char *detail) {
    assert_ptr_equal(owner, said);
    calls++;
    result = fd;
    snprintf(said, sizeof said, "%s", detail);
    if (free_in_callback) {
        connector_free(connector);
        connector = NULL;
    }
}

static void start(struct endpoint *endpoint) {
    assert_int_equal(connector_new(endpoint, TIMEOUT_MS, on_done, said, &connector), 0);
    assert_int_equal(calls, 0); /* not from within */
}

static void run_until_done(void) {
    for (int i = 0; i < PATIENCE && calls == 0; i++) {
        assert_int_equal(reactor_turn(reactor, 100), 0);
    }
    assert_int_equal(calls, 1);
}

static void expect_connected(void) {
    run_until_done();
    if (result < 0) {
        fail_msg("%s", said);
    }
    assert_string_equal(said, "");
    assert_true(fcntl(result, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(result, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(send(result, "x", 1, MSG_NOSIGNAL), 1);
    close(result);
    connector_free(connector);
}

static const char *port_of(const struct listener_socket *socket) {
    return strrchr(socket->address, ':') + 1;
}

static void test_address_and_name(void **state) {
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (int i = 0; i < 2; i++) {
        struct listener_socket socket;
        struct endpoint *endpoint = NULL;
        calls = 0;
        assert_int_equal(listener_socket_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error), 0);
        assert_int_equal(endpoint_new(reactor, hosts[i], port_of(&socket), NULL, &endpoint), 0);
        start(endpoint);
        expect_connected();
        calls = 0;
        start(endpoint); /* now from what is remembered */
        expect_connected();
        endpoint_free(endpoint);
        listener_socket_close(&socket);
    }
}

static void test_unix_path(void **state) {
    (void)state;
    struct listener_socket socket;
    struct endpoint *endpoint = NULL;
    char path[256];
    snprintf(path, sizeof path, "%s", fixture_path("up.sock"));
    assert_int_equal(listener_socket_open(NULL, NULL, path, 0, &socket, error, sizeof error), 0);
    assert_int_equal(endpoint_new(reactor, NULL, NULL, path, &endpoint), 0);
    assert_string_equal(endpoint_name(endpoint), path);
    start(endpoint);
    expect_connected();
    listener_socket_close(&socket);
    calls = 0;
    start(endpoint);
    run_until_done();
    assert_int_equal(result, -ENOENT);
    assert_non_null(strstr(said, "no such socket"));
    connector_free(connector);
    endpoint_free(endpoint);
}

static void test_refused(void **state) {
    (void)state;
    struct listener_socket socket;
    struct endpoint *endpoint = NULL;
    char expected[256];
    assert_int_equal(listener_socket_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error), 0);
    snprintf(expected, sizeof expected, "cannot connect to %s: connection refused", socket.address);
    assert_int_equal(endpoint_new(reactor, "127.0.0.1", port_of(&socket), NULL, &endpoint), 0);
    listener_socket_close(&socket);
    free_in_callback = true;
    start(endpoint);
    run_until_done();
    assert_int_equal(result, -ECONNREFUSED);
    assert_string_equal(said, expected);
    endpoint_free(endpoint);
}

/* "localhost" may be ::1 first, where nobody listens: the next address is tried. */
static void test_second_address(void **state) {
    (void)state;
    struct listener_socket socket;
    struct endpoint *endpoint = NULL;
    assert_int_equal(listener_socket_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error), 0);
    assert_int_equal(endpoint_new(reactor, "localhost", port_of(&socket), NULL, &endpoint), 0);
    start(endpoint);
    expect_connected();
    endpoint_free(endpoint);
    listener_socket_close(&socket);
}

static void test_unknown_name(void **state) {
    (void)state;
    struct endpoint *endpoint = NULL;
    struct connector *other = NULL;
    assert_int_equal(endpoint_new(reactor, "no.such.name.invalid", "5000", NULL, &endpoint), 0);
    start(endpoint);
    assert_int_equal(connector_new(endpoint, TIMEOUT_MS, on_done, said, &other), 0); /* shares the look-up */
    for (int i = 0; i < PATIENCE && calls < 2; i++) {
        assert_int_equal(reactor_turn(reactor, 100), 0);
    }
    assert_int_equal(calls, 2);
    assert_true(result < 0);
    assert_non_null(strstr(said, "cannot connect to no.such.name.invalid:5000: its name c"));
    connector_free(connector);
    connector_free(other);
    endpoint_free(endpoint);
}

static uint64_t clock_ms = 1000;

static uint64_t read_clock(void *argument) {
    (void)argument;
    return clock_ms;
}

/* A listener whose queue is full answers nothing at all. */
static void test_silence(void **state) {
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fillers[16], count = 0;
    int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(silent, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(silent, 0), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&address, &size), 0);
    for (; count < 4; count++) {
        fillers[count] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[count], (struct sockaddr *)&address, sizeof address);
    }
    char port[8];
    snprintf(port, sizeof port, "%u", ntohs(address.sin_port));
    struct endpoint *endpoint = NULL;
    reactor_set_clock(reactor, read_clock, NULL);
    assert_int_equal(endpoint_new(reactor, "127.0.0.1", port, NULL, &endpoint), 0);
    start(endpoint);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(reactor_turn(reactor, 10), 0);
    }
    assert_int_equal(calls, 0);
    clock_ms += TIMEOUT_MS - 1;
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(calls, 0);
    clock_ms += 1;
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(result, -ETIMEDOUT);
    assert_non_null(strstr(said, "no answer in time"));
    connector_free(connector);
    endpoint_free(endpoint);
    while (count > 0) {
        close(fillers[--count]);
    }
    close(silent);
}

static void test_given_up(void **state) {
    (void)state;
    struct listener_socket socket;
    struct endpoint *endpoint = NULL;
    assert_int_equal(listener_socket_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error), 0);
    static const char *const hosts[] = {"127.0.0.1", "localhost", "no.such.name.invalid"};
    for (size_t i = 0; i < 3; i++) {
        for (int turns = 0; turns < 3; turns++) {
            assert_int_equal(endpoint_new(reactor, hosts[i], port_of(&socket), NULL, &endpoint), 0);
            start(endpoint);
            for (int k = 0; k < turns && calls == 0; k++) {
                assert_int_equal(reactor_turn(reactor, 0), 0);
            }
            if (calls > 0 && result >= 0) {
                close(result);
            }
            calls = 0;
            connector_free(connector);
            endpoint_free(endpoint); /* the thread that looks up is on its own now */
            assert_int_equal(reactor_turn(reactor, 0), 0);
            assert_int_equal(calls, 0);
        }
    }
    listener_socket_close(&socket);
    connector_free(NULL);
    endpoint_free(NULL);
}

static void test_bad_endpoints(void **state) {
    (void)state;
    struct endpoint *endpoint = NULL;
    char path[200];
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_int_equal(endpoint_new(reactor, NULL, NULL, NULL, &endpoint), -EINVAL);
    assert_int_equal(endpoint_new(reactor, "127.0.0.1", NULL, NULL, &endpoint), -EINVAL);
    assert_int_equal(endpoint_new(reactor, NULL, NULL, path, &endpoint), -EINVAL);
    assert_int_equal(endpoint_new(reactor, NULL, NULL, "", &endpoint), -EINVAL);
    assert_null(endpoint);
    assert_int_equal(endpoint_new(reactor, "::1", "5000", NULL, &endpoint), 0);
    assert_string_equal(endpoint_name(endpoint), "[::1]:5000");
    endpoint_free(endpoint);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* A lookup can't be stopped: one that was given up may still be inside libc, with what that has allocated, when the program ends.
 * The name is LeakSanitizer's. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:res_context_send\nleak:getaddrinfo\n";
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_address_and_name), CASE(test_unix_path), CASE(test_refused),  CASE(test_second_address),
        CASE(test_unknown_name),     CASE(test_silence),   CASE(test_given_up), CASE(test_bad_endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, fixture_remove);
}
