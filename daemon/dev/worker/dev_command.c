#include "dev/worker/dev_command.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev/terminal/dev_text.h"

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool is_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static bool is_script(const char *path) {
    static const char *const endings[] = {".py",  ".pyw", ".js", ".mjs", ".cjs", ".ts",
                                          ".mts", ".rb",  ".pl", ".php", ".lua", ".sh"};
    const char *dot = strrchr(last_part(path), '.');
    for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof *endings; i++) {
        if (strcmp(dot, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The first argument that names a file that is watched: whatever it is, or a script. A module of Python's is none. */
static const char *find_argument(char *const *argv, bool is_any) {
    for (size_t i = 1; argv[i] != NULL && strcmp(argv[i], "-m") != 0; i++) {
        if (argv[i][0] != '-' && last_part(argv[i])[0] != '.' && (is_any || is_script(argv[i])) &&
            is_file(argv[i])) {
            return argv[i];
        }
    }
    return NULL;
}

/* What nobody edits: the programs of a virtual environment, of node_modules, of a folder that begins with a dot. */
static bool is_installed(const char *path) {
    char mark[PATH_MAX];
    for (const char *part = path; part != NULL; part = strchr(part, '/')) {
        part += *part == '/';
        const size_t length = strcspn(part, "/");
        if ((part[0] == '.' && !(length == 1 || (length == 2 && part[1] == '.'))) ||
            (length == strlen("node_modules") && strncmp(part, "node_modules", length) == 0)) {
            return true;
        }
    }
    snprintf(mark, sizeof mark, "%.*s../pyvenv.cfg", (int)(last_part(path) - path), path);
    return is_file(mark);
}

/* Named by a path from the current folder, or below it. */
static bool is_of_the_project(const char *path) {
    char here[PATH_MAX];
    const size_t length = getcwd(here, sizeof here) != NULL ? strlen(here) : 0;
    return path[0] != '/' || (length > 0 && strncmp(path, here, length) == 0 && path[length] == '/');
}

static bool has_module(char *const *argv) {
    for (size_t i = 1; argv[i] != NULL; i++) {
        if (strcmp(argv[i], "-m") == 0) {
            return true;
        }
    }
    return false;
}

/* NULL where none is named. */
static const char *find_file(char *const *argv) {
    const char *own =
        strchr(argv[0], '/') != NULL && is_file(argv[0]) && !is_installed(argv[0]) ? argv[0] : NULL;
    const char *found = own != NULL && is_of_the_project(own) ? own : find_argument(argv, false);
    if (found == NULL) {
        found = find_argument(argv, true);
    }
    return found != NULL || has_module(argv) ? found : own;
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
