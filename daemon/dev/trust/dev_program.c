#include "dev/trust/dev_program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dev/terminal/dev_text.h"
#include "net/clock.h"

enum { READ_MAX = 4096 };

static int start(const char *program, const char *const *argv, int output, pid_t *ret_pid) {
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0) {
        return -ENOMEM;
    }
    int status = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (status == 0) {
        status = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    }
    if (status == 0) {
        status = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    }
    if (status == 0) {
        status = posix_spawnp(ret_pid, program, &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    }
    posix_spawn_file_actions_destroy(&actions);
    return -status;
}

/* Where administrators' programs lie, which are not on everybody's PATH. */
static int start_anywhere(const char *const *argv, int output, pid_t *ret_pid) {
    static const char *const folders[] = {"/usr/sbin", "/sbin"};
    int status = start(argv[0], argv, output, ret_pid);
    for (size_t i = 0; i < sizeof folders / sizeof *folders && status == -ENOENT; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%.100s", folders[i], argv[0]);
        status = start(path, argv, output, ret_pid);
    }
    return status;
}

/* Reads until its end; what came last is kept. False when it takes too long. */
static bool read_all(int fd, char kept[READ_MAX], size_t *ret_length) {
    const uint64_t until = clock_now_ms() + DEV_PROGRAM_TIMEOUT_MS;
    size_t length = 0;
    for (;;) {
        struct pollfd event = {.fd = fd, .events = POLLIN};
        uint64_t now = clock_now_ms();
        if (now >= until || poll(&event, 1, (int)(until - now)) == 0) {
            return false;
        }
        if (length == READ_MAX) {
            memmove(kept, kept + READ_MAX / 2, READ_MAX / 2);
            length = READ_MAX / 2;
        }
        ssize_t n = read(fd, kept + length, READ_MAX - length);
        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            *ret_length = length;
            return true;
        }
        length += n > 0 ? (size_t)n : 0;
    }
}

static void keep_last_line(const char *text, size_t length, char out[DEV_PROGRAM_OUTPUT_MAX]) {
    while (length > 0 && text[length - 1] == '\n') {
        length--;
    }
    const char *newline = length > 0 ? memrchr(text, '\n', length) : NULL;
    size_t begin = newline != NULL ? (size_t)(newline - text) + 1 : 0;
    dev_text_show(text + begin, length - begin, out, DEV_PROGRAM_OUTPUT_MAX);
}

int dev_program_run(const char *const *argv, char ret_output[DEV_PROGRAM_OUTPUT_MAX]) {
    char kept[READ_MAX];
    size_t length = 0;
    int ends[2];
    pid_t pid = 0;
    int state = 0;
    ret_output[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return -errno;
    }
    int status = start_anywhere(argv, ends[1], &pid);
    close(ends[1]);
    if (status < 0) {
        close(ends[0]);
        return status;
    }
    bool in_time = read_all(ends[0], kept, &length);
    close(ends[0]);
    if (!in_time) {
        kill(pid, SIGKILL);
    }
    while (waitpid(pid, &state, 0) < 0 && errno == EINTR) {
    }
    keep_last_line(kept, in_time ? length : 0, ret_output);
    if (!in_time) {
        return -ETIMEDOUT;
    }
    return WIFEXITED(state) ? WEXITSTATUS(state) : -ECANCELED;
}
