#include "dev/site/dev_listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dev/files/dev_path.h"
#include "dev/site/dev_own_page.h"

enum { ENCODED_MAX = 6 * NAME_MAX + 1 };

struct entry {
    char *name;
    bool is_folder;
    off_t size;
    time_t changed;
};

struct list {
    const struct dev_folder *root;
    const char *folder; /* its name below the root */
    struct entry *entries;
    size_t count, capacity;
    bool is_cut;
};

/* Folders first, then by name. */
static int compare(const void *a, const void *b) {
    const struct entry *one = a;
    const struct entry *other = b;
    return one->is_folder != other->is_folder ? (one->is_folder ? -1 : 1) : strcmp(one->name, other->name);
}

/* Whether its address leads back to it. */
static bool has_address(const struct list *list, const char *name) {
    char path[DEV_PATH_MAX + 2];
    char address[3 * sizeof path + 1];
    char decoded[DEV_PATH_MAX + 1];
    int length = snprintf(path, sizeof path, "/%s%s", list->folder, name);
    return (size_t)length < sizeof path && dev_path_encode(path, address, sizeof address) == 0 &&
           dev_path_decode(daffi_span_text(address), decoded) >= 0;
}

/* What may be asked for: a file, a folder, or a link to one of them below the root. */
static bool look_at(const struct list *list, DIR *folder, const char *name, struct stat *ret_info) {
    char path[DEV_PATH_MAX + 1];
    if (!has_address(list, name) || fstatat(dirfd(folder), name, ret_info, AT_SYMLINK_NOFOLLOW) < 0) {
        return false;
    }
    if (!S_ISLNK(ret_info->st_mode)) {
        return S_ISREG(ret_info->st_mode) || S_ISDIR(ret_info->st_mode);
    }
    snprintf(path, sizeof path, "%s%s", list->folder, name);
    int fd = dev_folder_open_file(list->root, path, ret_info);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static int add(struct list *list, DIR *folder, const char *name) {
    struct stat info;
    if (!look_at(list, folder, name, &info)) {
        return 0;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        struct entry *grown = realloc(list->entries, capacity * sizeof *grown);
        if (grown == NULL) {
            return -ENOMEM;
        }
        list->entries = grown;
        list->capacity = capacity;
    }
    struct entry *made = &list->entries[list->count];
    *made = (struct entry){.name = strdup(name),
                           .is_folder = S_ISDIR(info.st_mode),
                           .size = info.st_size,
                           .changed = info.st_mtime};
    list->count += made->name != NULL;
    return made->name != NULL ? 0 : -ENOMEM;
}

static int read_list(DIR *folder, struct list *list) {
    const struct dirent *entry;
    int status = 0;
    while (status == 0 && !list->is_cut && (entry = readdir(folder)) != NULL) {
        if (list->count < DEV_LISTING_MAX) {
            status = add(list, folder, entry->d_name);
        } else { /* what comes now is not looked at: others wait for this thread */
            list->is_cut = entry->d_name[0] != '.';
        }
    }
    if (list->count > 0) {
        qsort(list->entries, list->count, sizeof *list->entries, compare);
    }
    return status;
}

static void format_size(off_t size, char out[32]) {
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    double shown = (double)size;
    size_t unit = 0;
    while (shown >= 1000 && unit + 1 < sizeof units / sizeof *units) {
        shown /= 1000;
        unit++;
    }
    snprintf(out, 32, unit == 0 ? "%.0f %s" : "%.1f %s", shown, units[unit]);
}

static void write_entry(FILE *out, const struct entry *entry) {
    char address[ENCODED_MAX];
    char shown[ENCODED_MAX];
    char size[32] = "";
    char changed[64] = "";
    struct tm tm;
    const char *slash = entry->is_folder ? "/" : "";
    if (dev_path_encode(entry->name, address, sizeof address) < 0 ||
        dev_path_escape_html(entry->name, shown, sizeof shown) < 0) {
        return;
    }
    if (!entry->is_folder) {
        format_size(entry->size, size);
    }
    if (localtime_r(&entry->changed, &tm) != NULL) {
        (void)strftime(changed, sizeof changed, "%Y-%m-%d %H:%M", &tm);
    }
    fprintf(out, "<tr><td><a href=\"./%s%s\">%s%s</a><td>%s<td>%s\n", address, slash, shown, slash, size,
            changed);
}

static void write_page(FILE *out, const struct list *list) {
    const char *name = list->folder;
    dev_own_page_begin(out, name);
    fputs("<table>\n", out);
    if (name[0] != '\0') {
        fputs("<tr><td><a href=\"../\">../</a><td><td>\n", out);
    }
    for (size_t i = 0; i < list->count; i++) {
        write_entry(out, &list->entries[i]);
    }
    fputs("</table>\n", out);
    if (list->count == 0) {
        fputs("<p>Nothing is in this folder yet: an index.html in it would be shown here.</p>\n", out);
    }
    if (list->is_cut) {
        fprintf(out, "<p>There are more than %d entries; these are the first that were found.</p>\n",
                DEV_LISTING_MAX);
    }
}

int dev_listing_write(const struct dev_folder *root, int fd, const char *name, const char *line,
                      char **ret_text, size_t *ret_length) {
    struct list list = {.root = root, .folder = name};
    DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        int status = -errno;
        close(fd);
        return status;
    }
    int status = read_list(folder, &list);
    closedir(folder);
    char *text = NULL;
    size_t length = 0;
    FILE *out = status == 0 ? open_memstream(&text, &length) : NULL;
    if (out != NULL) {
        write_page(out, &list);
        fputs(line, out);
    }
    if (status == 0 && (out == NULL || fclose(out) != 0)) {
        free(text);
        status = -ENOMEM;
    } else if (status == 0) {
        *ret_text = text;
        *ret_length = length;
    }
    for (size_t i = 0; i < list.count; i++) {
        free(list.entries[i].name);
    }
    free(list.entries);
    return status;
}
