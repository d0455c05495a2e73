#include "dev/worker/dev_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void close_pair(int pair[2]) {
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0) {
            close(pair[i]);
        }
    }
}

/* In the child, between fork and exec: async-signal-safe functions alone (signal-safety(7)), as other threads may have held locks. */
_Noreturn static void become(char *const *argv, char *const *environment, int output, int failure,
                             pid_t parent) {
    sigset_t none;
    for (int number = 1; number < NSIG; number++) { /* those that are ignored stay so otherwise */
        (void)signal(number, SIG_DFL);
    }
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigemptyset(&none);
    if (nothing >= 0 && setpgid(0, 0) == 0 && dup2(nothing, STDIN_FILENO) >= 0 &&
        dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0 &&
        prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent &&
        close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0 &&
        sigprocmask(SIG_SETMASK, &none, NULL) == 0) {
        execvpe(argv[0], argv, environment);
    }
    int error = errno;
    ssize_t written = write(failure, &error, sizeof error);
    _exit(written == (ssize_t)sizeof error ? 127 : 126);
}

/* 0 once it has become the program, or the -errno that it told. */
static int hear_failure(int failure) {
    int error = 0;
    ssize_t length = 0;
    do {
        length = read(failure, &error, sizeof error);
    } while (length < 0 && errno == EINTR);
    return length == (ssize_t)sizeof error ? (error != 0 ? -error : -ECHILD) : 0;
}

static void wait_for(pid_t pid) {
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

int dev_process_start(char *const *argv, char *const *environment, struct dev_process *ret_process) {
    int output[2] = {-1, -1};
    int failure[2] = {-1, -1};
    int status = pipe2(output, O_CLOEXEC) < 0 || pipe2(failure, O_CLOEXEC) < 0 ? -errno : 0;
    pid_t parent = getpid();
    pid_t pid = status == 0 ? fork() : -1;
    if (pid == 0) {
        become(argv, environment, output[1], failure[1], parent);
    }
    if (status == 0 && pid < 0) {
        status = -errno;
    }
    if (status < 0) {
        close_pair(output);
        close_pair(failure);
        return status;
    }
    close(output[1]);
    close(failure[1]);
    status = hear_failure(failure[0]);
    close(failure[0]);
    int ended = status == 0 ? pidfd_open(pid, 0) : -1;
    if (status == 0 && (ended < 0 || fcntl(output[0], F_SETFL, O_NONBLOCK) < 0)) {
        status = -errno;
        kill(pid, SIGKILL);
    }
    if (status < 0) {
        wait_for(pid);
        close_pair((int[2]){output[0], ended});
        return status;
    }
    *ret_process = (struct dev_process){.pid = pid, .ended = ended, .output = output[0]};
    return 0;
}

int dev_process_signal(const struct dev_process *process, int number) {
    int status = kill(-process->pid, number) < 0 ? -errno : 0;
    if (status < 0 ||
        getpgid(process->pid) != process->pid) { /* no more than once: some end in haste at a second one */
        status = pidfd_send_signal(process->ended, number, NULL, 0) < 0 ? -errno : 0;
    }
    return status;
}

void dev_process_kill(const struct dev_process *process) {
    if (dev_process_signal(process, SIGKILL) != -EPERM) { /* whose end may never come */
        wait_for(process->pid);
    }
}

int dev_process_reap(const struct dev_process *process, struct dev_process_end *ret_end) {
    siginfo_t info = {.si_pid = 0};
    /* First only looked at: as long as it is not reaped, its id, which is its group's, can be nobody else's. */
    if (waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) {
        return -EAGAIN;
    }
    (void)kill(-process->pid, SIGKILL);
    (void)waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG);
    bool exited = info.si_code == CLD_EXITED;
    *ret_end = (struct dev_process_end){.status = exited ? info.si_status : -1,
                                        .signal = exited ? 0 : info.si_status};
    return 0;
}

void dev_process_close(struct dev_process *process) {
    close_pair((int[2]){process->ended, process->output});
    process->ended = -1;
    process->output = -1;
}
