#include "dev/worker/dev_programs.h"

#include <stdio.h>
#include <string.h>

void dev_programs_read(const struct dev_options *options, struct dev_programs *ret_programs) {
    ret_programs->count = options->workers_count;
    for (size_t i = 0; i < options->workers_count; i++) {
        dev_command_read(options->workers[i], &ret_programs->list[i]);
    }
}

static bool is_python(const struct dev_command *command) {
    return command->file[0] != '\0' &&
           (strcmp(command->ending, ".py") == 0 || strcmp(command->ending, ".pyw") == 0);
}

bool dev_programs_have(const struct dev_programs *programs, const struct stat *file) {
    for (size_t i = 0; i < programs->count; i++) {
        const struct dev_command *command = &programs->list[i];
        char path[PATH_MAX + NAME_MAX + 2];
        struct stat info;
        snprintf(path, sizeof path, "%s/%s", command->folder, command->file);
        if (is_python(command) && stat(path, &info) == 0 && info.st_dev == file->st_dev &&
            info.st_ino == file->st_ino) {
            return true;
        }
    }
    return false;
}
