#include "dev/worker/dev_worker.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "dev/terminal/dev_text.h"

enum {
    SHOWN_MAX = DEV_LINES_MAX + 256,
    LAST_READS_MAX = 8, /* twice what a pipe holds: who has left its group may write for ever */
};

static struct dev_worker *of(void *member, size_t offset) {
    return (struct dev_worker *)(void *)((char *)member - offset);
}

/* -- what is shown -- */

static bool begins(const char *line, size_t length, const char *beginning) {
    const size_t size = strlen(beginning);
    return length >= size && memcmp(line, beginning, size) == 0;
}

/* What only a change of a file mends. */
static bool is_of_source(const char *line, size_t length) {
    return begins(line, length, "SyntaxError: ") || begins(line, length, "IndentationError: ") ||
           begins(line, length, "TabError: ");
}

static void set_timer(struct dev_worker *worker, struct timer *timer, uint64_t ms);

/* A thread of the daffi package that dies leaves a process that goes on, and is connected, but answers nobody, or with fewer
 * threads: it says so in two lines, as Python has them, and nowhere else. */
static void listen(struct dev_worker *worker, const char *line, size_t length) {
    if (worker->is_thread_named && begins(line, length, "Traceback (most recent call last):") &&
        worker->state == DEV_WORKER_RUNNING && worker->timer.place == 0) {
        set_timer(worker, &worker->timer, DEV_WORKER_TRACE_MS);
    }
    worker->is_thread_named = begins(line, length, "Exception in thread daffi-") && line[length - 1] == ':';
    if (length > 0) {
        worker->is_unreadable = is_of_source(line, length);
    }
}

static void show(void *owner, const char *line, size_t length) {
    struct dev_worker *worker = owner;
    char text[DEV_LINES_MAX + 1];
    char shown[SHOWN_MAX];
    listen(worker, line, length);
    dev_text_show(line, length, text, sizeof text);
    if (worker->setup.terminal->has_colours) {
        snprintf(shown, sizeof shown, "\x1b[3%um%s |\x1b[0m %s\n", 1 + worker->setup.colour % 6,
                 worker->label, text);
    } else {
        snprintf(shown, sizeof shown, "%s | %s\n", worker->label, text);
    }
    dev_terminal_write(worker->setup.terminal, shown);
}

__attribute__((format(printf, 2, 3))) static void tell(const struct dev_worker *worker, const char *format,
                                                       ...) {
    char text[256];
    char shown[SHOWN_MAX];
    bool bold = worker->setup.terminal->has_colours;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(shown, sizeof shown, "%s%s%s %s\n", bold ? "\x1b[1m" : "", worker->label, bold ? "\x1b[0m" : "",
             text);
    dev_terminal_write(worker->setup.terminal, shown);
}

/* One read of what has come; a positive number, or 0 at the end and -errno. */
static ssize_t read_output(struct dev_worker *worker) {
    char bytes[16384];
    ssize_t length = read(worker->process.output, bytes, sizeof bytes);
    if (length > 0) {
        dev_lines_take(&worker->lines, bytes, (size_t)length, show, worker);
    }
    return length < 0 ? -errno : length;
}

static void on_output(struct reactor_source *source, uint32_t events) {
    struct dev_worker *worker = of(source, offsetof(struct dev_worker, output));
    (void)events;
    if (source->fd >= 0 && read_output(worker) == 0) { /* it has closed both; it may live on */
        (void)reactor_watch(worker->setup.reactor, source, 0);
    }
}

/* -- its life -- */

static void set_timer(struct dev_worker *worker, struct timer *timer, uint64_t ms) {
    struct reactor *reactor = worker->setup.reactor;
    uint64_t now = reactor_now(reactor);
    if (timer_set(reactor_timers(reactor), timer, now + ms) < 0) {
        timer->on_due(timer, now); /* without memory for it: now */
    }
}

static void on_ended(struct reactor_source *source, uint32_t events);

static int watch_process(struct dev_worker *worker) {
    struct reactor *reactor = worker->setup.reactor;
    worker->ended = (struct reactor_source){.fd = worker->process.ended, .on_ready = on_ended};
    worker->output = (struct reactor_source){.fd = worker->process.output, .on_ready = on_output};
    int status = reactor_watch(reactor, &worker->ended, EPOLLIN);
    return status == 0 ? reactor_watch(reactor, &worker->output, EPOLLIN) : status;
}

/* Of its process nothing is heard any more. */
static void let_go(struct dev_worker *worker) {
    struct reactor *reactor = worker->setup.reactor;
    (void)reactor_watch(reactor, &worker->ended, 0);
    (void)reactor_watch(reactor, &worker->output, 0);
    dev_process_close(&worker->process);
    worker->ended.fd = -1;
    worker->output.fd = -1;
    timer_clear(reactor_timers(reactor), &worker->timer);
    timer_clear(reactor_timers(reactor), &worker->late);
}

