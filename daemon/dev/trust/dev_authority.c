#include "dev/trust/dev_authority.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev/trust/dev_certificate.h"

enum { NAMES_MAX = 64 };

/* What is read or made, and where. */
struct store {
    struct dev_leaf *files;
    char authority_key[PATH_MAX];
    X509 *authority;
    EVP_PKEY *key; /* the authority's */
    struct dev_certificate_names names;
    int lock;    /* -1: none */
    char *error; /* DEV_AUTHORITY_ERROR_MAX bytes */
};

static int refuse(char *error, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int refuse(char *error, int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, DEV_AUTHORITY_ERROR_MAX, format, arguments);
    va_end(arguments);
    return status;
}

static int join(char out[PATH_MAX], const char *folder, const char *name, char *error) {
    int length = snprintf(out, PATH_MAX, "%s/%s", folder, name);
    return length < PATH_MAX ? 0
                             : refuse(error, -ENAMETOOLONG, "%.200s/%s: the path is too long", folder, name);
}

/* What root makes in somebody else's home, its owner can't use. */
static int check_home(const char *home, char *error) {
    struct stat info;
    if (geteuid() != 0 || stat(home, &info) < 0 || info.st_uid == 0) {
        return 0;
    }
    return refuse(
        error, -EPERM,
        "HOME is %.200s, which belongs to another user: run it as yourself, without sudo (what needs "
        "root is shown), or have HOME name a folder of your own",
        home);
}

int dev_authority_check_user(const char *home, char ret_error[DEV_AUTHORITY_ERROR_MAX]) {
    const char *caller = getenv("SUDO_UID");
    if (geteuid() == 0 && caller != NULL && strcmp(caller, "0") != 0) {
        return refuse(ret_error, -EPERM,
                      "run it as yourself, without sudo: what needs root is shown, all else is your own");
    }
    return check_home(home, ret_error);
}

int dev_authority_folder(char out[PATH_MAX], char ret_error[DEV_AUTHORITY_ERROR_MAX]) {
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    if (data != NULL && data[0] == '/') { /* the specification has relative ones be passed over */
        return join(out, data, "daffi-bridge", ret_error);
    }
    if (home == NULL || home[0] != '/') {
        const struct passwd *user = getpwuid(geteuid());
        home = user != NULL ? user->pw_dir : NULL;
    }
    if (home == NULL || home[0] != '/') {
        return refuse(ret_error, -ENOENT,
                      "neither HOME nor XDG_DATA_HOME says where the development certificates go");
    }
    int status = check_home(home, ret_error);
    return status < 0 ? status : join(out, home, ".local/share/daffi-bridge", ret_error);
}

/* Each folder on the way, the last one for the user alone. */
static int make_folders(const char *path, char *error) {
    char part[PATH_MAX];
    struct stat info;
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST) {
            return refuse(error, -errno, "%.300s can't be made: %s", part, strerror(errno));
        }
        *slash = '/';
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        return refuse(error, -errno, "%.300s can't be made: %s", path, strerror(errno));
    }
    if (stat(path, &info) < 0) {
        return refuse(error, -errno, "%.300s can't be read: %s", path, strerror(errno));
    }
    if (info.st_uid != geteuid()) {
        return refuse(error, -EPERM,
                      "%.200s belongs to another user (uid %lu): if that was by sudo, make it your own again "
                      "(sudo chown -R \"$USER\" %.200s), or name another folder by XDG_DATA_HOME",
                      path, (unsigned long)info.st_uid, path);
    }
    if ((info.st_mode & 022) != 0) {
        return refuse(error, -EPERM,
                      "%.300s: others may write there; it must be this user's own (chmod 700), or another "
                      "folder be named by XDG_DATA_HOME",
                      path);
    }
    return 0;
}

/* -- files -- */

/* Written beside, then renamed: nobody ever reads half of one. */
static int write_file(const char *path, mode_t mode, X509 *certificate, EVP_PKEY *key, char *error) {
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof beside, "%s.new", path) >= PATH_MAX) {
        return refuse(error, -ENAMETOOLONG, "%.200s: the path is too long", path);
    }
    (void)unlink(beside);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool written = out != NULL && (certificate == NULL || PEM_write_X509(out, certificate) == 1) &&
                   (key == NULL || PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1) &&
                   fflush(out) == 0 && fsync(fd) == 0;
    int status = written ? 0 : errno != 0 ? -errno : -EIO;
    if (out != NULL) {
        fclose(out);
    } else if (fd >= 0) {
        close(fd);
    }
    if (status == 0 && rename(beside, path) < 0) {
        status = -errno;
    }
    if (status < 0) {
        (void)unlink(beside);
        return refuse(error, status, "%.300s can't be written: %s", path, strerror(-status));
    }
    return 0;
}

