#include "dev/trust/dev_trust.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dev/dev_names.h"
#include "dev/trust/dev_authority.h"
#include "dev/trust/dev_program.h"

enum { SAME_NAME_MAX = 16 }; /* of earlier authorities, in one store */

static const char system_folder[] = "/usr/local/share/ca-certificates";

/* What all stores are asked for. */
struct wish {
    bool is_wanted;
    const char *authority;               /* file */
    char title[DEV_AUTHORITY_TITLE_MAX]; /* what it is called in stores */
    char home[PATH_MAX];
    char user[64];
    FILE *out;
    bool is_done; /* nothing has failed yet */
};

static void say(struct wish *wish, bool done, const char *store, const char *what) {
    fprintf(wish->out, "  %-9s %s: %s\n", done ? "done" : "not done", store, what);
    wish->is_done = wish->is_done && done;
}

static const char *reason_of(int status, const char *output, char out[DEV_PROGRAM_OUTPUT_MAX + 64]) {
    if (status < 0) {
        snprintf(out, DEV_PROGRAM_OUTPUT_MAX + 64, "%s", strerror(-status));
    } else {
        snprintf(out, DEV_PROGRAM_OUTPUT_MAX + 64, "%s (exit status %d)",
                 output[0] != '\0' ? output : "it said nothing", status);
    }
    return out;
}

/* -- the system's -- */

static int copy_file(const char *from, const char *to) {
    char bytes[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    ssize_t length = in < 0 ? -1 : read(in, bytes, sizeof bytes);
    int status = length < 0 ? -errno : 0;
    if (in >= 0) {
        close(in);
    }
    int out = status == 0 ? open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644) : -1;
    if (status == 0 && (out < 0 || write(out, bytes, (size_t)length) != length)) {
        status = errno != 0 ? -errno : -EIO;
    }
    if (out >= 0) {
        close(out);
    }
    return status;
}

/* Debian's: a folder, and a program that gathers what is in it. */
static void apply_to_debian(struct wish *wish) {
    static const char *const argv[] = {"update-ca-certificates", NULL};
    char output[DEV_PROGRAM_OUTPUT_MAX];
    char file[256];
    char text[PATH_MAX + 512];
    snprintf(file, sizeof file, "%s/daffi-bridge-%s.crt", system_folder, wish->user);
    if (!wish->is_wanted && access(file, F_OK) < 0) {
        say(wish, true, "system", "it is not there");
        return;
    }
    int status = wish->is_wanted ? copy_file(wish->authority, file) : unlink(file) < 0 ? -errno : 0;
    if (status == 0) {
        status = dev_program_run(argv, output);
    }
    if (status == 0) {
        say(wish, true, "system", wish->is_wanted ? "curl, Python and the like believe it" : "taken out");
        return;
    }
    snprintf(text, sizeof text,
             wish->is_wanted ? "%s; by hand: sudo cp %s %s && sudo update-ca-certificates"
                             : "%s; by hand: sudo rm %.0s%s && sudo update-ca-certificates",
             status < 0 ? strerror(-status) : output, wish->authority, file);
    say(wish, false, "system", text);
}

/* Where p11-kit keeps it: Fedora, Arch. */
static void apply_to_p11_kit(struct wish *wish) {
    const char *const argv[] = {"trust", "anchor", wish->is_wanted ? "--store" : "--remove", wish->authority,
                                NULL};
    char output[DEV_PROGRAM_OUTPUT_MAX];
    char text[PATH_MAX + 512];
    int status = dev_program_run(argv, output);
    if (status == 0) {
        say(wish, true, "system", wish->is_wanted ? "curl, Python and the like believe it" : "taken out");
        return;
    }
    if (status == -ENOENT) {
        snprintf(text, sizeof text,
                 "neither update-ca-certificates nor p11-kit's trust is there; the file is %s",
                 wish->authority);
    } else {
        snprintf(text, sizeof text, "%s; by hand: sudo trust anchor %s %s",
                 status < 0 ? strerror(-status) : output, argv[2], wish->authority);
    }
    say(wish, false, "system", text);
}

/* -- NSS databases -- */

