#include "server/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/inherited.h"
#include "ops/log.h"
#include "ops/notify.h"

enum { VARIABLE_MAX = INHERITED_MAX + 64 };

void upgrade_init(struct upgrade *upgrade, char **argv) {
    ssize_t length = readlink("/proc/self/exe", upgrade->program, sizeof upgrade->program - 1);
    upgrade->program[length > 0 ? length : 0] = '\0';
    upgrade->argv = argv;
    upgrade->pid = 0;
    upgrade->is_child = false;
    upgrade->ready_fd = -1;
}

/* The descriptors that the new process gets, in order: first as copies far up, so that none is in another's way. */
struct parcel {
    posix_spawn_file_actions_t actions;
    int copies[INHERITED_MAX + 1];
    size_t count;
    char sockets[VARIABLE_MAX], ready[VARIABLE_MAX];
};

static int put_in(struct parcel *parcel, int fd) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, INHERITED_FIRST + INHERITED_MAX + 1);
    if (copy < 0) {
        return -errno;
    }
    parcel->copies[parcel->count] = copy;
    return -posix_spawn_file_actions_adddup2(&parcel->actions, copy, INHERITED_FIRST + (int)parcel->count++);
}

static int pack(struct parcel *parcel, const struct server *server, int ready_fd) {
    const struct listener_socket *sockets[INHERITED_MAX];
    size_t count = server_list_sockets(server, sockets, INHERITED_MAX);
    size_t used =
        (size_t)snprintf(parcel->sockets, sizeof parcel->sockets, "%s=", INHERITED_SOCKETS_VARIABLE);
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        parcel->sockets[used++] = sockets[i]->is_given ? 'g' : 'o';
        status = put_in(parcel, sockets[i]->fd);
    }
    parcel->sockets[used] = '\0';
    snprintf(parcel->ready, sizeof parcel->ready, "%s=%zu", INHERITED_READY_VARIABLE,
             INHERITED_FIRST + count);
    return status < 0 ? status : put_in(parcel, ready_fd);
}

/* The watchdog waits for this very process, until it is told of the new one. */
static bool is_of_this_process(const char *variable) {
    static const char watchdog[] = "WATCHDOG_PID=";
    const size_t length = sizeof watchdog - 1;
    return strncmp(variable, watchdog, length) == 0 && strtol(variable + length, NULL, 10) == getpid();
}

/* The process's own environment, and what the parcel is. */
static char **make_environment(struct parcel *parcel) {
    size_t count = 0, kept = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **made = calloc(count + 3, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_of_this_process(environ[i])) {
            made[kept++] = environ[i];
        }
    }
    made[kept++] = parcel->sockets;
    made[kept] = parcel->ready;
    return made;
}

static int spawn(struct upgrade *upgrade, struct parcel *parcel) {
    posix_spawnattr_t attributes;
    sigset_t none;
    char **environment = make_environment(parcel);
    int status = environment == NULL ? -ENOMEM : -posix_spawnattr_init(&attributes);
    if (status == 0) {
        sigemptyset(&none);
        (void)posix_spawnattr_setsigmask(&attributes, &none);
        (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        status = -posix_spawn(&upgrade->pid, upgrade->program, &parcel->actions, &attributes, upgrade->argv,
                              environment);
        posix_spawnattr_destroy(&attributes);
    }
    free(environment);
    return status;
}

static int start(struct upgrade *upgrade, const struct server *server, int ready_fd) {
    static struct parcel parcel;
    parcel.count = 0;
    int status = -posix_spawn_file_actions_init(&parcel.actions);
    if (status < 0) {
        return status;
    }
    status = pack(&parcel, server, ready_fd);
    if (status == 0) {
        status = spawn(upgrade, &parcel);
    }
    for (size_t i = 0; i < parcel.count; i++) {
        close(parcel.copies[i]);
    }
    posix_spawn_file_actions_destroy(&parcel.actions);
    return status;
}

void upgrade_begin(struct upgrade *upgrade, struct server *server, uint64_t now) {
    int fds[2];
    if (upgrade->pid != 0) {
        log_write(CONFIG_LOG_WARNING, "a new process is starting already: %d", (int)upgrade->pid);
        return;
    }
    int status = pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
    if (status == 0) {
        status = start(upgrade, server, fds[1]);
        close(fds[1]);
        if (status < 0) {
            close(fds[0]);
        }
    }
    if (status < 0) {
        upgrade->pid = 0;
        log_write(CONFIG_LOG_ERROR, "no new process can be started, this one goes on: %s: %s",
                  upgrade->program, strerror(-status));
        return;
    }
    upgrade->is_child = true;
    upgrade->ready_fd = fds[0];
    upgrade->deadline = now + UPGRADE_TIMEOUT_MS;
}

/* A child is waited for; who has left (inherited_leave_parent) may have another's pid by now, if it has ended. */
static void give_up(struct upgrade *upgrade, const char *why, bool has_ended) {
    log_write(CONFIG_LOG_ERROR, "process %d does not take over, this one goes on: %s", (int)upgrade->pid,
              why);
    if (upgrade->is_child || !has_ended) {
        (void)kill(upgrade->pid, SIGKILL);
    }
    if (upgrade->is_child) {
        (void)waitpid(upgrade->pid, NULL, 0);
    }
    close(upgrade->ready_fd);
    upgrade->ready_fd = -1;
    upgrade->pid = 0;
}

void upgrade_cancel(struct upgrade *upgrade) {
    if (upgrade->pid != 0) {
        give_up(upgrade, "it is not wanted any more", false);
    }
}

/* It has left this process: what was started ends. */
static void learn_pid(struct upgrade *upgrade, pid_t pid) {
    (void)waitpid(upgrade->pid, NULL, 0);
    upgrade->pid = pid;
    upgrade->is_child = false;
    log_write(CONFIG_LOG_INFO, "process %d is starting, to take over", (int)pid);
}

bool upgrade_is_done(struct upgrade *upgrade, struct server *server, uint64_t now) {
    pid_t pid = 0;
    ssize_t n = read(upgrade->ready_fd, &pid, upgrade->is_child ? sizeof pid : 1);
    if (n == (ssize_t)sizeof pid) {
        learn_pid(upgrade, pid);
        return false;
    }
    if (n > 0) {
        log_write(CONFIG_LOG_INFO, "process %d has taken over", (int)upgrade->pid);
        notify_main_process(upgrade->pid);
        server_hand_over(server);
        close(upgrade->ready_fd);
        return true;
    }
    if (n == 0) {
        give_up(upgrade, "it ended before it was ready; what it said stands above", true);
    } else if (now >= upgrade->deadline) {
        give_up(upgrade, "it was not ready within a minute", false);
    }
    return false;
}
