/* A worker's life by a clock that the test sets: how long it waits before it starts again, and what it does where nothing
 * can be heard of a process, or nothing ends it. The processes are real; they end when the test ends them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dev/worker/dev_worker.h"
#include "scratch_folder.h"

enum { PATIENCE_MS = 5000 };

struct fixture {
    char folder[SCRATCH_FOLDER_MAX];
    struct memory_budget memory;
    struct reactor *reactor;
    struct dev_terminal terminal;
    struct dev_worker worker;
    uint64_t now;
    unsigned ended; /* how often it was told */
};

static char *sleeper[] = {"sleep", "600", NULL};
static bool kill_is_void;
static bool kill_is_refused;
static bool epoll_is_full;

int __real_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number) {
    if (kill_is_refused) {
        errno = EPERM;
        return -1;
    }
    return kill_is_void ? 0 : __real_kill(pid, number);
}

int __real_pidfd_send_signal(int pidfd, int number, siginfo_t *info, unsigned flags);
int __wrap_pidfd_send_signal(int pidfd, int number, siginfo_t *info, unsigned flags);
int __wrap_pidfd_send_signal(int pidfd, int number, siginfo_t *info, unsigned flags) {
    if (kill_is_refused) {
        errno = EPERM;
        return -1;
    }
    return __real_pidfd_send_signal(pidfd, number, info, flags);
}

static char told[256]; /* the last lines on the terminal */

void __real_dev_terminal_write(struct dev_terminal *terminal, const char *lines);
void __wrap_dev_terminal_write(struct dev_terminal *terminal, const char *lines);
void __wrap_dev_terminal_write(struct dev_terminal *terminal, const char *lines) {
    snprintf(told, sizeof told, "%s", lines);
    __real_dev_terminal_write(terminal, lines);
}

int __real_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
    if (epoll_is_full && operation == EPOLL_CTL_ADD) {
        errno = ENOSPC;
        return -1;
    }
    return __real_epoll_ctl(epoll, operation, fd, event);
}

static uint64_t read_clock(void *argument) {
    const struct fixture *fixture = argument;
    return fixture->now;
}

static void on_ended(void *owner) {
    struct fixture *fixture = owner;
    fixture->ended++;
}

static void assert_told(const char *format, int pid) {
    char expected[sizeof told];
    snprintf(expected, sizeof expected, format, pid);
    assert_string_equal(told, expected);
}

static void turn(struct fixture *fixture, int wait_ms) {
    assert_int_equal(reactor_turn(fixture->reactor, wait_ms), 0);
}

/* As reactor.h has it, a turn reads the clock as it begins and wakes. */
static void pass(struct fixture *fixture, uint64_t ms) {
    fixture->now += ms;
    turn(fixture, 0);
}

static void wait_for(struct fixture *fixture, enum dev_worker_state state) {
    while (fixture->worker.state != state) {
        turn(fixture, PATIENCE_MS);
    }
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    scratch_folder_make(fixture->folder);
    assert_int_equal(chdir(fixture->folder), 0);
    fixture->memory.limit = 1 << 20;
    fixture->now = 1000000;
    assert_int_equal(reactor_new(&fixture->memory, &fixture->reactor), 0);
    reactor_set_clock(fixture->reactor, read_clock, fixture);
    dev_terminal_init(&fixture->terminal, STDERR_FILENO);
    const struct dev_worker_setup setup = {.reactor = fixture->reactor,
                                           .terminal = &fixture->terminal,
                                           .argv = sleeper,
                                           .environment = environ,
                                           .on_ended = on_ended,
                                           .owner = fixture};
    dev_worker_init(&fixture->worker, &setup);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    kill_is_void = false;
    kill_is_refused = false;
    epoll_is_full = false;
    if (fixture->ended == 0) {
        dev_worker_stop(&fixture->worker);
        wait_for(fixture, DEV_WORKER_ENDED);
    }
    assert_int_equal(fixture->ended, 1);
    dev_worker_clear(&fixture->worker);
    dev_terminal_close(&fixture->terminal);
    reactor_free(fixture->reactor);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(scratch_folder_remove(fixture->folder), 0);
    free(fixture);
    return 0;
}

static void end_after(struct fixture *fixture, uint64_t lived, uint64_t backoff) {
    struct dev_worker *worker = &fixture->worker;
    assert_int_equal(worker->state, DEV_WORKER_RUNNING);
    pass(fixture, lived);
    assert_int_equal(kill(worker->process.pid, SIGKILL), 0);
    wait_for(fixture, DEV_WORKER_RESTING);
    assert_int_equal(worker->backoff, backoff);
    pass(fixture, backoff - 1);
    assert_int_equal(worker->state, DEV_WORKER_RESTING);
    pass(fixture, 1);
}

static void who_fails_again_and_again_is_waited_for_longer(void **state) {
    struct fixture *fixture = *state;
    static const uint64_t waits[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        end_after(fixture, i == 2 ? DEV_WORKER_SOUND_MS - 1 : 0, waits[i]);
    }
    end_after(fixture, DEV_WORKER_SOUND_MS, 1000);
    end_after(fixture, 0, 2000);
}