static void start(struct dev_worker *worker) {
    const char *program = worker->command.argv[0];
    worker->state = DEV_WORKER_RESTING;
    int status = dev_process_start(worker->command.argv, worker->setup.environment, &worker->process);
    if (status < 0) {
        tell(worker, "can't be started: %.80s: %s%s", program, strerror(-status),
             status == -ENOENT && strcmp(program, "python") == 0 ? "; many systems call it python3" : "");
        return;
    }
    worker->state = DEV_WORKER_RUNNING;
    worker->is_unreadable = worker->is_thread_named = false;
    worker->started_at = reactor_now(worker->setup.reactor);
    status = watch_process(worker);
    if (status < 0) { /* nobody would hear of its end */
        dev_process_kill(&worker->process);
        let_go(worker);
        worker->state = DEV_WORKER_RESTING;
        tell(worker, "can't be watched: %s; it is started anew when a file changes", strerror(-status));
    }
}

static void finish(struct dev_worker *worker) {
    worker->state = DEV_WORKER_ENDED;
    worker->setup.on_ended(worker->setup.owner);
}

/* What has become somebody else's, as sudo does, or what the kernel holds. */
static void give_up(struct dev_worker *worker, int error) {
    const char *why = error == 0 ? "it is in the kernel's hands" : strerror(-error);
    const int pid = (int)worker->process.pid;
    worker->state = DEV_WORKER_STUCK;
    if (worker->next != DEV_WORKER_NOTHING) {
        tell(worker, "can't be ended: %s; it is started anew when process %d has ended", why, pid);
    } else {
        tell(worker, "can't be ended: %s; process %d is left behind", why, pid);
        let_go(worker);
        finish(worker);
    }
}

/* It is sent the signal, and has so long to end. */
static void press(struct dev_worker *worker, enum dev_worker_state state, int number, uint64_t ms) {
    worker->state = state;
    int status = dev_process_signal(&worker->process, number);
    if (status == -EPERM) {
        give_up(worker, status);
    } else {
        set_timer(worker, &worker->timer, ms);
    }
}

static void end(struct dev_worker *worker, enum dev_worker_next next) {
    worker->next = next;
    press(worker, DEV_WORKER_ENDING, SIGTERM, DEV_WORKER_END_MS);
    if (worker->state == DEV_WORKER_ENDING) {
        set_timer(worker, &worker->late, DEV_WORKER_LATE_MS);
    }
}

static void on_late(struct timer *timer, uint64_t now) {
    const struct dev_worker *worker = of(timer, offsetof(struct dev_worker, late));
    (void)now;
    tell(worker, "has not ended yet: it is waited for, and killed %u s after it was told to end",
         DEV_WORKER_END_MS / 1000U);
}

/* The next wait is longer, unless it has lived for long. */
static void raise_backoff(struct dev_worker *worker) {
    uint64_t lived = reactor_now(worker->setup.reactor) - worker->started_at;
    uint64_t next = worker->backoff == 0 || lived >= DEV_WORKER_SOUND_MS ? DEV_WORKER_BACKOFF_MIN_MS
                                                                         : 2 * worker->backoff;
    worker->backoff = next < DEV_WORKER_BACKOFF_MAX_MS ? next : DEV_WORKER_BACKOFF_MAX_MS;
}

/* A daffi thread of it has died. */
static void replace(struct dev_worker *worker) {
    raise_backoff(worker);
    tell(worker,
         "no longer answers as it should: a daffi thread of it has died (above); it is started anew in %u s, "
         "or when a file changes",
         (unsigned)(worker->backoff / 1000));
    end(worker, DEV_WORKER_REST);
}

/* It has ended by itself. */
static void rest(struct dev_worker *worker, const struct dev_process_end *end) {
    char how[80];
    worker->state = DEV_WORKER_RESTING;
    if (end->status == 0) {
        worker->backoff = 0;
        tell(worker, "has ended; it is started anew when a file changes");
        return;
    }
    if (end->signal != 0) {
        snprintf(how, sizeof how, "was ended by signal %d (%.40s)", end->signal, strsignal(end->signal));
    } else {
        snprintf(how, sizeof how, "ended with status %d", end->status);
    }
    /* Later such words are about something else that it has read. */
    const uint64_t lived = reactor_now(worker->setup.reactor) - worker->started_at;
    if (worker->is_unreadable && lived < DEV_WORKER_SOUND_MS) {
        worker->backoff = 0;
        tell(worker, "%s; it is started anew when a file changes", how);
        return;
    }
    raise_backoff(worker);
    tell(worker, "%s; it is started anew in %u s, or when a file changes", how,
         (unsigned)(worker->backoff / 1000));
    set_timer(worker, &worker->timer, worker->backoff);
}

