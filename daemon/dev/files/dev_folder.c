#include "dev/files/dev_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct dev_folder {
    size_t path_length;
    char path[PATH_MAX];
};

/* Each time anew: build tools remove it, and make another one. */
static int open_root(const struct dev_folder *folder) {
    int fd = open(folder->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int dev_folder_open(const char *path, struct dev_folder **ret_folder) {
    struct dev_folder *folder = calloc(1, sizeof *folder);
    int status = 0;
    if (folder == NULL) {
        return -ENOMEM;
    }
    if (realpath(path, folder->path) == NULL) {
        status = -errno;
    } else {
        folder->path_length = strlen(folder->path);
        status = open_root(folder);
    }
    if (status < 0) {
        dev_folder_free(folder);
        return status;
    }
    close(status);
    *ret_folder = folder;
    return 0;
}

void dev_folder_free(struct dev_folder *folder) {
    free(folder);
}

const char *dev_folder_path(const struct dev_folder *folder) {
    return folder->path;
}

int dev_folder_find_name(const struct dev_folder *folder, int fd, char out[PATH_MAX]) {
    char link[64];
    char path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) {
        return -ENOENT;
    }
    path[length] = '\0';
    size_t root = strcmp(folder->path, "/") == 0 ? 0 : folder->path_length;
    bool is_below = strncmp(path, folder->path, root) == 0 && (path[root] == '/' || path[root] == '\0');
    if (!is_below || strstr(path + root, "/.") != NULL) {
        return -ENOENT;
    }
    const char *name = path + root + (path[root] == '/' ? 1 : 0);
    memcpy(out, name, strlen(name) + 1);
    return 0;
}

int dev_folder_open_file(const struct dev_folder *folder, const char *name, struct stat *ret_info) {
    char shown[PATH_MAX];
    /* O_NONBLOCK: a FIFO must not make anybody wait; it is refused below. */
    const struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                                 .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int root = open_root(folder);
    long fd = root < 0 ? root : syscall(SYS_openat2, root, name[0] != '\0' ? name : ".", &how, sizeof how);
    int status = root < 0 ? root : fd < 0 ? -errno : 0;
    if (root >= 0) {
        close(root);
    }
    if (status < 0) {
        bool is_absent = status == -EXDEV || status == -ELOOP || status == -ENOTDIR ||
                         status == -ENAMETOOLONG || status == -ENXIO || status == -ENODEV;
        return is_absent ? -ENOENT : status;
    }
    struct stat info;
    if (fstat((int)fd, &info) < 0 || (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) ||
        dev_folder_find_name(folder, (int)fd, shown) < 0) {
        close((int)fd);
        return -ENOENT;
    }
    *ret_info = info;
    return (int)fd;
}
