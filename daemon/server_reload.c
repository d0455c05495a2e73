/* From one configuration to the next, while everything goes on. */
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/config_table.h"
#include "generation.h"
#include "ops/log.h"

/* What is made once, at the start. */
static const char *const only_at_start[] = {"playground"};

static void say_what_waits(const struct config *before, const struct config *config) {
    for (size_t i = 0; i < sizeof only_at_start / sizeof *only_at_start; i++) {
        const struct config_row *row = config_row_find(CONFIG_TOP, only_at_start[i]);
        if (memcmp((const char *)before + row->offset, (const char *)config + row->offset, sizeof(bool)) !=
            0) {
            log_write(CONFIG_LOG_WARNING, "\"%s\" has changed: that takes effect at the next start",
                      row->name);
        }
    }
    const char *admin_before = before->admin.text == NULL ? "" : before->admin.text;
    const char *admin = config->admin.text == NULL ? "" : config->admin.text;
    if (strcmp(admin_before, admin) != 0) {
        log_write(CONFIG_LOG_WARNING, "\"%s\" has changed: that takes effect at the next start",
                  "admin.listen");
    }
}

/* A floor's part on its way there and back. */
struct errand {
    struct generation_part *part;
    struct errands *all;
    int status;
};

struct errands {
    sem_t done;
    struct errand each[]; /* one a floor */
};

static void run_errand(void *argument) {
    struct errand *errand = argument;
    errand->status = generation_adopt(errand->part);
    sem_post(&errand->all->done);
}

/* False: an event loop has failed, and the program ends. */
static bool await(const struct server *server, sem_t *done) {
    for (;;) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        if (sem_timedwait(done, &until) == 0) {
            return true;
        }
        if (errno != EINTR && server_has_failed(server)) {
            return false;
        }
    }
}

/* All floors at once; each between two of its turns. */
static int run_errands(struct server *server, struct generation *generation, struct errands *errands) {
    size_t posted = 0;
    int result = 0;
    for (size_t i = 0; i < server->floors_count; i++) {
        struct errand *errand = &errands->each[i];
        *errand = (struct errand){.part = &generation->parts[i], .all = errands};
        int status = reactor_post(server->floors[i].bridge.reactor, run_errand, errand);
        posted += status == 0;
        result = status < 0 ? status : result;
    }
    for (size_t i = 0; i < posted; i++) {
        if (!await(server, &errands->done)) {
            return -ECANCELED;
        }
    }
    for (size_t i = 0; i < server->floors_count; i++) {
        result = errands->each[i].status < 0 ? errands->each[i].status : result;
    }
    return result;
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* From here on there is no way back, and nothing that could ask for one but memory. */
static void swap(struct server *server, struct generation *generation, struct errands *errands) {
    struct generation *before = server->generation;
    const struct config *config = generation->config;
    const struct config_limits limits = server_fit_limits(config);
    sem_init(&errands->done, 0, 0);
    admission_set_limits(server->admission, &limits, now_ms());
    atomic_store(&server->memory.limit, config->limits.memory_bytes);
    int status = run_errands(server, generation, errands);
    if (status == -ECANCELED) {
        return; /* a floor may still have its errand: all is left as it is until the end */
    }
    if (status < 0) {
        log_write(CONFIG_LOG_ERROR, "the configuration was not taken over in all its parts: %s",
                  strerror(-status));
    }
    sem_destroy(&errands->done);
    server->generation = generation;
    server_report(server, generation, &limits);
    generation_say_listening(generation);
    say_what_waits(before->config, config);
    generation_free(before);
    free(errands);
}

int server_reload(struct server *server, const struct config *config, char ret_error[CONFIG_ERROR_MAX]) {
    struct generation *generation = NULL;
    struct errands *errands = calloc(1, sizeof *errands + server->floors_count * sizeof errands->each[0]);
    if (errands == NULL) {
        return server_describe(-ENOMEM, "the configuration can't be taken over", ret_error);
    }
    int status = generation_new(server, config, &generation, ret_error);
    if (status == 0) {
        status = generation_bind(generation, server, ret_error);
    }
    if (status < 0) {
        generation_free(generation);
        free(errands);
        return status;
    }
    server_warn_of_policies(config);
    swap(server, generation, errands);
    return 0;
}
