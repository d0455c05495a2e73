#include "config/config_secrets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/config_error.h"

static int check_mode(FILE *file, const char *path, char *ret_error) {
    struct stat status;
    if (fstat(fileno(file), &status) < 0) {
        int result = -errno;
        config_refuse(ret_error, "%s: can't be read: %s", path, strerror(-result));
        return result;
    }
    if (!S_ISREG(status.st_mode) || (status.st_mode & (S_IWGRP | S_IRWXO)) != 0) {
        config_refuse(ret_error,
                      "%s: holds secrets, but has mode %04o; a file of mode 0600, or 0640, is expected", path,
                      (unsigned)status.st_mode & 07777U);
        return -EPERM;
    }
    return 0;
}

static int add(struct config *config, const char *path, size_t number, char *line, char *ret_error) {
    size_t length = strcspn(line, "\r\n");
    line[length] = '\0';
    if (length == 0 || line[0] == '#') {
        return 0;
    }
    if (length < CONFIG_SECRET_BYTES_MIN || length > CONFIG_SECRET_BYTES_MAX) {
        return config_refuse(ret_error, "%s: line %zu: a secret of %zu bytes; %d to %d are expected", path,
                             number, length, CONFIG_SECRET_BYTES_MIN, CONFIG_SECRET_BYTES_MAX);
    }
    if (config->secrets_count == CONFIG_SECRETS_MAX) {
        return config_refuse(ret_error, "%s: line %zu: too many secrets; at most %d are expected", path,
                             number, CONFIG_SECRETS_MAX);
    }
    char *secret = strdup(line);
    if (secret == NULL) {
        config_refuse(ret_error, "%s: out of memory", path);
        return -ENOMEM;
    }
    config->secrets[config->secrets_count++] = secret;
    return 0;
}

int config_secrets_read(struct config *config, const char *path, char ret_error[CONFIG_ERROR_MAX]) {
    char line[CONFIG_SECRET_BYTES_MAX + 16];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        int result = -errno;
        config_refuse(ret_error, "%s: can't be opened: %s", path, strerror(-result));
        return result;
    }
    int result = check_mode(file, path, ret_error);
    for (size_t number = 1; result == 0 && fgets(line, sizeof line, file) != NULL; number++) {
        result = add(config, path, number, line, ret_error);
    }
    if (result == 0 && ferror(file) != 0) {
        result = config_refuse(ret_error, "%s: can't be read", path);
    }
    if (result == 0 && config->secrets_count == 0) {
        result = config_refuse(ret_error, "%s: holds no secret; a line of %d to %d bytes is expected", path,
                               CONFIG_SECRET_BYTES_MIN, CONFIG_SECRET_BYTES_MAX);
    }
    explicit_bzero(line, sizeof line);
    fclose(file);
    return result;
}

void config_secrets_clear(struct config *config) {
    for (size_t i = 0; i < config->secrets_count; i++) {
        explicit_bzero(config->secrets[i], strlen(config->secrets[i]));
        free(config->secrets[i]);
    }
    config->secrets_count = 0;
}
