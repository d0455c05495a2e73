/* The Python files that workers are started by: often they lie in the folder that is served, and are nobody's to read. */
#ifndef DEV_PROGRAMS_H
#define DEV_PROGRAMS_H

#include <stdbool.h>
#include <sys/stat.h>

#include "config/cli_dev.h"
#include "dev/worker/dev_command.h"

struct dev_programs {
    struct dev_command list[DEV_WORKERS_MAX];
    size_t count;
};

/* Borrows the options' argv. */
void dev_programs_read(const struct dev_options *options, struct dev_programs *ret_programs);

/* Whether it is one of them, by whatever name or link: as they are now, since editors save by putting another file in place. */
bool dev_programs_have(const struct dev_programs *programs, const struct stat *file);

#endif
