/* Which addresses are in each other's way, as the kernel sees it: what is said of two is tried with two sockets. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "net/bound_address.h"

static struct bound_address of_v4(const char *host, unsigned port) {
    struct bound_address bound = {.size = sizeof(struct sockaddr_in)};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&bound.address;
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    assert_int_equal(inet_pton(AF_INET, host, &v4->sin_addr), 1);
    return bound;
}

static struct bound_address of_v6(const char *host, unsigned port, bool takes_v4) {
    struct bound_address bound = {.size = sizeof(struct sockaddr_in6), .takes_v4 = takes_v4};
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&bound.address;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    assert_int_equal(inet_pton(AF_INET6, host, &v6->sin6_addr), 1);
    return bound;
}

static struct bound_address of_path(const char *path) {
    struct bound_address bound = {.size = sizeof(struct sockaddr_un)};
    struct sockaddr_un *address = (struct sockaddr_un *)&bound.address;
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
    return bound;
}

/* A socket that listens there, or -errno. */
static int listen_at(const struct bound_address *wanted) {
    int fd = socket(wanted->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1, only6 = !wanted->takes_v4;
    if (fd < 0) {
        return -errno;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        (wanted->address.ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof only6) < 0) ||
        bind(fd, (const struct sockaddr *)&wanted->address, wanted->size) < 0 || listen(fd, 1) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

/* A port that is free on all addresses just now. */
static unsigned find_port(void) {
    struct bound_address any = of_v4("0.0.0.0", 0), found;
    int fd = listen_at(&any);
    assert_true(fd >= 0);
    assert_int_equal(bound_address_of(fd, &found), 0);
    close(fd);
    return ntohs(((const struct sockaddr_in *)&found.address)->sin_port);
}

static void the_kernel_agrees(void **state) {
    (void)state;
    const unsigned port = find_port();
    const struct bound_address all[] = {
        of_v4("127.0.0.1", port),      of_v4("127.0.0.2", port), of_v4("0.0.0.0", port),
        of_v6("::1", port, false),     of_v6("::", port, false), of_v6("::", port, true),
        of_v4("127.0.0.1", port ^ 1U), of_v4("127.0.0.1", 0),    of_v6("::1", 0, false),
    };
    const size_t count = sizeof all / sizeof *all;
    for (size_t i = 0; i < count; i++) {
        int first = listen_at(&all[i]);
        for (size_t j = 0; j < count && first >= 0; j++) {
            int second = listen_at(&all[j]);
            if (second >= 0 || second == -EADDRINUSE) {
                assert_int_equal(bound_address_collides(&all[i], &all[j]), second == -EADDRINUSE);
            } /* else a machine without IPv6 */
            if (second >= 0) {
                close(second);
            }
        }
        if (first >= 0) {
            close(first);
        }
    }
}

static void paths_are_the_same_or_not(void **state) {
    (void)state;
    const struct bound_address one = of_path("/run/a.sock"), other = of_path("/run/a.sock2"),
                               v4 = of_v4("127.0.0.1", 80);
    assert_true(bound_address_collides(&one, &one));
    assert_false(bound_address_collides(&one, &other));
    assert_false(bound_address_collides(&one, &v4));
    assert_false(bound_address_collides(&v4, &one));
}

static void it_is_read_from_a_socket_and_written(void **state) {
    (void)state;
    struct bound_address found;
    char text[128];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bound_address_of(fd, &found), -EINVAL); /* it does not listen */
    close(fd);
    assert_int_equal(bound_address_of(fd, &found), -EBADF);
    const struct bound_address v4 = of_v4("127.0.0.1", 8443), v6 = of_v6("::1", 8443, false),
                               path = of_path("/run/a.sock");
    bound_address_format(&v4, text, sizeof text);
    assert_string_equal(text, "127.0.0.1:8443");
    bound_address_format(&v6, text, sizeof text);
    assert_string_equal(text, "[::1]:8443");
    bound_address_format(&path, text, sizeof text);
    assert_string_equal(text, "/run/a.sock");
    const struct bound_address dual = of_v6("::", 0, true);
    fd = listen_at(&dual);
    if (fd >= 0) {
        assert_int_equal(bound_address_of(fd, &found), 0);
        assert_true(found.takes_v4);
        close(fd);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_agrees),
        cmocka_unit_test(paths_are_the_same_or_not),
        cmocka_unit_test(it_is_read_from_a_socket_and_written),
    };
    return cmocka_run_group_tests_name("bound address", tests, NULL, NULL);
}
