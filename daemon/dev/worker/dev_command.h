/* What a worker's command is about: the name it goes by on the terminal, and the files by whose change it is started
 * anew. */
#ifndef DEV_COMMAND_H
#define DEV_COMMAND_H

#include <limits.h>
#include <stdbool.h>

enum { DEV_COMMAND_NAME_MAX = 32, DEV_COMMAND_ENDING_MAX = 16 };

struct dev_command {
    char **argv;                     /* borrowed, NULL-terminated */
    char name[DEV_COMMAND_NAME_MAX]; /* shown: "worker.py" */
    char folder[PATH_MAX];           /* that is watched, with all below it */
    char ending
        [DEV_COMMAND_ENDING_MAX]; /* of the files that matter: ".py"; empty: those called `file` alone */
    char file[NAME_MAX + 1];
};

/* The worker's file is the program itself where it is one of the project's (`./worker`, not `.venv/bin/python`),
 * else the first argument that names a script, else the first one that names a file, else the program where it is
 * named by a path. Files of the same ending beside and below it matter, too: what it imports. Where no file is named
 * (`python -m worker`), Python files of the current folder and below. */
void dev_command_read(char **argv, struct dev_command *ret_command);

/* `changed` is relative to the folder; empty: what has changed is not known. */
bool dev_command_concerns(const struct dev_command *command, const char *changed);

#endif