/* 0; -ENOENT: there is none; another -errno and a sentence. */
static int open_file(const char *path, FILE **ret_file, char *error) {
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        return refuse(error, -errno, "%.300s can't be read: %s", path, strerror(errno));
    }
    *ret_file = in;
    return 0;
}

static int refuse_content(const char *path, const char *what, char *error) {
    ERR_clear_error();
    return refuse(
        error, -EBADMSG,
        "%.300s can't be read as %s: put back what it was, or begin anew: daffi-bridge untrust, and "
        "remove its folder",
        path, what);
}

/* As open_file. */
static int read_certificate(const char *path, X509 **ret_certificate, char *error) {
    FILE *in = NULL;
    int status = open_file(path, &in, error);
    if (status == 0) {
        *ret_certificate = PEM_read_X509(in, NULL, NULL, NULL);
        fclose(in);
        status = *ret_certificate != NULL ? 0 : refuse_content(path, "a certificate", error);
    }
    return status;
}

/* As open_file; -EPERM: others may read it. */
static int read_key(const char *path, EVP_PKEY **ret_key, char *error) {
    struct stat info;
    FILE *in = NULL;
    int status = open_file(path, &in, error);
    if (status < 0) {
        return status;
    }
    if (fstat(fileno(in), &info) == 0 && (info.st_mode & 077) != 0) {
        status = refuse(error, -EPERM,
                        "%.300s: others may read this private key; make it yours alone (chmod 600), and "
                        "if it is the authority's "
                        "(ca-key.pem) better begin anew: daffi-bridge untrust, and remove its folder",
                        path);
    } else {
        *ret_key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
        status = *ret_key != NULL ? 0 : refuse_content(path, "a private key", error);
    }
    fclose(in);
    return status;
}

/* -- the authority -- */

static const char title_begin[] = "daffi-bridge dev CA ";

static void make_title(char out[DEV_AUTHORITY_TITLE_MAX]) {
    char host[256] = "";
    const struct passwd *user = getpwuid(geteuid());
    (void)gethostname(host, sizeof host - 1);
    snprintf(out, DEV_AUTHORITY_TITLE_MAX, "%s%.20s@%.20s", title_begin,
             user != NULL ? user->pw_name : "user", host);
}

void dev_authority_title(const char *file, char out[DEV_AUTHORITY_TITLE_MAX]) {
    X509 *authority = NULL;
    char title[DEV_AUTHORITY_TITLE_MAX] = "";
    char error[DEV_AUTHORITY_ERROR_MAX];
    if (read_certificate(file, &authority, error) == 0) {
        (void)X509_NAME_get_text_by_NID(X509_get_subject_name(authority), NID_commonName, title,
                                        sizeof title);
    }
    X509_free(authority);
    if (strncmp(title, title_begin, sizeof title_begin - 1) == 0) {
        memcpy(out, title, sizeof title);
    } else {
        make_title(out);
    }
}

static int make_authority(struct store *store, time_t now) {
    char title[DEV_AUTHORITY_TITLE_MAX];
    make_title(title);
    store->key = dev_certificate_key();
    store->authority = store->key != NULL ? dev_certificate_authority(store->key, title, store->names, now,
                                                                      DEV_AUTHORITY_DAYS)
                                          : NULL;
    if (store->authority == NULL) {
        return refuse(store->error, -ENOMEM,
                      "the development certificate authority can't be made: no memory, or no random bytes");
    }
    /* The key first: an authority without one would be of no use, and is made anew. */
    int status = write_file(store->authority_key, 0600, NULL, store->key, store->error);
    if (status == 0) {
        status = write_file(store->files->authority, 0644, store->authority, NULL, store->error);
    }
    store->files->is_new_authority = status == 0;
    return status;
}

static bool is_good_authority(const struct store *store, time_t now) {
    time_t until = now + (time_t)DEV_LEAF_DAYS * 86400;
    return store->authority != NULL && store->key != NULL &&
           X509_check_private_key(store->authority, store->key) == 1 &&
           X509_cmp_time(X509_get0_notAfter(store->authority), &until) > 0;
}

static void close_store(struct store *store) {
    X509_free(store->authority);
    EVP_PKEY_free(store->key);
    if (store->lock >= 0) {
        close(store->lock);
    }
}

