#include "http/assets_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TAG_BYTES = 16 }; /* of a SHA-256: enough to tell forms of files apart */

struct version {
    char name[ASSETS_DIR_VERSION_NAME_MAX + 1];
    struct embedded_file *list; /* what `files` shows */
    struct embedded_files files;
};

struct assets_dir {
    struct version versions[ASSETS_DIR_VERSIONS_MAX];
    size_t count;
    size_t bytes;
};

/* What is being read. */
struct place {
    const char *root;
    char real[PATH_MAX]; /* the root without links */
    const char *version;
    char error[ASSETS_DIR_ERROR_MAX];
};

static int fail(struct place *place, const char *file, int status, const char *why) {
    snprintf(place->error, sizeof place->error, "assets.dir: %.200s%s%.64s%s%.100s: %s", place->root,
             place->version[0] != '\0' ? "/" : "", place->version, file[0] != '\0' ? "/" : "", file,
             why != NULL ? why : strerror(-status));
    return status;
}

static bool is_version_name(const char *name) {
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_+");
    return name[0] != '.' && length > 0 && length <= ASSETS_DIR_VERSION_NAME_MAX && name[length] == '\0';
}

/* -- links -- */

/* Where an open file lies, without links. */
static int path_of(int fd, char out[PATH_MAX]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, out, PATH_MAX - 1);
    out[length < 0 ? 0 : length] = '\0';
    return length < 0 ? -EIO : 0;
}

/* Looked at once it is open, so that nobody can change the link in between. -EXDEV when it is elsewhere. */
static int check_within(const struct place *place, int fd) {
    char path[PATH_MAX];
    size_t length = strlen(place->real);
    int status = path_of(fd, path);
    bool is_within = strncmp(path, place->real, length) == 0 && path[length] == '/';
    return status < 0 ? status : is_within ? 0 : -EXDEV;
}

/* -- one file -- */

static char *tag_of(const uint8_t *data, size_t length) {
    unsigned char hash[EVP_MAX_MD_SIZE];
    size_t size = 0;
    char *tag = malloc(2 * TAG_BYTES + 3);
    if (tag == NULL || EVP_Q_digest(NULL, "SHA256", NULL, data, length, hash, &size) != 1) {
        free(tag);
        return NULL;
    }
    tag[0] = '"';
    for (size_t i = 0; i < TAG_BYTES; i++) {
        snprintf(tag + 1 + 2 * i, 3, "%02x", hash[i]);
    }
    memcpy(tag + 1 + (size_t)2 * TAG_BYTES, "\"", 2);
    return tag;
}

/* All of an open file; what grows or shrinks meanwhile is refused. */
static int read_bytes(int fd, size_t length, struct embedded_bytes *ret_bytes) {
    uint8_t *data = malloc(length + 1);
    size_t have = 0;
    ssize_t n = 1;
    while (data != NULL && n > 0 && have <= length) {
        n = read(fd, data + have, length + 1 - have);
        have += n > 0 ? (size_t)n : 0;
    }
    char *tag = data != NULL && n == 0 && have == length ? tag_of(data, length) : NULL;
    if (tag == NULL) {
        free(data);
        return data == NULL ? -ENOMEM : n < 0 ? -errno : have != length ? -EAGAIN : -ENOMEM;
    }
    *ret_bytes = (struct embedded_bytes){data, length, tag};
    return 0;
}

/* 0; -ENOENT when it is no regular file; -EXDEV when it is elsewhere; -EFBIG; -errno. */
static int read_file(struct assets_dir *dir, const struct place *place, int folder, const char *name,
                     struct embedded_bytes *ret_bytes) {
    struct stat info;
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    int status = check_within(place, fd);
    if (status == 0) {
        status = fstat(fd, &info) < 0 ? -errno : S_ISREG(info.st_mode) ? 0 : -ENOENT;
    }
    if (status == 0 && (size_t)info.st_size > ASSETS_DIR_BYTES_MAX - dir->bytes) {
        status = -EFBIG;
    }
    if (status == 0) {
        status = read_bytes(fd, (size_t)info.st_size, ret_bytes);
    }
    if (status == 0) {
        dir->bytes += ret_bytes->length;
    }
    close(fd);
    return status;
}

static void clear_bytes(struct embedded_bytes *bytes) {
    free((void *)bytes->data);
    free((void *)bytes->etag);
    *bytes = (struct embedded_bytes){0};
}

static void clear_file(struct embedded_file *file) {
    free((void *)file->name);
    clear_bytes(&file->plain);
    clear_bytes(&file->brotli);
    clear_bytes(&file->gzip);
}

/* A form that is not smaller is of no use. */
static int read_form(struct assets_dir *dir, const struct place *place, int folder,
                     const struct embedded_file *file, const char *ending, struct embedded_bytes *ret_bytes) {
    char name[NAME_MAX + 4];
    snprintf(name, sizeof name, "%s%s", file->name, ending);
    int status = read_file(dir, place, folder, name, ret_bytes);
    if (status == 0 && ret_bytes->length >= file->plain.length) {
        clear_bytes(ret_bytes);
    }
    return status == -ENOENT ? 0 : status;
}

/* -- a version -- */

static bool ends_with(const char *name, const char *ending) {
    size_t length = strlen(name);
    size_t size = strlen(ending);
    return length >= size && strcmp(name + length - size, ending) == 0;
}

