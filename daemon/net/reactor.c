#include "net/reactor.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net/clock.h"

enum { EVENTS_PER_TURN = 256, TRIM_EVERY_MS = 1000 };

struct post {
    struct post *next;
    void (*run)(void *argument);
    void *argument;
};

struct reactor {
    int epoll_fd;
    struct reactor_source wake; /* an eventfd: something was posted, or stop */
    uint64_t now, now_us;
    uint64_t (*clock)(void *argument); /* NULL: the system's */
    void *clock_argument;
    struct timers *timers;
    struct buffer_pool *pool;
    struct timer trim; /* set while the pool may keep free blocks */
    struct connection *connections;
    atomic_size_t connections_count; /* its thread changes it, others read it */
    struct reactor_task *tasks, **tasks_end;
    struct reactor_retired *retired;
    atomic_bool stop;
    pthread_mutex_t posts_lock;
    struct post *posts, **posts_end; /* under posts_lock */
};

/* More reactors than places are not told of each other's need. */
static void share_budget(struct reactor *reactor) {
    struct memory_budget *budget = buffer_pool_budget(reactor->pool);
    for (size_t i = 0; i < BUDGET_SHARERS_MAX; i++) {
        struct reactor *nobody = NULL;
        if (atomic_compare_exchange_strong(&budget->sharers[i], &nobody, reactor)) {
            return;
        }
    }
}

static void leave_budget(struct reactor *reactor) {
    if (!reactor->pool) {
        return;
    }
    struct memory_budget *budget = buffer_pool_budget(reactor->pool);
    for (size_t i = 0; i < BUDGET_SHARERS_MAX; i++) {
        struct reactor *self = reactor;
        (void)atomic_compare_exchange_strong(&budget->sharers[i], &self, NULL);
    }
}

static uint64_t read_clock_us(const struct reactor *reactor) {
    if (reactor->clock) {
        return reactor->clock(reactor->clock_argument) * 1000;
    }
    return clock_now_us();
}

static void take_time(struct reactor *reactor) {
    reactor->now_us = read_clock_us(reactor);
    reactor->now = reactor->now_us / 1000;
}

static void wake_ready(struct reactor_source *source, uint32_t events) {
    (void)events;
    uint64_t count;
    ssize_t n = read(source->fd, &count, sizeof count);
    (void)n; /* it only resets the counter; posts are looked at in each turn */
}

static void wake_up(struct reactor *reactor) {
    uint64_t one = 1;
    ssize_t n = write(reactor->wake.fd, &one, sizeof one);
    (void)n; /* fails only when the counter is full: then it is awake */
}

static struct reactor *reactor_of_trim(struct timer *timer) {
    return (struct reactor *)(void *)((char *)timer - offsetof(struct reactor, trim));
}

static void trim_later(struct reactor *reactor) {
    /* Without memory for the timer the next turn asks again. */
    (void)timer_set(reactor->timers, &reactor->trim, reactor->now + TRIM_EVERY_MS);
}

static void trim_pool(struct timer *timer, uint64_t now) {
    (void)now;
    struct reactor *reactor = reactor_of_trim(timer);
    if (buffer_pool_trim(reactor->pool)) {
        trim_later(reactor);
    }
}

int reactor_new(struct memory_budget *memory, struct reactor **ret_reactor) {
    struct reactor *reactor = calloc(1, sizeof *reactor);
    if (!reactor) {
        return -ENOMEM;
    }
    pthread_mutex_init(&reactor->posts_lock, NULL);
    reactor->posts_end = &reactor->posts;
    reactor->tasks_end = &reactor->tasks;
    take_time(reactor);
    reactor->trim.on_due = trim_pool;
    reactor->wake = (struct reactor_source){.fd = -1, .on_ready = wake_ready};
    int r = 0;
    reactor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (reactor->epoll_fd < 0) {
        r = -errno;
        goto fail;
    }
    reactor->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (reactor->wake.fd < 0) {
        r = -errno;
        goto fail;
    }
    if ((r = reactor_watch(reactor, &reactor->wake, EPOLLIN)) < 0 || (r = timers_new(&reactor->timers)) < 0 ||
        (r = buffer_pool_new(memory, &reactor->pool)) < 0) {
        goto fail;
    }
    share_budget(reactor);
    *ret_reactor = reactor;
    return 0;

fail:
    reactor_free(reactor);
    return r;
}

static void end_turn(struct reactor *reactor) {
    while (reactor->tasks || reactor->retired) {
        while (reactor->tasks) {
            struct reactor_task *task = reactor->tasks;
            reactor->tasks = task->next;
            if (!reactor->tasks) {
                reactor->tasks_end = &reactor->tasks;
            }
            task->queued = false;
            task->run(task);
        }
        struct reactor_retired *retired = reactor->retired;
        reactor->retired = NULL;
        while (retired) {
            struct reactor_retired *next = retired->next;
            retired->release(retired);
            retired = next;
        }
    }
}

static struct post *take_posts(struct reactor *reactor) {
    pthread_mutex_lock(&reactor->posts_lock);
    struct post *posts = reactor->posts;
    reactor->posts = NULL;
    reactor->posts_end = &reactor->posts;
    pthread_mutex_unlock(&reactor->posts_lock);
    return posts;
}

void reactor_free(struct reactor *reactor) {
    if (!reactor) {
        return;
    }
    end_turn(reactor);
    leave_budget(reactor);
    for (struct post *post = take_posts(reactor), *next; post; post = next) {
        next = post->next;
        free(post);
    }
    timers_free(reactor->timers);
    buffer_pool_free(reactor->pool);
    if (reactor->wake.fd >= 0) {
        close(reactor->wake.fd);
    }
    if (reactor->epoll_fd >= 0) {
        close(reactor->epoll_fd);
    }
    pthread_mutex_destroy(&reactor->posts_lock);
    free(reactor);
}