/* Under a lock until close_store. */
static int open_store(struct store *store, time_t now) {
    struct dev_leaf *files = store->files;
    char lock[PATH_MAX];
    int status = dev_authority_folder(files->folder, store->error);
    if (status == 0) {
        status = make_folders(files->folder, store->error);
    }
    if (status < 0 || (status = join(lock, files->folder, "lock", store->error)) < 0 ||
        (status = join(files->authority, files->folder, "ca.pem", store->error)) < 0 ||
        (status = join(store->authority_key, files->folder, "ca-key.pem", store->error)) < 0) {
        return status;
    }
    store->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (store->lock < 0 || flock(store->lock, LOCK_EX) < 0) {
        return refuse(store->error, -errno, "%.300s can't be locked: %s", lock, strerror(errno));
    }
    /* One that can't be read may be trusted by all browsers: only where there is none another one is made. */
    status = read_certificate(files->authority, &store->authority, store->error);
    if (status == 0 || status == -ENOENT) {
        status = read_key(store->authority_key, &store->key, store->error);
    }
    if (status < 0 && status != -ENOENT) {
        return status;
    }
    if (is_good_authority(store, now)) {
        return 0;
    }
    X509_free(store->authority);
    EVP_PKEY_free(store->key);
    store->authority = NULL;
    store->key = NULL;
    return make_authority(store, now);
}

int dev_authority_ensure(struct dev_certificate_names names, time_t now, struct dev_leaf *ret_leaf,
                         char ret_error[DEV_AUTHORITY_ERROR_MAX]) {
    struct dev_leaf files = {0};
    struct store store = {.files = &files, .names = names, .lock = -1};
    store.error = ret_error;
    int status = open_store(&store, now);
    close_store(&store);
    if (status == 0) {
        *ret_leaf = files;
    }
    return status;
}

/* -- what it signs -- */

/* Those that the authority may speak for, each once. */
static size_t choose_names(const struct store *store, const char *ret_names[NAMES_MAX]) {
    static const char *const always[] = {"localhost", "127.0.0.1", "::1"};
    const size_t always_count = sizeof always / sizeof *always;
    size_t chosen = 0;
    for (size_t i = 0; i < always_count + store->names.count && chosen < NAMES_MAX; i++) {
        const char *name = i < always_count ? always[i] : store->names.list[i - always_count];
        bool is_there = false;
        for (size_t k = 0; k < chosen && !is_there; k++) {
            is_there = strcmp(ret_names[k], name) == 0;
        }
        if (!is_there && dev_certificate_is_name(name) && dev_certificate_permits(store->authority, name)) {
            ret_names[chosen++] = name;
        }
    }
    return chosen;
}

static int make_leaf(struct store *store, struct dev_certificate_names names, time_t now) {
    EVP_PKEY *key = dev_certificate_key();
    X509 *leaf = key != NULL
                     ? dev_certificate_leaf(key, names, store->authority, store->key, now, DEV_LEAF_DAYS)
                     : NULL;
    int status = leaf == NULL
                     ? refuse(store->error, -ENOMEM,
                              "a certificate for localhost can't be made: no memory, or no random bytes")
                     : write_file(store->files->key, 0600, NULL, key, store->error);
    if (status == 0) {
        status = write_file(store->files->cert, 0644, leaf, NULL, store->error);
    }
    X509_free(leaf);
    EVP_PKEY_free(key);
    return status;
}

static int find_leaf(struct store *store, time_t now) {
    const char *chosen[NAMES_MAX];
    const struct dev_certificate_names names = {chosen, choose_names(store, chosen)};
    EVP_PKEY *key = NULL;
    X509 *leaf = NULL;
    int status = read_key(store->files->key, &key, store->error);
    bool is_refused = status == -EPERM;
    bool is_good = status == 0 && read_certificate(store->files->cert, &leaf, store->error) == 0 &&
                   dev_certificate_is_good(leaf, key, store->authority, names, now, DEV_LEAF_REST_DAYS);
    X509_free(leaf);
    EVP_PKEY_free(key);
    if (is_refused || is_good) {
        return status;
    }
    return make_leaf(store, names, now);
}

int dev_authority_leaf(struct dev_certificate_names names, time_t now, struct dev_leaf *ret_leaf,
                       char ret_error[DEV_AUTHORITY_ERROR_MAX]) {
    struct dev_leaf files = {0};
    struct store store = {.files = &files, .names = names, .lock = -1, .error = ret_error};
    int status = open_store(&store, now);
    if (status == 0) {
        status = join(files.cert, files.folder, "cert.pem", ret_error);
    }
    if (status == 0) {
        status = join(files.key, files.folder, "key.pem", ret_error);
    }
    if (status == 0) {
        status = find_leaf(&store, now);
    }
    close_store(&store);
    if (status == 0) {
        *ret_leaf = files;
    }
    return status;
}