/* Takes out those of that name, whichever authority they are. What certutil made of the one that it could not take out. */
static int remove_from_nss(const struct wish *wish, const char *database, size_t *ret_removed, char *output) {
    const char *const argv[] = {"certutil", "-D", "-d", database, "-n", wish->title, NULL};
    int status = 0;
    *ret_removed = 0;
    while (*ret_removed < SAME_NAME_MAX && (status = dev_program_run(argv, output)) == 0) {
        (*ret_removed)++;
    }
    return status;
}

/* None of that name is there, as far as can be read. */
static bool is_gone(const struct wish *wish, const char *folder, const char *database) {
    const char *const list[] = {"certutil", "-L", "-d", database, NULL};
    const char *const find[] = {"certutil", "-L", "-d", database, "-n", wish->title, NULL};
    char file[PATH_MAX + 96];
    char output[DEV_PROGRAM_OUTPUT_MAX];
    snprintf(file, sizeof file, "%s/cert9.db", folder);
    return access(file, F_OK) < 0 ||
           (dev_program_run(list, output) == 0 && dev_program_run(find, output) > 0);
}

static int put_into_nss(const struct wish *wish, const char *database, char *output) {
    const char *const argv[] = {"certutil", "-A",        "-d", database,        "-t", "C,,",
                                "-n",       wish->title, "-i", wish->authority, NULL};
    return dev_program_run(argv, output);
}

static void apply_to_nss(struct wish *wish, const char *browser, const char *folder) {
    char database[PATH_MAX + 96];
    char output[DEV_PROGRAM_OUTPUT_MAX] = "";
    char reason[DEV_PROGRAM_OUTPUT_MAX + 64];
    char text[4 * PATH_MAX + 1024];
    size_t removed = 0;
    snprintf(database, sizeof database, "sql:%s", folder);
    int status = remove_from_nss(wish, database, &removed, output);
    if (status >= 0 && wish->is_wanted) {
        status = put_into_nss(wish, database, output);
    } else if (status > 0 && is_gone(wish, folder, database)) {
        status = 0;
    }
    if (status == -ENOENT) {
        snprintf(text, sizeof text,
                 "certutil is not there: install libnss3-tools (Debian) or nss-tools (Fedora), then run this "
                 "again");
    } else if (status != 0 && wish->is_wanted) {
        snprintf(text, sizeof text, "%s: %s; by hand: certutil -A -d '%s' -t C,, -n '%s' -i '%s'", folder,
                 reason_of(status, output, reason), database, wish->title, wish->authority);
    } else if (status != 0) {
        snprintf(text, sizeof text, "%s: %s; by hand: certutil -D -d '%s' -n '%s'", folder,
                 reason_of(status, output, reason), database, wish->title);
    } else if (wish->is_wanted) {
        snprintf(text, sizeof text, "%s; start it anew if it runs", folder);
    } else {
        snprintf(text, sizeof text, "%s: %s", folder, removed > 0 ? "taken out" : "it is not there");
    }
    say(wish, status == 0, browser, text);
}

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static void make_nss(const char *folder, const char *parent) {
    char database[PATH_MAX + 96];
    char output[DEV_PROGRAM_OUTPUT_MAX];
    const char *const argv[] = {"certutil", "-N", "-d", database, "--empty-password", NULL};
    snprintf(database, sizeof database, "sql:%s", folder);
    (void)mkdir(parent, 0700);
    (void)mkdir(folder, 0700);
    (void)dev_program_run(argv, output);
}

/* Chromium makes its database when it first needs one, in the first of these; it is made for it. */
static void apply_to_chromium(struct wish *wish) {
    static const char *const folders[] = {".pki/nssdb", ".local/share/pki/nssdb",
                                          "snap/chromium/current/.pki/nssdb"};
    char folder[PATH_MAX + 64];
    char parent[PATH_MAX + 64];
    char database[PATH_MAX + 128];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(folder, sizeof folder, "%s/%s", wish->home, folders[i]);
        snprintf(parent, sizeof parent, "%s/.pki", wish->home);
        snprintf(database, sizeof database, "%s/cert9.db", folder);
        if (i == 0 && wish->is_wanted && access(database, F_OK) < 0) {
            make_nss(folder, parent);
        }
        if (is_folder(folder)) {
            apply_to_nss(wish, "Chromium", folder);
        }
    }
}

