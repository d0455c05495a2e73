/* One folder whose files may be read, and nothing outside of it, however it is asked: everything is opened below it
 * (openat2 with RESOLVE_BENEATH, so that `..`, absolute and outward symbolic links lead nowhere).       (openat2(2)) */
#ifndef DEV_FOLDER_H
#define DEV_FOLDER_H

#include <limits.h>
#include <sys/stat.h>

struct dev_folder;

/* 0, or -errno: -ENOTDIR when it is no folder. */
int dev_folder_open(const char *path, struct dev_folder **ret_folder);
void dev_folder_free(struct dev_folder *folder); /* NULL-safe */

/* Its own path, absolute, without symbolic links, as it was when it was opened: a folder that takes its place is
 * served from then on, a link that does is not. */
const char *dev_folder_path(const struct dev_folder *folder);

/* Opens the regular file or folder of that name (relative, as dev_path_decode gives it; "" is the folder itself) for
 * reading. The descriptor, the caller's to close, and *ret_info; or -ENOENT for what is not there, is neither of
 * both, lies outside, or is hidden (also what a link leads to); -EACCES, -EMFILE and the like as they are. */
int dev_folder_open_file(const struct dev_folder *folder, const char *name, struct stat *ret_info);

/* The name below the folder of what dev_folder_open_file has opened, links followed; "" for the folder itself. 0, or
 * -ENOENT for what is hidden, or outside, or no longer there. */
int dev_folder_find_name(const struct dev_folder *folder, int fd, char out[PATH_MAX]);

#endif
