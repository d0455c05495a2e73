/* From one configuration to the next, while everything goes on. */
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/config_table.h"
#include "net/clock.h"
#include "net/tls_tickets.h"
#include "ops/log.h"
#include "server/generation.h"

enum { LOOK_EVERY_MS = 1000 }; /* at whether a floor still works */

/* What is made once, at the start. */
static const struct {
    const char *section, *name;
} only_at_start[] = {{CONFIG_TOP, "playground"}, {"admin", "listen"}, {"admin", "mode"}};

static bool is_same(const struct config_row *row, const struct config *a, const struct config *b) {
    const char *one = (const char *)a + row->offset, *other = (const char *)b + row->offset;
    if (row->type == CONFIG_URL) {
        const char *text = ((const struct config_url *)(const void *)one)->text;
        const char *other_text = ((const struct config_url *)(const void *)other)->text;
        return text == other_text || (text != NULL && other_text != NULL && strcmp(text, other_text) == 0);
    }
    return memcmp(one, other, row->type == CONFIG_MODE ? sizeof(unsigned) : sizeof(bool)) == 0;
}

/* Compared with what runs, not with the file before: that one may have been waiting, too. */
static void say_what_waits(const struct config *started, const struct config *config) {
    for (size_t i = 0; i < sizeof only_at_start / sizeof *only_at_start; i++) {
        const char *section = only_at_start[i].section;
        const struct config_row *row = config_row_find(section, only_at_start[i].name);
        if (!is_same(row, started, config)) {
            log_write(CONFIG_LOG_WARNING, "\"%s%s%s\" has changed: that takes effect at the next start",
                      section != NULL ? section : "", section != NULL ? "." : "", row->name);
        }
    }
}

/* Of sockets that stay. */
static void say_modes(const struct generation *generation) {
    for (size_t i = 0; i < generation->config->listeners_count; i++) {
        const struct listener_socket *socket = &generation->sockets[i]->socket;
        const unsigned mode = generation->config->listeners[i].mode;
        if (!listener_socket_has_mode(socket, mode)) {
            log_write(CONFIG_LOG_WARNING,
                      "%s has not the mode %04o: it gets that when it is made, at the next start",
                      socket->address, mode);
        }
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
        const struct timespec until = clock_in_ms(CLOCK_REALTIME, LOOK_EVERY_MS);
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

/* From here on there is no way back, and nothing that could ask for one but memory. */
static void swap(struct server *server, struct generation *generation, struct errands *errands) {
    struct generation *before = server->generation;
    const struct config *config = generation->config;
    const struct config_limits limits = server_fit_limits(config);
    sem_init(&errands->done, 0, 0);
    admission_set_limits(server->admission, &limits, clock_now_ms());
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
    server->files = (struct certificates_watch){.read = generation->files, .seen = generation->files};
    server->warned_at = 0; /* certificates are looked at anew */
    generation_say_listening(generation);
    say_modes(generation);
    if (before->config != config) { /* else certificates alone are new */
        say_what_waits(server->started, config);
    }
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
    server_warn(config);
    swap(server, generation, errands);
    return 0;
}

/* Other files under the same names: the same configuration once more. */
static void take_new_files(struct server *server) {
    char error[CONFIG_ERROR_MAX];
    if (server_reload(server, server->generation->config, error) < 0) {
        log_write(CONFIG_LOG_ERROR, "certificates have changed, but can't be used, those before stay: %s",
                  error);
    } else {
        log_write(CONFIG_LOG_INFO, "certificates have changed and are used from now on");
    }
}

/* Whether it is time for what is done once in `period`; the first time at once. */
static bool is_due(uint64_t *last, uint64_t period, uint64_t now) {
    if (*last != 0 && now - *last < period) {
        return false;
    }
    *last = now;
    return true;
}

void server_tick(struct server *server, uint64_t now) {
    if (is_due(&server->looked_at, CERTIFICATES_LOOK_MS, now) &&
        certificates_look(&server->files, certificates_signature(server->generation->config))) {
        take_new_files(server);
    }
    if (is_due(&server->warned_at, CERTIFICATES_WARN_EVERY_MS, now)) {
        certificates_warn(server->generation->certificates, server->generation->certificates_count,
                          time(NULL));
    }
    if (is_due(&server->rotated_at, TLS_TICKETS_PERIOD_MS, now) && tls_tickets_rotate() < 0) {
        log_write(CONFIG_LOG_ERROR, "session tickets get no new key: the system has no random numbers");
    }
}
