/* The folders that are watched, by their watch descriptors. */
#ifndef DEV_WATCHED_H
#define DEV_WATCHED_H

#include <stddef.h>

struct dev_watched_folder {
    int wd;
    char *name; /* relative, with a slash at its end; "" for the root */
};

/* All zero: none. */
struct dev_watched {
    struct dev_watched_folder *folders; /* by wd */
    size_t count, capacity;
};

/* Until the next change; NULL: it is not watched. */
const struct dev_watched_folder *dev_watched_find(const struct dev_watched *watched, int wd);

/* One more, or another name of one that has been moved. 0 or -ENOMEM. */
int dev_watched_put(struct dev_watched *watched, int wd, const char *name);

void dev_watched_remove(struct dev_watched *watched, int wd); /* fine where it is not there */
void dev_watched_clear(struct dev_watched *watched);

#endif