static void a_change_begins_the_waiting_anew(void **state) {
    struct fixture *fixture = *state;
    struct dev_worker *worker = &fixture->worker;
    end_after(fixture, 0, 1000);
    end_after(fixture, 0, 2000);
    assert_int_equal(kill(worker->process.pid, SIGKILL), 0);
    wait_for(fixture, DEV_WORKER_RESTING);
    close(open("mended.py", O_WRONLY | O_CREAT, 0600));
    while (worker->settled.place == 0) {
        turn(fixture, PATIENCE_MS);
    }
    pass(fixture, DEV_WORKER_SETTLE_MS);
    end_after(fixture, 0, 1000);
}

static void one_that_can_not_be_watched_is_not_kept(void **state) {
    struct fixture *fixture = *state;
    struct dev_worker *worker = &fixture->worker;
    assert_int_equal(kill(worker->process.pid, SIGKILL), 0);
    wait_for(fixture, DEV_WORKER_RESTING);
    epoll_is_full = true;
    pass(fixture, worker->backoff);
    assert_int_equal(worker->state, DEV_WORKER_RESTING);
    assert_int_equal(worker->process.ended, -1);
    dev_worker_stop(worker); /* and its end is not waited for */
    assert_int_equal(fixture->ended, 1);
    assert_int_equal(waitpid(worker->process.pid, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* As one that the kernel holds. */
static void one_that_nothing_ends_is_given_up(void **state) {
    struct fixture *fixture = *state;
    struct dev_worker *worker = &fixture->worker;
    const pid_t pid = worker->process.pid;
    kill_is_void = true;
    dev_worker_stop(worker);
    assert_int_equal(worker->state, DEV_WORKER_ENDING);
    pass(fixture, DEV_WORKER_END_MS);
    assert_int_equal(worker->state, DEV_WORKER_KILLED);
    assert_int_equal(fixture->ended, 0);
    pass(fixture, DEV_WORKER_KILL_MS);
    assert_int_equal(fixture->ended, 1);
    assert_told("sleep can't be ended: it is in the kernel's hands; process %d is left behind\n", pid);
    assert_int_equal(__real_kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* As a shell that has become sudo since it was told to end. */
static void one_that_may_not_be_killed_is_given_up_at_once(void **state) {
    struct fixture *fixture = *state;
    const pid_t pid = fixture->worker.process.pid;
    kill_is_void = true;
    dev_worker_stop(&fixture->worker);
    kill_is_refused = true;
    pass(fixture, DEV_WORKER_END_MS);
    assert_int_equal(fixture->ended, 1);
    assert_told("sleep can't be ended: Operation not permitted; process %d is left behind\n", pid);
    assert_int_equal(__real_kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A change has it end, and nothing does. */
static void get_stuck(struct fixture *fixture) {
    struct dev_worker *worker = &fixture->worker;
    kill_is_void = true;
    close(open("worker.py", O_WRONLY | O_CREAT, 0600));
    while (worker->settled.place == 0) {
        turn(fixture, PATIENCE_MS);
    }
    pass(fixture, DEV_WORKER_SETTLE_MS);
    pass(fixture, DEV_WORKER_END_MS);
    pass(fixture, DEV_WORKER_KILL_MS);
    assert_int_equal(worker->state, DEV_WORKER_STUCK);
    assert_told(
        "sleep can't be ended: it is in the kernel's hands; it is started anew when process %d has ended\n",
        (int)worker->process.pid);
}

static void one_that_nothing_ends_is_started_anew_when_it_has_ended(void **state) {
    struct fixture *fixture = *state;
    struct dev_worker *worker = &fixture->worker;
    const pid_t pid = worker->process.pid;
    get_stuck(fixture);
    assert_int_equal(__real_kill(pid, SIGKILL), 0);
    wait_for(fixture, DEV_WORKER_RUNNING);
    assert_int_not_equal(worker->process.pid, pid);
    kill_is_void = false;
}

static void one_that_nothing_ends_is_left_behind_at_the_end(void **state) {
    struct fixture *fixture = *state;
    const pid_t pid = fixture->worker.process.pid;
    get_stuck(fixture);
    dev_worker_stop(&fixture->worker);
    assert_int_equal(fixture->ended, 1);
    assert_told("sleep has not ended; process %d is left behind\n", pid);
    assert_int_equal(__real_kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void one_that_is_abandoned_is_not_waited_for(void **state) {
    struct fixture *fixture = *state;
    const pid_t pid = fixture->worker.process.pid;
    kill_is_void = true;
    dev_worker_stop(&fixture->worker);
    kill_is_void = false;
    dev_worker_abandon(&fixture->worker);
    assert_int_equal(fixture->ended, 1);
    assert_told("sleep is killed, and not waited for\n", pid);
    told[0] = '\0';
    dev_worker_abandon(&fixture->worker);
    assert_told("", pid);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void one_that_is_abandoned_and_may_not_be_killed_is_left_behind(void **state) {
    struct fixture *fixture = *state;
    const pid_t pid = fixture->worker.process.pid;
    kill_is_void = true;
    dev_worker_stop(&fixture->worker);
    kill_is_refused = true;
    dev_worker_abandon(&fixture->worker);
    assert_int_equal(fixture->ended, 1);
    assert_told("sleep can't be ended: Operation not permitted; process %d is left behind\n", pid);
    assert_int_equal(__real_kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_fails_again_and_again_is_waited_for_longer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_change_begins_the_waiting_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_can_not_be_watched_is_not_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_nothing_ends_is_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_may_not_be_killed_is_given_up_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_nothing_ends_is_started_anew_when_it_has_ended, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_that_nothing_ends_is_left_behind_at_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_abandoned_is_not_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_abandoned_and_may_not_be_killed_is_left_behind, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
