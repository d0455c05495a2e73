/* Other people's programs, run to their end: no shell has a part in it. */
#ifndef DEV_PROGRAM_H
#define DEV_PROGRAM_H

#include <stddef.h>

enum { DEV_PROGRAM_TIMEOUT_MS = 30000, DEV_PROGRAM_OUTPUT_MAX = 512 };

/* Runs argv[0], looked for on PATH and in /usr/sbin and /sbin, with nothing to read. Its exit status (0 to 255),
 * -ENOENT where there is no such program, -ETIMEDOUT where it had to be killed, -ECANCELED where a signal ended it,
 * or another -errno. `ret_output` gets the last line that it said, on either output, fit for a terminal; empty where
 * it said nothing. */
int dev_program_run(const char *const *argv, char ret_output[DEV_PROGRAM_OUTPUT_MAX]);

#endif