static void apply_to_firefox(struct wish *wish) {
    static const char *const patterns[] = {".mozilla/firefox/*/cert9.db",
                                           "snap/firefox/common/.mozilla/firefox/*/cert9.db"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char pattern[PATH_MAX + 64];
        glob_t found;
        snprintf(pattern, sizeof pattern, "%s/%s", wish->home, patterns[i]);
        if (glob(pattern, 0, NULL, &found) != 0) {
            continue;
        }
        for (size_t k = 0; k < found.gl_pathc; k++) {
            char *slash = strrchr(found.gl_pathv[k], '/');
            *slash = '\0';
            apply_to_nss(wish, "Firefox", found.gl_pathv[k]);
        }
        globfree(&found);
    }
}

/* -- that it was asked for -- */

/* A file beside the authority. Whether stores hold it is not looked up at each start: some are under a password. */
static void name_mark(const struct dev_leaf *leaf, char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%.4000s/trusted", leaf->folder);
}

static void leave_mark(const struct dev_leaf *leaf, bool is_wanted) {
    char mark[PATH_MAX];
    name_mark(leaf, mark);
    if (!is_wanted) {
        (void)unlink(mark);
        return;
    }
    int file = open(mark, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file >= 0) { /* without it, starts go on saying what to run */
        (void)futimens(file, NULL);
        close(file);
    }
}

/* An authority that was made since is another one. */
bool dev_trust_was_run(const struct dev_leaf *leaf) {
    char mark[PATH_MAX];
    struct stat marked;
    struct stat made;
    name_mark(leaf, mark);
    return stat(mark, &marked) == 0 && stat(leaf->authority, &made) == 0 &&
           (marked.st_mtim.tv_sec > made.st_mtim.tv_sec ||
            (marked.st_mtim.tv_sec == made.st_mtim.tv_sec && marked.st_mtim.tv_nsec >= made.st_mtim.tv_nsec));
}

/* -- all of them -- */

static int name_user(struct wish *wish) {
    const char *home = getenv("HOME");
    const struct passwd *user = getpwuid(geteuid());
    snprintf(wish->user, sizeof wish->user, "%.60s", user != NULL ? user->pw_name : "user");
    if (home == NULL || home[0] != '/') {
        home = user != NULL ? user->pw_dir : "/";
    }
    return snprintf(wish->home, sizeof wish->home, "%s", home) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int find_authority(bool is_wanted, struct dev_leaf *ret_leaf, char *ret_error) {
    static struct dev_names names;
    const char *list[DEV_NAMES_MAX];
    if (!is_wanted) {
        int status = dev_authority_folder(ret_leaf->folder, ret_error);
        snprintf(ret_leaf->authority, sizeof ret_leaf->authority, "%.4000s/ca.pem", ret_leaf->folder);
        return status;
    }
    dev_names_find(&names);
    for (size_t i = 0; i < names.count; i++) {
        list[i] = names.list[i];
    }
    return dev_authority_ensure((struct dev_certificate_names){list, names.count}, time(NULL), ret_leaf,
                                ret_error);
}

int dev_trust_apply(bool is_wanted, FILE *out) {
    char error[DEV_AUTHORITY_ERROR_MAX];
    struct dev_leaf leaf = {0};
    struct wish wish = {.is_wanted = is_wanted, .authority = leaf.authority, .out = out, .is_done = true};
    int status = name_user(&wish);
    snprintf(error, sizeof error, "HOME is too long");
    if (status == 0) {
        status = dev_authority_check_user(wish.home, error);
    }
    if (status == 0) {
        status = find_authority(is_wanted, &leaf, error);
    }
    if (status < 0) {
        fprintf(out, "%s\n", error);
        return status;
    }
    dev_authority_title(wish.authority, wish.title);
    fprintf(out, "%s: %s\n", wish.title, leaf.authority);
    if (is_folder(system_folder)) {
        apply_to_debian(&wish);
    } else {
        apply_to_p11_kit(&wish);
    }
    apply_to_chromium(&wish);
    apply_to_firefox(&wish);
    leave_mark(&leaf, is_wanted);
    return wish.is_done ? 0 : 1;
}
