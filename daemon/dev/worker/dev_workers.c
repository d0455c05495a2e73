#include "dev/worker/dev_workers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct dev_workers {
    const struct dev_options *options;
    struct dev_terminal *terminal;
    struct dev_environment environment;
    size_t started;
    size_t running; /* that have not ended for good, and one while stop goes on */
    void (*on_ended)(void *owner);
    void *owner;
    struct dev_worker list[];
};

int dev_workers_new(const struct dev_options *options, const char *address, struct dev_terminal *terminal,
                    struct dev_workers **ret_workers) {
    struct dev_workers *workers = calloc(1, sizeof *workers + options->workers_count * sizeof *workers->list);
    if (workers == NULL) {
        return -ENOMEM;
    }
    workers->options = options;
    workers->terminal = terminal;
    int status = dev_environment_init(&workers->environment, address);
    if (status < 0) {
        free(workers);
        return status;
    }
    *ret_workers = workers;
    return 0;
}

void dev_workers_free(struct dev_workers *workers) {
    if (workers != NULL) {
        for (size_t i = 0; i < workers->started; i++) {
            dev_worker_clear(&workers->list[i]);
        }
        dev_environment_clear(&workers->environment);
    }
    free(workers);
}

static void on_one_ended(void *owner) {
    struct dev_workers *workers = owner;
    if (--workers->running == 0) {
        workers->on_ended(workers->owner);
    }
}

/* As dev_worker_setup has it. */
static unsigned number_of(const struct dev_options *options, size_t place) {
    struct dev_command own;
    struct dev_command other;
    unsigned before = 0;
    unsigned all = 0;
    dev_command_read(options->workers[place], &own);
    for (size_t i = 0; i < options->workers_count; i++) {
        dev_command_read(options->workers[i], &other);
        const unsigned same = strcmp(own.name, other.name) == 0 ? 1 : 0;
        all += same;
        before += i < place ? same : 0;
    }
    return all > 1 ? before + 1 : 0;
}

void dev_workers_start(struct dev_workers *workers, struct reactor *reactor) {
    for (size_t i = 0; i < workers->options->workers_count; i++) {
        const struct dev_worker_setup setup = {.reactor = reactor,
                                               .terminal = workers->terminal,
                                               .argv = workers->options->workers[i],
                                               .environment = workers->environment.list,
                                               .colour = (unsigned)i,
                                               .number = number_of(workers->options, i),
                                               .on_ended = on_one_ended,
                                               .owner = workers};
        dev_worker_init(&workers->list[i], &setup);
        workers->started++;
        workers->running++;
    }
}

void dev_workers_stop(struct dev_workers *workers, void (*on_ended)(void *owner), void *owner) {
    workers->on_ended = on_ended;
    workers->owner = owner;
    workers->running++;
    for (size_t i = 0; i < workers->started; i++) {
        dev_worker_stop(&workers->list[i]);
    }
    on_one_ended(workers);
}

void dev_workers_abandon(struct dev_workers *workers) {
    for (size_t i = 0; i < workers->started; i++) {
        dev_worker_abandon(&workers->list[i]);
    }
}
