/* A folder for one test, and all that it leaves in there. */
#ifndef TESTS_SCRATCH_FOLDER_H
#define TESTS_SCRATCH_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

enum { SCRATCH_FOLDER_MAX = 64, SCRATCH_DESCRIPTORS = 16 };

/* Writes its path. Aborts when there is none to be had, as a test has nothing else to do then. */
static inline void scratch_folder_make(char out[SCRATCH_FOLDER_MAX]) {
    snprintf(out, SCRATCH_FOLDER_MAX, "/tmp/daffi-test-XXXXXX");
    if (mkdtemp(out) == NULL) {
        abort();
    }
}

static inline int scratch_folder_remove_one(const char *path, const struct stat *info, int type,
                                            struct FTW *place) {
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

/* With all in it, links not followed. 0 or -1. */
static inline int scratch_folder_remove(const char *path) {
    return nftw(path, scratch_folder_remove_one, SCRATCH_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

#endif
