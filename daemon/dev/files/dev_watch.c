#include "dev/files/dev_watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev/files/dev_watched.h"

enum { EVENTS_BYTES = 16384, DEPTH_MAX = 32, ABOVE_MAX = 32 };

/* A folder that leads to the root. */
struct above {
    int wd;      /* or -1 */
    size_t next; /* where in the root's path the name of the one below begins */
};

struct dev_watch {
    struct reactor_source source;
    struct reactor *reactor;
    dev_watch_callback on_change;
    void *owner;
    struct dev_watched watched;
    int cut;      /* why not all are watched, as -errno; 0: they are */
    int cut_told; /* what of that has been told */
    dev_watch_cut_callback on_cut;
    struct above above[ABOVE_MAX]; /* the nearest first */
    size_t above_count;
    struct timer gone; /* set while the root has gone and that is not told */
    bool is_gone, is_gone_told;
    dev_watch_presence_callback on_presence;
    char root[PATH_MAX];
};

static bool is_left_out(const char *name) {
    return name[0] == '.' || strcmp(name, "node_modules") == 0 || strcmp(name, "__pycache__") == 0;
}

/* A virtual environment, of thousands of files: where nobody has put one when the watch begins. */
static bool is_environment(const char *path) {
    char mark[2 * PATH_MAX + 16];
    snprintf(mark, sizeof mark, "%spyvenv.cfg", path);
    return access(mark, F_OK) == 0;
}

const char *dev_watch_explain(int status) {
    switch (status) {
    case -EMFILE:
        return "this user has as many watches as the system allows; see fs.inotify.max_user_instances";
    case -ENOSPC:
        return "this user watches as many folders as the system allows; see fs.inotify.max_user_watches";
    case -E2BIG:
        return "there are too many, or they are too deep";
    default:
        return strerror(-status);
    }
}

static void cut(struct dev_watch *watch, int status) {
    if (watch->cut == 0 ||
        watch->cut == -EACCES) { /* a bound leaves out more than a folder that may not be read */
        watch->cut = status;
    }
}

/* When a walk is over, as folders may have been watched behind one that could not be. */
static void tell_cut(struct dev_watch *watch) {
    if (watch->cut != watch->cut_told && watch->on_cut != NULL) {
        watch->cut_told = watch->cut;
        watch->on_cut(watch->owner, dev_watch_explain(watch->cut));
    }
}

/* -- the folders that are watched -- */

static void forget_all(struct dev_watch *watch) {
    for (size_t i = 0; i < watch->watched.count; i++) {
        (void)inotify_rm_watch(watch->source.fd, watch->watched.folders[i].wd);
    }
    dev_watched_clear(&watch->watched);
}

/* Its watch descriptor, the same one where it is watched already; or -1 and errno. */
static int watch_folder(const struct dev_watch *watch, const char *path) {
    return inotify_add_watch(watch->source.fd, path,
                             IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                 IN_ATTRIB | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK);
}

/* Folders that are still to be watched, by name: a level after the other, so that one that is deep, and holds more than can be
 * watched, is not in the way of its neighbours. */
struct queue {
    char **names;
    size_t first, count, capacity;
};

/* 0 or -ENOMEM. */
static int push(struct queue *queue, const char *name) {
    if (queue->count == queue->capacity) {
        size_t capacity = queue->capacity == 0 ? 64 : 2 * queue->capacity;
        char **grown = realloc(queue->names, capacity * sizeof *grown);
        if (grown == NULL) {
            return -ENOMEM;
        }
        queue->names = grown;
        queue->capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy == NULL) {
        return -ENOMEM;
    }
    queue->names[queue->count++] = copy;
    return 0;
}

static unsigned depth_of(const char *name) {
    unsigned depth = 0;
    for (const char *c = name; *c != '\0'; c++) {
        depth += *c == '/';
    }
    return depth;
}

