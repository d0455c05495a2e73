#include "dev/files/dev_watched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Its place, or where it would be. */
static size_t find(const struct dev_watched *watched, int wd) {
    size_t low = 0;
    size_t high = watched->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (watched->folders[middle].wd < wd) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct dev_watched_folder *folder_of(const struct dev_watched *watched, int wd) {
    size_t at = find(watched, wd);
    return at < watched->count && watched->folders[at].wd == wd ? &watched->folders[at] : NULL;
}

const struct dev_watched_folder *dev_watched_find(const struct dev_watched *watched, int wd) {
    return folder_of(watched, wd);
}

int dev_watched_put(struct dev_watched *watched, int wd, const char *name) {
    struct dev_watched_folder *known = folder_of(watched, wd);
    char *copy = strdup(name);
    if (copy == NULL) {
        return -ENOMEM;
    }
    if (known != NULL) {
        free(known->name);
        known->name = copy;
        return 0;
    }
    if (watched->count == watched->capacity) {
        size_t capacity = watched->capacity == 0 ? 64 : 2 * watched->capacity;
        struct dev_watched_folder *grown = realloc(watched->folders, capacity * sizeof *grown);
        if (grown == NULL) {
            free(copy);
            return -ENOMEM;
        }
        watched->folders = grown;
        watched->capacity = capacity;
    }
    size_t at = find(watched, wd);
    memmove(&watched->folders[at + 1], &watched->folders[at],
            (watched->count - at) * sizeof *watched->folders);
    watched->folders[at] = (struct dev_watched_folder){wd, copy};
    watched->count++;
    return 0;
}

void dev_watched_remove(struct dev_watched *watched, int wd) {
    struct dev_watched_folder *known = folder_of(watched, wd);
    if (known == NULL) {
        return;
    }
    free(known->name);
    size_t behind = watched->count - (size_t)(known - watched->folders) - 1;
    memmove(known, known + 1, behind * sizeof *known);
    watched->count--;
}

void dev_watched_clear(struct dev_watched *watched) {
    for (size_t i = 0; i < watched->count; i++) {
        free(watched->folders[i].name);
    }
    free(watched->folders);
    *watched = (struct dev_watched){0};
}
