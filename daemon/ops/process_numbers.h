/* What the system knows of this process, under the names that Prometheus' own clients use.       (proc(5); getrlimit(2)) */
#ifndef PROCESS_NUMBERS_H
#define PROCESS_NUMBERS_H

#include <stdint.h>

struct process_numbers {
    double cpu_seconds;
    double start_seconds; /* since 1970 */
    uint64_t resident_bytes, virtual_bytes;
    uint64_t descriptors, descriptors_max; /* max: UINT64_MAX without a limit */
};

/* Reads them; what can't be read is 0. It opens files of /proc: not on a thread that calls wait for. */
struct process_numbers process_numbers(void);

#endif
