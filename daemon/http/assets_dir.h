/* Other versions of the client, side by side in a folder: DIR/VERSION/FILE, so that pages that name an older version go on
 * working. Read into memory once; FILE.br and FILE.gz beside a FILE are its compressed forms. Hidden files and folders within a
 * version are passed over. Symbolic links are followed within DIR (latest -> 2.0.0); one that leads out of it is refused, as
 * whatever it names would be served to anybody.                                                                  (`assets.dir`) */
#ifndef ASSETS_DIR_H
#define ASSETS_DIR_H

#include <stdbool.h>

#include "daffi/span.h"
#include "http/embedded.h"

enum {
    ASSETS_DIR_VERSIONS_MAX = 64,
    ASSETS_DIR_FILES_MAX = 64,        /* of a version */
    ASSETS_DIR_BYTES_MAX = 256 << 20, /* of all files together */
    ASSETS_DIR_VERSION_NAME_MAX = 64, /* letters, digits, '.', '-', '_' and '+', the first no '.' */
    ASSETS_DIR_ERROR_MAX = 512,
};

struct assets_dir;

/* 0; or a negative errno and one line in `ret_error`, which names the file. */
int assets_dir_load(const char *path, struct assets_dir **ret_dir, char ret_error[ASSETS_DIR_ERROR_MAX]);
void assets_dir_free(struct assets_dir *dir); /* NULL-safe */

/* The files of a version; NULL when it is not there, or `dir` is NULL. */
const struct embedded_files *assets_dir_find(const struct assets_dir *dir, struct daffi_span version);

/* Whether it names one version for ever, N.N.N with a pre-release or without, and not what may be another one tomorrow
 * ("latest", "1.9").                                                              (Semantic Versioning 2.0.0, 2 and 9) */
bool assets_dir_is_exact(struct daffi_span version);

#endif
