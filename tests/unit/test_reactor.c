/* reactor.h: the order of a turn, posts from other threads, and what may be taken out while events are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net/reactor.h"

static struct memory_budget budget = {.limit = 1 << 20};
static struct reactor *reactor;
static char order[32]; /* a letter for everything that ran */

static void note(char letter) {
    size_t length = strlen(order);
    assert_true(length + 1 < sizeof order);
    order[length] = letter;
    order[length + 1] = '\0';
}

static int setup(void **state) {
    (void)state;
    order[0] = '\0';
    return reactor_new(&budget, &reactor);
}

static int teardown(void **state) {
    (void)state;
    reactor_free(reactor);
    return 0;
}

struct noted_task {
    struct reactor_task task;
    char letter;
    struct reactor_task *then;
};

static void run_noted(struct reactor_task *task) {
    struct noted_task *noted = (struct noted_task *)task;
    note(noted->letter);
    if (noted->then) {
        reactor_at_turn_end(reactor, noted->then);
    }
}

static void release_noted(struct reactor_retired *retired) {
    (void)retired;
    note('r');
}

static struct noted_task last = {.task = {.run = run_noted}, .letter = 'z'};
static struct noted_task first = {.task = {.run = run_noted}, .letter = 'y', .then = &last.task};
static struct reactor_retired retired = {.release = release_noted};

static void on_event(struct reactor_source *source, uint32_t events) {
    assert_int_equal(events, EPOLLIN);
    note('e');
    reactor_retire(reactor, &retired);
    reactor_at_turn_end(reactor, &first.task);
    reactor_at_turn_end(reactor, &first.task);
    assert_int_equal(reactor_watch(reactor, source, 0), 0);
}

static void on_due(struct timer *timer, uint64_t now) {
    (void)timer;
    assert_int_equal(now, reactor_now(reactor));
    note('t');
}

static void posted(void *argument) {
    note(*(char *)argument);
}

static struct reactor_source make_source(void (*on_ready)(struct reactor_source *, uint32_t)) {
    return (struct reactor_source){.fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC), .on_ready = on_ready};
}

static void test_order_of_a_turn(void **state) {
    (void)state;
    char p = 'p', q = 'q';
    struct timer timer = {.on_due = on_due};
    struct reactor_source source = make_source(on_event);
    assert_int_equal(timer_set(reactor_timers(reactor), &timer, reactor_now(reactor)), 0);
    assert_int_equal(reactor_post(reactor, posted, &p), 0);
    assert_int_equal(reactor_post(reactor, posted, &q), 0);
    assert_int_equal(reactor_watch(reactor, &source, EPOLLIN), 0);
    assert_int_equal(reactor_turn(reactor, -1), 0);
    assert_string_equal(order, "epqtyzr");
    close(source.fd);
}

static void test_tasks_do_not_wait_for_events(void **state) {
    (void)state;
    reactor_at_turn_end(reactor, &last.task);
    assert_int_equal(reactor_turn(reactor, -1), 0);
    assert_string_equal(order, "z");
}

/* Both are ready; the one that is told first takes the other out. */
static struct reactor_source pair[2];

static void takes_other_out(struct reactor_source *source, uint32_t events) {
    (void)events;
    note('e');
    assert_int_equal(reactor_watch(reactor, source == &pair[0] ? &pair[1] : &pair[0], 0), 0);
}

static void test_taken_out_is_not_told(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        pair[i] = make_source(takes_other_out);
        assert_int_equal(reactor_watch(reactor, &pair[i], EPOLLIN), 0);
    }
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_string_equal(order, "e");
    close(pair[0].fd);
    close(pair[1].fd);
}

static void drains(struct reactor_source *source, uint32_t events) {
    uint64_t count;
    note(events & EPOLLOUT ? 'o' : 'i');
    assert_true(read(source->fd, &count, sizeof count) == sizeof count || !(events & EPOLLIN));
}

static void test_interest_changes(void **state) {
    (void)state;
    struct reactor_source source = make_source(drains);
    assert_int_equal(reactor_watch(reactor, &source, EPOLLIN), 0);
    assert_int_equal(reactor_watch(reactor, &source, EPOLLIN), 0);
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(reactor_watch(reactor, &source, EPOLLOUT), 0);
    assert_int_equal(source.interest, EPOLLOUT);
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(reactor_watch(reactor, &source, 0), 0);
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_string_equal(order, "io");
    close(source.fd);
    assert_true(reactor_watch(reactor, &source, EPOLLIN) < 0); /* closed */
    assert_int_equal(source.interest, 0);
}

enum { THREADS = 4, POSTS = 2000 };