int reactor_turn(struct reactor *reactor, int wait_ms) {
    struct epoll_event events[EVENTS_PER_TURN];
    int wait = timers_wait(reactor->timers, read_clock_us(reactor) / 1000);
    if (wait < 0 || (wait_ms >= 0 && wait_ms < wait)) {
        wait = wait_ms;
    }
    if (reactor->tasks || reactor->retired) {
        wait = 0;
    }
    int count = epoll_wait(reactor->epoll_fd, events, EVENTS_PER_TURN, wait);
    if (count < 0 && errno != EINTR) {
        return -errno;
    }
    take_time(reactor);
    for (int i = 0; i < count; i++) {
        struct reactor_source *source = events[i].data.ptr;
        /* An earlier event of this turn may have taken it out, or asked for less. */
        uint32_t told = events[i].events & (source->interest | EPOLLERR | EPOLLHUP);
        if (source->interest != 0 && told != 0) {
            source->on_ready(source, told);
        }
    }
    for (struct post *post = take_posts(reactor), *next; post; post = next) {
        next = post->next;
        post->run(post->argument);
        free(post);
    }
    timers_run(reactor->timers, reactor->now);
    end_turn(reactor);
    buffer_pool_settle(reactor->pool);
    if (reactor->trim.place == 0 && buffer_pool_keeps(reactor->pool)) {
        trim_later(reactor);
    }
    return 0;
}

int reactor_run(struct reactor *reactor) {
    while (!atomic_load_explicit(&reactor->stop, memory_order_acquire)) {
        int r = reactor_turn(reactor, -1);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

void reactor_stop(struct reactor *reactor) {
    atomic_store_explicit(&reactor->stop, true, memory_order_release);
    wake_up(reactor);
}

int reactor_watch(struct reactor *reactor, struct reactor_source *source, uint32_t interest) {
    if (source->interest == interest) {
        return 0;
    }
    int operation = EPOLL_CTL_MOD;
    if (interest == 0) {
        operation = EPOLL_CTL_DEL;
    } else if (source->interest == 0) {
        operation = EPOLL_CTL_ADD;
    }
    struct epoll_event event = {.events = interest, .data = {.ptr = source}};
    if (epoll_ctl(reactor->epoll_fd, operation, source->fd, &event) < 0) {
        return -errno;
    }
    source->interest = interest;
    return 0;
}

uint64_t reactor_now(const struct reactor *reactor) {
    return reactor->now;
}

uint64_t reactor_now_us(const struct reactor *reactor) {
    return reactor->now_us;
}

void reactor_set_clock(struct reactor *reactor, uint64_t (*clock)(void *argument), void *argument) {
    reactor->clock = clock;
    reactor->clock_argument = argument;
    take_time(reactor);
}

struct timers *reactor_timers(struct reactor *reactor) {
    return reactor->timers;
}

struct buffer_pool *reactor_pool(struct reactor *reactor) {
    return reactor->pool;
}

struct connection **reactor_connections(struct reactor *reactor) {
    return &reactor->connections;
}

void reactor_count_connection(struct reactor *reactor, int change) {
    const size_t count = atomic_load_explicit(&reactor->connections_count, memory_order_relaxed);
    atomic_store_explicit(&reactor->connections_count, count + (size_t)change, memory_order_relaxed);
}

size_t reactor_surplus(const struct reactor *reactor) {
    const size_t own = atomic_load_explicit(&reactor->connections_count, memory_order_relaxed);
    const struct memory_budget *budget = buffer_pool_budget(reactor->pool);
    size_t fewest = own;
    for (size_t i = 0; i < BUDGET_SHARERS_MAX; i++) {
        const struct reactor *sharer = atomic_load_explicit(&budget->sharers[i], memory_order_acquire);
        if (sharer) {
            const size_t count = atomic_load_explicit(&sharer->connections_count, memory_order_relaxed);
            fewest = count < fewest ? count : fewest;
        }
    }
    return own - fewest;
}

void reactor_at_turn_end(struct reactor *reactor, struct reactor_task *task) {
    if (task->queued) {
        return;
    }
    task->queued = true;
    task->next = NULL;
    *reactor->tasks_end = task;
    reactor->tasks_end = &task->next;
}

void reactor_retire(struct reactor *reactor, struct reactor_retired *retired) {
    retired->next = reactor->retired;
    reactor->retired = retired;
}

int reactor_post(struct reactor *reactor, void (*run)(void *argument), void *argument) {
    struct post *post = malloc(sizeof *post);
    if (!post) {
        return -ENOMEM;
    }
    *post = (struct post){.run = run, .argument = argument};
    pthread_mutex_lock(&reactor->posts_lock);
    bool was_empty = !reactor->posts;
    *reactor->posts_end = post;
    reactor->posts_end = &post->next;
    pthread_mutex_unlock(&reactor->posts_lock);
    if (was_empty) {
        wake_up(reactor);
    }
    return 0;
}

void reactor_post_to_sharers(struct reactor *reactor, void (*run)(void *reactor)) {
    struct memory_budget *budget = buffer_pool_budget(reactor->pool);
    for (size_t i = 0; i < BUDGET_SHARERS_MAX; i++) {
        struct reactor *sharer = atomic_load(&budget->sharers[i]);
        if (sharer && sharer != reactor) {
            (void)reactor_post(sharer, run, sharer);
        }
    }
}
