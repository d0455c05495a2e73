#include "dev/worker/dev_command.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "dev/terminal/dev_text.h"

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool is_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* NULL where none is named. */
static const char *find_file(char *const *argv) {
    for (size_t i = 1; argv[i] != NULL; i++) {
        if (strcmp(argv[i], "-m") == 0) { /* a module of Python's */
            return NULL;
        }
        if (argv[i][0] != '-' && is_file(argv[i])) {
            return argv[i];
        }
    }
    return strchr(argv[0], '/') != NULL && is_file(argv[0]) ? argv[0] : NULL;
}

void dev_command_read(char **argv, struct dev_command *ret_command) {
    struct dev_command *command = ret_command;
    const char *path = find_file(argv);
    const char *shown = last_part(path != NULL ? path : argv[0]);
    *command = (struct dev_command){.argv = argv, .folder = ".", .ending = ".py"};
    dev_text_show(shown, strlen(shown), command->name, sizeof command->name);
    if (path == NULL) {
        return;
    }
    const char *dot = strrchr(shown, '.');
    bool has_ending = dot != NULL && dot != shown && strlen(dot) < sizeof command->ending;
    snprintf(command->ending, sizeof command->ending, "%s", has_ending ? dot : "");
    snprintf(command->file, sizeof command->file, "%s", shown);
    if (shown != path) {
        snprintf(command->folder, sizeof command->folder, "%.*s", (int)(shown - path), path);
    }
}

bool dev_command_concerns(const struct dev_command *command, const char *changed) {
    size_t length = strlen(changed);
    size_t size = strlen(command->ending);
    if (length == 0) {
        return true;
    }
    if (size == 0) {
        return strcmp(changed, command->file) == 0;
    }
    return length > size && strcmp(changed + length - size, command->ending) == 0;
}
