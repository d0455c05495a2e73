#include "dev/dev_opener.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int dev_opener_open(const char *url) {
    const char *browser = getenv("BROWSER");
    const char *program =
        browser != NULL && browser[0] != '\0' && strpbrk(browser, " :%") == NULL ? browser : "xdg-open";
    char *const arguments[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)url, NULL};
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t pid;
    sigemptyset(&none);
    if (posix_spawnattr_init(&attributes) != 0) {
        return -ENOMEM;
    }
    /* It begins with no signal blocked, and in a group of its own: a Ctrl-C is not meant for it. */
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    int status = posix_spawnp(&pid, program, NULL, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    return -status;
}
