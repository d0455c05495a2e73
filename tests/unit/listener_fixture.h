/* A reactor with a clock of its own, what it accepts, and somebody who dials. */
#ifndef LISTENER_FIXTURE_H
#define LISTENER_FIXTURE_H

#include "tls_fixture.h"

#include <arpa/inet.h>
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

#endif
