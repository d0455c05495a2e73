#include "dev/site/dev_asked.h"

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dev_asked {
    pthread_mutex_t lock;
    char *names[DEV_ASKED_MAX]; /* in order */
    size_t count;
    bool is_full; /* there were more */
};

struct dev_asked *dev_asked_new(void) {
    struct dev_asked *asked = calloc(1, sizeof *asked);
    if (asked != NULL) {
        pthread_mutex_init(&asked->lock, NULL);
    }
    return asked;
}

void dev_asked_free(struct dev_asked *asked) {
    if (asked != NULL) {
        for (size_t i = 0; i < asked->count; i++) {
            free(asked->names[i]);
        }
        pthread_mutex_destroy(&asked->lock);
    }
    free(asked);
}

/* The first that does not come before `name`: its place, or where it would be. */
static size_t find(const struct dev_asked *asked, const char *name) {
    size_t low = 0;
    size_t high = asked->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(asked->names[middle], name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_there(const struct dev_asked *asked, size_t at, const char *name) {
    return at < asked->count && strcmp(asked->names[at], name) == 0;
}

void dev_asked_add(struct dev_asked *asked, const char *name) {
    pthread_mutex_lock(&asked->lock);
    size_t at = find(asked, name);
    if (!asked->is_full && !is_there(asked, at, name)) {
        char *copy = asked->count < DEV_ASKED_MAX ? strdup(name) : NULL;
        if (copy == NULL) {
            asked->is_full = true;
        } else {
            memmove(&asked->names[at + 1], &asked->names[at], (asked->count - at) * sizeof *asked->names);
            asked->names[at] = copy;
            asked->count++;
        }
    }
    pthread_mutex_unlock(&asked->lock);
}

/* `name` with a slash behind it is a folder: something in it has been asked for. */
static bool is_folder_of_any(const struct dev_asked *asked, const char *name) {
    char folder[2 * PATH_MAX];
    int length = snprintf(folder, sizeof folder, "%s/", name);
    if ((size_t)length >= sizeof folder) {
        return false;
    }
    size_t at = find(asked, folder);
    return at < asked->count && strncmp(asked->names[at], folder, (size_t)length) == 0;
}

static bool is_listed(const struct dev_asked *asked, const char *name) {
    char folder[2 * PATH_MAX];
    const char *slash = strrchr(name, '/');
    snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash + 1 - name) : 0, name);
    return is_there(asked, find(asked, folder), folder);
}

enum dev_asked_match dev_asked_find(struct dev_asked *asked, const char *changed) {
    pthread_mutex_lock(&asked->lock);
    enum dev_asked_match match = asked->is_full || changed[0] == '\0' ||
                                         is_there(asked, find(asked, changed), changed) ||
                                         is_folder_of_any(asked, changed)
                                     ? DEV_ASKED_FOR
                                 : is_listed(asked, changed) ? DEV_ASKED_LISTED
                                                             : DEV_ASKED_NOT;
    pthread_mutex_unlock(&asked->lock);
    return match;
}
