/* Configuration files for tests: each is written into a folder of its own, which goes when the suite ends. */
#ifndef CONFIG_FIXTURE_H
#define CONFIG_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char fixture_folder[] = "/tmp/test_config.XXXXXX";
static char fixture_file[sizeof fixture_folder + 16];

static int fixture_begin(void **state) {
    (void)state;
    if (mkdtemp(fixture_folder) == NULL) {
        return -1;
    }
    snprintf(fixture_file, sizeof fixture_file, "%s/bridge.json", fixture_folder);
    return 0;
}

static int fixture_end(void **state) {
    (void)state;
    unlink(fixture_file);
    return rmdir(fixture_folder);
}

/* Writes the file and returns its path. */
static inline const char *fixture_write_bytes(const char *text, size_t length) {
    FILE *file = fopen(fixture_file, "we");
    if (file == NULL || fwrite(text, 1, length, file) != length || fclose(file) != 0) {
        perror(fixture_file);
        exit(1);
    }
    return fixture_file;
}

static inline const char *fixture_write(const char *text) {
    return fixture_write_bytes(text, strlen(text));
}

#endif