/* What is in the folder called `name`: folders are queued, files told of where that is wanted. */
static int read_folder(struct dev_watch *watch, struct queue *queue, const char *path, const char *name,
                       bool tells) {
    DIR *stream = opendir(path);
    const struct dirent *entry;
    int status = 0;
    while (stream != NULL && status == 0 && (entry = readdir(stream)) != NULL) {
        char below[PATH_MAX];
        struct stat info;
        if (is_left_out(entry->d_name) ||
            fstatat(dirfd(stream), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0) {
            continue;
        }
        const bool is_folder = S_ISDIR(info.st_mode);
        const int length = snprintf(below, sizeof below, "%s%s%s", name, entry->d_name, is_folder ? "/" : "");
        if (length >= (int)sizeof below) {
            continue;
        }
        if (is_folder) {
            status = push(queue, below);
        } else if (tells) {
            watch->on_change(watch->owner, below);
        }
    }
    if (stream != NULL) {
        closedir(stream);
    }
    return status;
}

/* 0, also where it has gone meanwhile, or can't be watched; for the root: -ENOSPC. */
static int add_folder(struct dev_watch *watch, struct queue *queue, const char *name, bool tells) {
    char path[2 * PATH_MAX];
    const bool is_root = name[0] == '\0';
    snprintf(path, sizeof path, "%s/%s", watch->root, name);
    if (!is_root && is_environment(path)) {
        return 0;
    }
    if (watch->watched.count == DEV_WATCH_FOLDERS_MAX || depth_of(name) == DEPTH_MAX) {
        cut(watch, -E2BIG);
        return 0;
    }
    int wd = watch_folder(watch, path);
    if (wd < 0) {
        int status = -errno;
        if (status == -ENOSPC || status == -EACCES) {
            cut(watch, status);
        }
        return status == -ENOSPC && is_root ? status : 0;
    }
    int status = dev_watched_put(&watch->watched, wd, name);
    return status < 0 ? status : read_folder(watch, queue, path, name, tells);
}

/* The folder called `name` and those below it. 0, also where they are not all. */
static int add_tree(struct dev_watch *watch, const char *name, bool tells) {
    struct queue queue = {0};
    int status = push(&queue, name);
    for (; queue.first < queue.count; queue.first++) {
        if (status == 0) {
            status = add_folder(watch, &queue, queue.names[queue.first], tells);
        }
        free(queue.names[queue.first]);
    }
    free(queue.names);
    tell_cut(watch);
    return status;
}

/* The folder called `name`, which has been moved away, and those below it: the system would go on telling of them. Where it comes back
 * under another name it is added then. They are forgotten when the system says that they are (IN_IGNORED). */
static void drop_tree(struct dev_watch *watch, const char *name) {
    const size_t length = strlen(name);
    for (size_t i = 0; i < watch->watched.count; i++) {
        if (strncmp(watch->watched.folders[i].name, name, length) == 0) {
            (void)inotify_rm_watch(watch->source.fd, watch->watched.folders[i].wd);
        }
    }
}

/* -- the root itself -- */

/* It goes with any of the folders above it, and comes back with them. Those that have been one of them remain watched, and are not
 * listened to. */
static void add_above(struct dev_watch *watch) {
    char path[PATH_MAX];
    size_t length = strlen(watch->root);
    memcpy(path, watch->root, length + 1);
    for (watch->above_count = 0; length > 1 && watch->above_count < ABOVE_MAX; watch->above_count++) {
        while (path[length - 1] != '/') {
            length--;
        }
        path[length] = '\0';
        watch->above[watch->above_count] = (struct above){
            .wd = inotify_add_watch(watch->source.fd, path,
                                    IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ONLYDIR |
                                        IN_EXCL_UNLINK),
            .next = length,
        };
        length--;
    }
}

static void tell_presence(struct dev_watch *watch) {
    timer_clear(reactor_timers(watch->reactor), &watch->gone);
    if (watch->is_gone != watch->is_gone_told && watch->on_presence != NULL) {
        watch->is_gone_told = watch->is_gone;
        watch->on_presence(watch->owner, !watch->is_gone);
    }
}

static void on_gone(struct timer *timer, uint64_t now) {
    (void)now;
    tell_presence((struct dev_watch *)(void *)((char *)timer - offsetof(struct dev_watch, gone)));
}

/* Its path may lead to another folder by now, or to none. */
static void look_for_root(struct dev_watch *watch) {
    struct stat info;
    add_above(watch); /* first: what comes later is told of */
    const bool is_there = lstat(watch->root, &info) == 0 && S_ISDIR(info.st_mode);
    const struct dev_watched_folder *known =
        is_there ? dev_watched_find(&watch->watched, watch_folder(watch, watch->root)) : NULL;
    if (is_there ? known != NULL && known->name[0] == '\0' : watch->is_gone) {
        return;
    }
    forget_all(watch);
    (void)add_tree(watch, "", false);
    watch->is_gone = !is_there;
    watch->on_change(watch->owner, "");
    if (is_there || timer_set(reactor_timers(watch->reactor), &watch->gone,
                              reactor_now(watch->reactor) + DEV_WATCH_GONE_MS) < 0) {
        tell_presence(watch);
    }
}

/* Whether it is an event of a folder above. */
static bool hear_above(struct dev_watch *watch, const struct inotify_event *event) {
    for (size_t i = 0; i < watch->above_count; i++) {
        if (watch->above[i].wd == event->wd) {
            const char *name = watch->root + watch->above[i].next;
            const size_t length = strcspn(name, "/");
            if (event->len > length && strncmp(event->name, name, length) == 0 &&
                event->name[length] == '\0') {
                look_for_root(watch);
            }
            return true;
        }
    }
    return false;
}

/* -- what happens -- */

static void hear(struct dev_watch *watch, const struct inotify_event *event) {
    char name[2 * PATH_MAX];
    const struct dev_watched_folder *folder = dev_watched_find(&watch->watched, event->wd);
    if ((event->mask & IN_Q_OVERFLOW) != 0) {
        look_for_root(watch);
        (void)add_tree(watch, "", false); /* folders may have come that nobody has told of */
        watch->on_change(watch->owner, "");
        return;
    }
    if (hear_above(watch, event)) {
        return;
    }
    if ((event->mask & IN_IGNORED) != 0) {
        dev_watched_remove(&watch->watched, event->wd);
        return;
    }
    if (folder == NULL || event->len == 0 || is_left_out(event->name)) {
        return;
    }
    /* Before folders are added, which moves the one that was found. */
    int length = snprintf(name, sizeof name, "%s%s", folder->name, event->name);
    if ((event->mask & IN_ISDIR) != 0 && length + 1 < PATH_MAX) {
        char below[sizeof name + 1];
        snprintf(below, sizeof below, "%s/", name);
        if ((event->mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
            (void)add_tree(watch, below, true);
        } else if ((event->mask & IN_MOVED_FROM) != 0) {
            drop_tree(watch, below);
        }
    }
    /* A file that is being written is told of as it is made and as it is closed; of a folder, its files apart, only its coming and
     * going. */
    if ((event->mask & IN_ISDIR) == 0 ||
        (event->mask & (IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE)) != 0) {
        watch->on_change(watch->owner, name);
    }
}

static void on_ready(struct reactor_source *source, uint32_t events) {
    struct dev_watch *watch = (struct dev_watch *)(void *)source;
    _Alignas(struct inotify_event) char bytes[EVENTS_BYTES];
    (void)events;
    ssize_t length = read(source->fd, bytes, sizeof bytes);
    for (ssize_t at = 0; at < length;) {
        const struct inotify_event *event = (const struct inotify_event *)(const void *)(bytes + at);
        hear(watch, event);
        at += (ssize_t)(sizeof *event + event->len);
    }
}

int dev_watch_new(struct reactor *reactor, const char *path, dev_watch_callback on_change, void *owner,
                  struct dev_watch **ret_watch) {
    struct dev_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        return -ENOMEM;
    }
    watch->reactor = reactor;
    watch->on_change = on_change;
    watch->owner = owner;
    watch->source.on_ready = on_ready;
    watch->source.fd = -1;
    watch->gone.on_due = on_gone;
    int status = realpath(path, watch->root) == NULL ? -errno : 0;
    if (status == 0) {
        watch->source.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        status = watch->source.fd < 0 ? -errno : add_tree(watch, "", false);
    }
    if (status == 0) {
        add_above(watch);
        status = reactor_watch(reactor, &watch->source, EPOLLIN);
    }
    if (status < 0) {
        dev_watch_free(watch);
        return status;
    }
    *ret_watch = watch;
    return 0;
}

void dev_watch_free(struct dev_watch *watch) {
    if (watch == NULL) {
        return;
    }
    if (watch->source.fd >= 0) {
        (void)reactor_watch(watch->reactor, &watch->source, 0);
        close(watch->source.fd);
    }
    timer_clear(reactor_timers(watch->reactor), &watch->gone);
    dev_watched_clear(&watch->watched);
    free(watch);
}

size_t dev_watch_count(const struct dev_watch *watch) {
    return watch->watched.count;
}

void dev_watch_on_cut(struct dev_watch *watch, dev_watch_cut_callback on_cut) {
    watch->on_cut = on_cut;
    tell_cut(watch);
}

void dev_watch_on_presence(struct dev_watch *watch, dev_watch_presence_callback on_presence) {
    watch->on_presence = on_presence;
}
