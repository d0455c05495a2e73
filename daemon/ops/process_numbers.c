#include "ops/process_numbers.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    STAT_MAX = 1024,
    STARTED_PLACE = 20 /* "starttime" of proc(5), counted behind the name's parenthesis */
};

static uint64_t count_descriptors(void) {
    uint64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL) {
        return 0;
    }
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(folder);
    return count > 0 ? count - 1 : 0; /* the folder's own */
}

static void read_memory(struct process_numbers *numbers) {
    FILE *file = fopen("/proc/self/statm", "re");
    char line[128] = "";
    if (file == NULL) {
        return;
    }
    if (fgets(line, sizeof line, file) != NULL) {
        char *at = line;
        const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
        numbers->virtual_bytes = strtoull(at, &at, 10) * page;
        numbers->resident_bytes = strtoull(at, &at, 10) * page;
    }
    fclose(file);
}

/* Ticks since the system began, of /proc/self/stat. */
static uint64_t read_start_ticks(void) {
    FILE *file = fopen("/proc/self/stat", "re");
    char line[STAT_MAX] = "";
    if (file == NULL) {
        return 0;
    }
    const char *read = fgets(line, sizeof line, file);
    fclose(file);
    const char *at = read == NULL ? NULL : strrchr(line, ')');
    for (int i = 0; at != NULL && i < STARTED_PLACE; i++) {
        at = strchr(at + 1, ' ');
    }
    return at == NULL ? 0 : strtoull(at, NULL, 10);
}

static double now_of(clockid_t clock) {
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct process_numbers process_numbers(void) {
    struct process_numbers numbers = {.descriptors = count_descriptors(), .descriptors_max = UINT64_MAX};
    struct rlimit limit;
    read_memory(&numbers);
    numbers.cpu_seconds = now_of(CLOCK_PROCESS_CPUTIME_ID);
    const double age = now_of(CLOCK_BOOTTIME) - (double)read_start_ticks() / (double)sysconf(_SC_CLK_TCK);
    numbers.start_seconds = now_of(CLOCK_REALTIME) - age;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        numbers.descriptors_max = limit.rlim_cur;
    }
    return numbers;
}