struct poster {
    unsigned next; /* what its next post must carry: touched by the reactor's thread alone */
    unsigned total;
};

struct numbered {
    struct poster *poster;
    unsigned number;
};

static struct poster posters[THREADS];
static struct numbered numbers[THREADS][POSTS];
static unsigned finished;

static void count_post(void *argument) {
    struct numbered *numbered = argument;
    assert_int_equal(numbered->number, numbered->poster->next);
    numbered->poster->next++;
    if (numbered->poster->next == POSTS && ++finished == THREADS) {
        reactor_stop(reactor);
    }
}

static void *post_many(void *argument) {
    struct poster *poster = argument;
    struct numbered *mine = numbers[poster - posters];
    for (unsigned i = 0; i < POSTS; i++) {
        mine[i] = (struct numbered){.poster = poster, .number = i};
        if (reactor_post(reactor, count_post, &mine[i]) < 0) {
            break;
        }
    }
    return NULL;
}

static void test_posts_from_threads(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    finished = 0;
    for (int i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){0};
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    assert_int_equal(reactor_run(reactor), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(posters[i].next, POSTS);
    }
}

static void *stop_it(void *argument) {
    reactor_stop(argument);
    return NULL;
}

static void test_stop_from_another_thread(void **state) {
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_it, reactor), 0);
    assert_int_equal(reactor_run(reactor), 0);
    pthread_join(thread, NULL);
    assert_int_equal(reactor_run(reactor), 0); /* stopped stays stopped */
}

static struct timer soon, later, never, final;
static int turns_run;

static void count_turn(struct reactor_task *task) {
    (void)task;
    turns_run++;
}

static struct reactor_task each_turn = {.run = count_turn};

static void on_alarm(struct timer *timer, uint64_t now) {
    assert_true(now >= timer->due || timer->due == 0);
    reactor_at_turn_end(reactor, &each_turn);
    if (timer == &soon) {
        note('s');
        timer_clear(reactor_timers(reactor), &never);
        assert_int_equal(timer_set(reactor_timers(reactor), &later, now + 5),
                         0); /* nearer than what is set */
    } else if (timer == &later) {
        note('l');
        assert_int_equal(timer_set(reactor_timers(reactor), &final, now + 20), 0); /* moved away */
    } else {
        note(timer == &final ? 'f' : 'n');
        reactor_stop(reactor);
    }
}

/* By the system's clock, in the order in which they are due, each not before; those that are moved or cleared do not ring. */
static void test_timers_wake_the_loop(void **state) {
    (void)state;
    struct timers *timers = reactor_timers(reactor);
    const uint64_t began = reactor_now(reactor);
    soon = later = never = final = (struct timer){.on_due = on_alarm};
    turns_run = 0;
    assert_int_equal(timer_set(timers, &final, began + 60), 0);
    assert_int_equal(timer_set(timers, &never, began + 15), 0);
    assert_int_equal(timer_set(timers, &soon, began + 10), 0);
    assert_int_equal(reactor_run(reactor), 0);
    assert_string_equal(order, "slf");
    assert_int_equal(turns_run, 3);
    assert_true(reactor_now(reactor) >= began + 35);
}

static void test_free_ends_what_was_begun(void **state) {
    (void)state;
    char p = 'p';
    reactor_at_turn_end(reactor, &first.task);
    reactor_retire(reactor, &retired);
    assert_int_equal(reactor_post(reactor, posted, &p), 0);
    reactor_free(reactor);
    assert_string_equal(order, "yzr");
    assert_int_equal(reactor_new(&budget, &reactor), 0);
    reactor_free(NULL);
}

static uint64_t fake_clock(void *argument) {
    return *(uint64_t *)argument;
}

static void test_clock_of_the_test(void **state) {
    (void)state;
    uint64_t now = 5000;
    struct timer timer = {.on_due = on_due};
    reactor_set_clock(reactor, fake_clock, &now);
    assert_int_equal(reactor_now(reactor), 5000);
    assert_int_equal(timer_set(reactor_timers(reactor), &timer, 6000), 0);
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_string_equal(order, "");
    now = 6000;
    assert_int_equal(reactor_turn(reactor, -1), 0);
    assert_string_equal(order, "t");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_order_of_a_turn),          CASE(test_tasks_do_not_wait_for_events),
        CASE(test_taken_out_is_not_told),    CASE(test_interest_changes),
        CASE(test_posts_from_threads),       CASE(test_stop_from_another_thread),
        CASE(test_free_ends_what_was_begun), CASE(test_clock_of_the_test),
        CASE(test_timers_wake_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
