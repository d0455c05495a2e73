/* A reactor with a clock of its own, what it accepts, and somebody who dials. */
#ifndef LISTENER_FIXTURE_H
#define LISTENER_FIXTURE_H

#include "tls_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
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

/* A connected socket, or -errno. */
static int try_to_dial(const char *address) {
    const unsigned port = *address == '/' ? 0 : (unsigned)strtoul(strrchr(address, ':') + 1, NULL, 10);
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    const struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_loopback};
    const struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const void *to = &v4;
    socklen_t size = sizeof v4;
    if (*address == '/') {
        snprintf(path.sun_path, sizeof path.sun_path, "%s", address);
        to = &path;
        size = sizeof path;
    } else if (*address == '[' && strncmp(address, "[::]", 4) != 0) {
        to = &v6;
        size = sizeof v6;
    }
    int fd = socket(((const struct sockaddr *)to)->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, to, size) == 0) {
        return fd;
    }
    int failed = errno;
    close(fd);
    return -failed;
}

static int dial(const char *address) {
    int fd = try_to_dial(address);
    assert_true(fd >= 0);
    return fd;
}

#endif
