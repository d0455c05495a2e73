/* A configuration file of any bytes is read or refused by one line, and what was read can be finished. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_one_line(const char *error) {
    if (error[0] == '\0' || strlen(error) >= CONFIG_ERROR_MAX || strpbrk(error, "\r\n") != NULL) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[32], error[CONFIG_ERROR_MAX] = "";
    int memory = memfd_create("config", MFD_CLOEXEC);
    if (memory < 0 || write(memory, data, size) != (ssize_t)size) {
        abort();
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
    struct config *config = config_new();
    if (config_read_file(config, path, error) < 0 || config_finish(config, error) < 0) {
        require_one_line(error);
    }
    config_free(config);
    close(memory);
    return 0;
}
