#include "dev/worker/dev_environment.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_named(const char *entry, const char *name) {
    size_t length = strlen(name);
    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

static void write_host(const char *host, size_t length, char *out, size_t capacity) {
    if (length > 2 && host[0] == '[') {
        host++;
        length -= 2;
    }
    if ((length == 2 && strncmp(host, "::", 2) == 0) || (length == 7 && strncmp(host, "0.0.0.0", 7) == 0)) {
        snprintf(out, capacity, "DAFFI_HOST=127.0.0.1");
    } else {
        snprintf(out, capacity, "DAFFI_HOST=%.*s", (int)length, host);
    }
}

int dev_environment_init(struct dev_environment *environment, const char *address) {
    const char *colon = strrchr(address, ':');
    size_t host_length = colon != NULL ? (size_t)(colon - address) : strlen(address);
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    environment->list = calloc(count + 4, sizeof *environment->list);
    if (environment->list == NULL) {
        return -ENOMEM;
    }
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_named(environ[i], "DAFFI_HOST") && !is_named(environ[i], "DAFFI_PORT") &&
            !is_named(environ[i], "PYTHONUNBUFFERED")) {
            environment->list[at++] = environ[i];
        }
    }
    write_host(address, host_length, environment->host, sizeof environment->host);
    snprintf(environment->port, sizeof environment->port, "DAFFI_PORT=%s", colon != NULL ? colon + 1 : "");
    snprintf(environment->unbuffered, sizeof environment->unbuffered, "PYTHONUNBUFFERED=1");
    environment->list[at++] = environment->host;
    environment->list[at++] = environment->port;
    environment->list[at] = environment->unbuffered;
    return 0;
}

void dev_environment_clear(struct dev_environment *environment) {
    free(environment->list);
    environment->list = NULL;
}