static void on_ended(struct reactor_source *source, uint32_t events) {
    struct dev_worker *worker = of(source, offsetof(struct dev_worker, ended));
    struct dev_process_end how;
    (void)events;
    if (source->fd < 0 || dev_process_reap(&worker->process, &how) < 0) {
        return; /* an event of this turn that has been seen to */
    }
    for (int i = 0; i < LAST_READS_MAX && read_output(worker) > 0; i++) {
    }
    dev_lines_end(&worker->lines, show, worker);
    let_go(worker);
    if (worker->state == DEV_WORKER_RUNNING) {
        rest(worker, &how);
    } else if (worker->next == DEV_WORKER_ANEW) {
        start(worker);
    } else if (worker->next == DEV_WORKER_REST) {
        worker->state = DEV_WORKER_RESTING;
        set_timer(worker, &worker->timer, worker->backoff);
    } else {
        finish(worker);
    }
}

static void on_due(struct timer *timer, uint64_t now) {
    struct dev_worker *worker = of(timer, offsetof(struct dev_worker, timer));
    (void)now;
    if (worker->state == DEV_WORKER_RESTING) {
        start(worker);
    } else if (worker->state == DEV_WORKER_RUNNING) {
        replace(worker);
    } else if (worker->state == DEV_WORKER_ENDING) {
        press(worker, DEV_WORKER_KILLED, SIGKILL, DEV_WORKER_KILL_MS);
    } else if (worker->state == DEV_WORKER_KILLED) {
        give_up(worker, 0);
    }
}

/* -- its files -- */

static void on_settled(struct timer *timer, uint64_t now) {
    struct dev_worker *worker = of(timer, offsetof(struct dev_worker, settled));
    (void)now;
    if (worker->state != DEV_WORKER_RUNNING && worker->state != DEV_WORKER_RESTING) {
        return; /* what comes next reads the file as it is now */
    }
    tell(worker, "is started anew: %s has changed", worker->changed);
    worker->backoff = 0;
    if (worker->state == DEV_WORKER_RUNNING) {
        end(worker, DEV_WORKER_ANEW);
    } else {
        timer_clear(reactor_timers(worker->setup.reactor), &worker->timer);
        start(worker);
    }
}

static void on_change(void *owner, const char *name) {
    struct dev_worker *worker = owner;
    if (!dev_command_concerns(&worker->command, name)) {
        return;
    }
    if (name[0] == '\0') {
        name = "much";
    }
    dev_text_show(name, strlen(name), worker->changed, sizeof worker->changed);
    set_timer(worker, &worker->settled, DEV_WORKER_SETTLE_MS);
}

static void on_cut(void *owner, const char *why) {
    const struct dev_worker *worker = owner;
    tell(worker, "is started anew only when files in %zu folders of %.100s change, not in all: %s",
         dev_watch_count(worker->watch), worker->command.folder, why);
}

static void on_presence(void *owner, bool is_there) {
    const struct dev_worker *worker = owner;
    if (!is_there) { /* when it comes back, the worker is started anew, which is told */
        tell(worker, "is not started anew when its files change: %.100s is no longer there",
             worker->command.folder);
    }
}

void dev_worker_init(struct dev_worker *worker, const struct dev_worker_setup *setup) {
    *worker = (struct dev_worker){.setup = *setup,
                                  .process = {.ended = -1, .output = -1},
                                  .ended = {.fd = -1},
                                  .output = {.fd = -1},
                                  .timer = {.on_due = on_due},
                                  .settled = {.on_due = on_settled},
                                  .late = {.on_due = on_late}};
    dev_command_read(setup->argv, &worker->command);
    snprintf(worker->label, sizeof worker->label, setup->number > 0 ? "%s (%u)" : "%s", worker->command.name,
             setup->number);
    int status = dev_watch_new(setup->reactor, worker->command.folder, on_change, worker, &worker->watch);
    if (status < 0) {
        tell(worker, "is not started anew when its files change: %.100s: %s", worker->command.folder,
             dev_watch_explain(status));
    } else {
        dev_watch_on_cut(worker->watch, on_cut);
        dev_watch_on_presence(worker->watch, on_presence);
    }
    start(worker);
}

void dev_worker_stop(struct dev_worker *worker) {
    struct timers *timers = reactor_timers(worker->setup.reactor);
    timer_clear(timers, &worker->settled);
    dev_watch_free(worker->watch);
    worker->watch = NULL;
    if (worker->state == DEV_WORKER_RESTING) {
        timer_clear(timers, &worker->timer);
        finish(worker);
    } else if (worker->state == DEV_WORKER_RUNNING) {
        end(worker, DEV_WORKER_NOTHING);
    } else {
        worker->next = DEV_WORKER_NOTHING;
        if (worker->state == DEV_WORKER_STUCK) {
            tell(worker, "has not ended; process %d is left behind", (int)worker->process.pid);
            let_go(worker);
            finish(worker);
        }
    }
}

void dev_worker_abandon(struct dev_worker *worker) {
    if (worker->state == DEV_WORKER_ENDED) {
        return;
    }
    int status = dev_process_signal(&worker->process, SIGKILL);
    if (status == -EPERM) {
        give_up(worker, status);
    } else {
        tell(worker, "is killed, and not waited for");
        let_go(worker);
        finish(worker);
    }
}

void dev_worker_clear(struct dev_worker *worker) {
    dev_watch_free(worker->watch);
    worker->watch = NULL;
}
