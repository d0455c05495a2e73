/* A child of the daemon's: started in a process group of its own, its output in a pipe, its end told by a descriptor.
 *                                                      (pidfd_open(2), prctl(2) PR_SET_PDEATHSIG, waitid(2)) */
#ifndef DEV_PROCESS_H
#define DEV_PROCESS_H

#include <sys/types.h>

struct dev_process {
    pid_t pid;  /* and its group's */
    int ended;  /* readable when it has ended */
    int output; /* its standard output and error; non-blocking */
};

struct dev_process_end {
    int status; /* of exit, or -1 */
    int signal; /* that ended it, or 0 */
};

/* Finds argv[0] in PATH. No signal is blocked or ignored in it, its standard input is empty, no other descriptor of
 * ours is open in it, and it is told to end (SIGTERM) when the calling thread ends. 0, or -errno: -ENOENT where
 * there is no such program. */
int dev_process_start(char *const *argv, char *const *environment, struct dev_process *ret_process);

/* Signals its group, and itself where it has left that. 0, or -errno: -EPERM where it has become somebody else's
 * (sudo). */
int dev_process_signal(const struct dev_process *process, int number);

/* When `ended` is readable: what is left of its group is killed, and it is forgotten by the system; then its output
 * can be read to the end. 0, or -EAGAIN while it runs. */
int dev_process_reap(const struct dev_process *process, struct dev_process_end *ret_end);

/* Kills its group and waits for its end; it is forgotten by the system. What has become somebody else's stays as it
 * is, and is not waited for. */
void dev_process_kill(const struct dev_process *process);

/* Closes its descriptors. */
void dev_process_close(struct dev_process *process);

#endif
