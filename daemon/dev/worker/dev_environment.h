/* The environment of workers: the daemon's own, and where its Router is. */
#ifndef DEV_ENVIRONMENT_H
#define DEV_ENVIRONMENT_H

#include <stddef.h>

struct dev_environment {
    char **list; /* for execve; its other entries are borrowed of `environ` */
    char host[160], port[32], unbuffered[32];
};

/* DAFFI_HOST and DAFFI_PORT by the address of the listener for Python peers ("127.0.0.1:8080", "[::1]:8080";
 * "0.0.0.0:8080" and "[::]:8080", which takes IPv4, too: 127.0.0.1);
 * PYTHONUNBUFFERED, so that what a worker prints is shown at once. 0 or -ENOMEM. */
int dev_environment_init(struct dev_environment *environment, const char *address);
void dev_environment_clear(struct dev_environment *environment);

#endif