static const char *why_not(int status) {
    return status == -EFBIG    ? "all versions together have more than 256 MiB"
           : status == -EAGAIN ? "it was being written"
           : status == -EXDEV  ? "a link that leads out of the folder"
                               : NULL;
}

static int add_file(struct assets_dir *dir, struct version *version, int folder, const char *name,
                    struct place *place) {
    if (name[0] == '.' || ends_with(name, ".br") || ends_with(name, ".gz")) {
        return 0;
    }
    struct embedded_file file = {.name = strdup(name)};
    int status = file.name == NULL ? -ENOMEM : read_file(dir, place, folder, name, &file.plain);
    if (status == 0) {
        status = read_form(dir, place, folder, &file, ".br", &file.brotli);
    }
    if (status == 0) {
        status = read_form(dir, place, folder, &file, ".gz", &file.gzip);
    }
    bool is_one_too_many = status == 0 && version->files.count == ASSETS_DIR_FILES_MAX;
    if (status < 0 || is_one_too_many) {
        clear_file(&file);
    }
    if (is_one_too_many) {
        return fail(place, "", -E2BIG, "more than 64 files, which is the most of a version");
    }
    if (status < 0) {
        return status == -ENOENT ? 0 : fail(place, name, status, why_not(status));
    }
    version->list[version->files.count++] = file;
    return 0;
}

static int read_version(struct assets_dir *dir, int root, const char *name, struct place *place) {
    place->version = name;
    int folder = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return errno == ENOTDIR ? 0 : fail(place, "", -errno, NULL);
    }
    int within = check_within(place, folder);
    if (within < 0) {
        close(folder);
        return fail(place, "", within, why_not(within));
    }
    if (!is_version_name(name) || dir->count == ASSETS_DIR_VERSIONS_MAX) {
        close(folder);
        return dir->count == ASSETS_DIR_VERSIONS_MAX ? fail(place, "", -E2BIG, "more than 64 versions")
                                                     : fail(place, "", -EINVAL,
                                                            "not the name of a version: 1 to 64 letters, "
                                                            "digits, '.', '-', '_' and '+' are expected");
    }
    struct version *version = &dir->versions[dir->count];
    DIR *stream = fdopendir(folder);
    version->list = calloc(ASSETS_DIR_FILES_MAX, sizeof *version->list);
    dir->count++;
    int status = stream == NULL || version->list == NULL ? fail(place, "", -ENOMEM, NULL) : 0;
    version->files.files = version->list;
    snprintf(version->name, sizeof version->name, "%.*s", ASSETS_DIR_VERSION_NAME_MAX, name);
    const struct dirent *entry;
    while (status == 0 && (entry = readdir(stream)) != NULL) {
        status = add_file(dir, version, folder, entry->d_name, place);
    }
    if (stream != NULL) {
        closedir(stream);
    } else {
        close(folder);
    }
    return status;
}

static int load(DIR *stream, struct assets_dir *dir, struct place *place) {
    const struct dirent *entry;
    int status = path_of(dirfd(stream), place->real);
    if (status < 0) {
        return fail(place, "", status, "/proc does not tell where it is");
    }
    while (status == 0 && (entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] != '.') {
            status = read_version(dir, dirfd(stream), entry->d_name, place);
        }
    }
    return status;
}

int assets_dir_load(const char *path, struct assets_dir **ret_dir, char ret_error[ASSETS_DIR_ERROR_MAX]) {
    struct place place = {.root = path, .version = ""};
    struct assets_dir *dir = calloc(1, sizeof *dir);
    DIR *stream = dir != NULL ? opendir(path) : NULL;
    int status = dir == NULL      ? fail(&place, "", -ENOMEM, NULL)
                 : stream == NULL ? fail(&place, "", -errno, NULL)
                                  : load(stream, dir, &place);
    if (stream != NULL) {
        closedir(stream);
    }
    if (status < 0) {
        memcpy(ret_error, place.error, sizeof place.error);
        assets_dir_free(dir);
        return status;
    }
    *ret_dir = dir;
    return 0;
}

void assets_dir_free(struct assets_dir *dir) {
    for (size_t i = 0; dir != NULL && i < dir->count; i++) {
        for (size_t k = 0; k < dir->versions[i].files.count; k++) {
            clear_file(&dir->versions[i].list[k]);
        }
        free(dir->versions[i].list);
    }
    free(dir);
}

const struct embedded_files *assets_dir_find(const struct assets_dir *dir, struct daffi_span version) {
    for (size_t i = 0; dir != NULL && i < dir->count; i++) {
        if (daffi_span_equal(version, daffi_span_text(dir->versions[i].name))) {
            return &dir->versions[i].files;
        }
    }
    return NULL;
}

/* How many of the bytes from `at` on are of `set`. */
static size_t skip(struct daffi_span text, size_t at, const char *set) {
    size_t end = at;
    while (end < text.length && text.data[end] != 0 && strchr(set, text.data[end]) != NULL) {
        end++;
    }
    return end - at;
}

bool assets_dir_is_exact(struct daffi_span version) {
    size_t at = 0;
    for (unsigned i = 0; i < 3; i++) {
        size_t digits = skip(version, at, "0123456789");
        at += digits;
        if (digits == 0 || (i < 2 && (at == version.length || version.data[at++] != '.'))) {
            return false;
        }
    }
    if (at == version.length) {
        return true;
    }
    size_t rest = skip(version, at + 1, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-");
    return version.data[at] == '-' && rest > 0 && at + 1 + rest == version.length;
}
