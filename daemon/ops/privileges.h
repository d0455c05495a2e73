/* What a process that was started as root gives up before it serves anybody: its user, its groups, its capabilities, and every
 * way to have more again.                                                (credentials(7), capabilities(7), prctl(2)) */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

enum { PRIVILEGES_ERROR_MAX = 256 };

/* Becomes `user`, with that user's groups, when the process is root's and there is such a user; whoever it is, no program that it
 * starts will have more than it has. Holds for all threads that are there, and that will be.
 *
 * 1: it became `user`; 0: it was not root; -ENOENT: it stays root's, as there is no such user; or -errno and one line in
 * `ret_error`: then it may have given up a part, and should end. */
int privileges_drop(const char *user, char ret_error[PRIVILEGES_ERROR_MAX]);

#endif
