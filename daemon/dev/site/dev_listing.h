/* The page that shows what is in a folder. */
#ifndef DEV_LISTING_H
#define DEV_LISTING_H

#include <stddef.h>

#include "dev/files/dev_folder.h"

enum { DEV_LISTING_MAX = 10000 }; /* entries; a line says that there are more */

/* HTML of the folder called `name` (of dev_path_decode: empty, or with a slash at its end) below `root`, open as `fd`,
 * which is taken over in every case; `line` is put behind it. What can't be asked for is not in it: what is hidden,
 * links that lead out, and names that dev_path_decode takes for none.
 * 0 and *ret_text, the caller's to free; -ENOMEM or another -errno. */
int dev_listing_write(const struct dev_folder *root, int fd, const char *name, const char *line,
                      char **ret_text, size_t *ret_length);

#endif
