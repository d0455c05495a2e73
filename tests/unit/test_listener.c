/* listener.h: accepting on one and on several reactors, no descriptors left.
 * Linked with --wrap=epoll_ctl */
#include "listener_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/resource.h>

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

static void dial_all(const char *address, int *ret_fds, int count) {
    for (int i = 0; i < count; i++) {
        ret_fds[i] = dial(address);
    }
}

static void close_all(const int *fds, int count) {
    for (int i = 0; i < count; i++) {
        close(fds[i]);
    }
}

static void test_two_reactors_share(void **state) {
    (void)state;
    struct listener_socket socket;
    struct listener *here = NULL, *there = NULL;
    struct reactor *other = NULL;
    int fds[8];
    assert_int_equal(reactor_new(&budget, &other), 0);
    assert_int_equal(listener_socket_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error), 0);
    assert_int_equal(listener_new(reactor, &socket, on_accept, NULL, &here), 0);
    assert_int_equal(listener_new(other, &socket, on_accept, NULL, &there), 0);
    dial_all(socket.address, fds, 8);
    listener_free(here); /* what comes goes to the one that is left */
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(accepted_count, 0);
    assert_int_equal(reactor_turn(other, 1000), 0);
    assert_int_equal(accepted_count, 8);
    close_all(fds, 8);
    listener_free(there);
    reactor_free(other);
    listener_socket_close(&socket);
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
    assert_int_equal(listener_socket_open("127.0.0.1", "0", NULL, 0, &pair->socket, error, sizeof error), 0);
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
    listener_socket_close(&pair->socket);
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
    dial_all(pair.socket.address, fds, 10);
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
    close_all(fds, 10);
    close_pair(&pair);
}

/* Who has far more pauses for a moment: so long the others have to come, even on a machine that is busy. */
static void test_at_once_who_has_far_more_pauses(void **state) {
    (void)state;
    struct pair pair;
    int fds[30];
    open_pair(&pair);
    struct side *here = &pair.sides[0], *there = &pair.sides[1];
    dial_all(pair.socket.address, fds, 30);
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
    close_all(fds, 30);
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
    dial_all(pair.socket.address, fds, 10);
    assert_int_equal(reactor_turn(here->reactor, 1000), 0);
    assert_int_equal(here->count, 10);
    close_all(fds, 10);
    close_pair(&pair);
}

static void test_stepping_back_without_memory(void **state) {
    (void)state;
    struct pair pair;
    int fds[4];
    open_pair(&pair);
    struct side *here = &pair.sides[0];
    dial_all(pair.socket.address, fds, 4);
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
    close_all(fds, 4);
    close_pair(&pair);
}

static void test_no_descriptors_left(void **state) {
    (void)state;
    struct listener_socket socket;
    struct listener *listener = NULL;
    struct rlimit usual, tight;
    assert_int_equal(listener_socket_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error), 0);
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
    listener_socket_close(&socket);
}

static void test_freed_while_pausing(void **state) {
    (void)state;
    struct listener_socket socket;
    struct listener *listener = NULL;
    struct rlimit usual, tight;
    assert_int_equal(listener_socket_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error), 0);
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
    listener_socket_close(&socket);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
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
