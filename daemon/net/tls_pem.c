#include "net/tls_pem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *tls_error_reason(void) {
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (ERR_SYSTEM_ERROR(code)) {
        return strerror(ERR_GET_REASON(code));
    }
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    return reason ? reason : "no reason given";
}

int tls_open_pem(const char *what, const char *file, BIO **ret_bio, char *ret_error, size_t error_size) {
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) {
        int error = errno;
        snprintf(ret_error, error_size, "%s %s cannot be read: %s", what, file, strerror(error));
        if (fd >= 0) {
            close(fd);
        }
        return -error;
    }
    if (!S_ISREG(status.st_mode)) {
        snprintf(ret_error, error_size, "%s %s is not a file; a PEM file is expected", what, file);
        close(fd);
        return -EINVAL;
    }
    FILE *stream = fdopen(fd, "r");
    BIO *bio = stream ? BIO_new_fp(stream, BIO_CLOSE) : NULL;
    if (!bio) {
        if (stream) {
            fclose(stream);
        } else {
            close(fd);
        }
        snprintf(ret_error, error_size, "%s %s cannot be read: out of memory", what, file);
        return -ENOMEM;
    }
    *ret_bio = bio;
    return 0;
}
