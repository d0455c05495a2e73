#include "dev/site/dev_root.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dev/files/dev_folder.h"
#include "dev/files/dev_page.h"
#include "dev/files/dev_path.h"
#include "dev/site/dev_listing.h"
#include "dev/site/dev_own_page.h"
#include "http/media_type.h"
#include "http/range.h"

enum { TAG_MAX = 128, DATE_MAX = HTTP_DATE_LENGTH + 1, FIELDS_MAX = 512, SCRIPT_LINE_MAX = 128 };

struct dev_root {
    struct dev_folder *folder;
    bool spa;
    const struct dev_programs *programs;
    const char *script;
    const atomic_uint *edition;
    struct dev_asked *asked;
};

/* For its own origin alone: no Access-Control-Allow-Origin, ever. */
static const char own_fields[] =
    "Cache-Control: no-cache\r\nCross-Origin-Resource-Policy: same-origin\r\nVary: Sec-Fetch-Dest\r\n";

/* A request in work. */
struct job {
    const struct dev_root *root;
    const struct request_head *head;
    const struct response_sink *sink;
    struct page_body *ret_body;
    unsigned edition; /* before any file was looked at */
    bool counts;      /* what it asks for concerns a page when it changes */
};

/* `text` is ours, and short. */
static int answer_text(const struct job *job, int status, const char *fields, const char *text) {
    char all[DEV_PATH_MAX * 3 + FIELDS_MAX];
    char line[128];
    int length = snprintf(line, sizeof line, "%s\n", text);
    snprintf(all, sizeof all, "Cache-Control: no-store\r\n%s", fields);
    const struct response response = {.status = status,
                                      .type = "text/plain; charset=utf-8",
                                      .fields = all,
                                      .body = daffi_span_of(line, (size_t)length),
                                      .to_head = job->head->method == REQUEST_HEAD,
                                      .close = !response_keeps_alive(job->head)};
    return response_write(&response, job->sink);
}

/* Whether somebody goes there, to see a page: by Fetch Metadata where there is such, else by what is accepted. */
static bool navigates(const struct request_head *head) {
    const struct daffi_span goal = request_head_find(head, "Sec-Fetch-Dest");
    if (goal.data == NULL) {
        return request_head_has_token(head, "Accept", "text/html");
    }
    return daffi_span_equal(goal, daffi_span_text("document")) ||
           daffi_span_equal(goal, daffi_span_text("iframe")) ||
           daffi_span_equal(goal, daffi_span_text("frame"));
}

/* What pages of other origins load, browsers withhold from them (own_fields): it concerns nobody when it changes, and
 * they might ask for names without end, unseen. Where they lead to, in a window or a frame, is a page that follows the
 * files as any other. No page can have its browser say otherwise of it.                             (Fetch Metadata) */
static bool counts(const struct request_head *head) {
    const struct daffi_span site = request_head_find(head, "Sec-Fetch-Site");
    return site.data == NULL || daffi_span_equal(site, daffi_span_text("same-origin")) ||
           daffi_span_equal(site, daffi_span_text("none")) || navigates(head);
}

static void note(const struct job *job, const char *name) {
    if (job->counts) {
        dev_asked_add(job->root->asked, name);
    }
}

/* What is put into a page, `attributes` with it; empty where there is no script. */
static void format_line(const struct job *job, const char *attributes, char out[SCRIPT_LINE_MAX]) {
    out[0] = '\0';
    if (job->root->script != NULL) {
        snprintf(out, SCRIPT_LINE_MAX, "<script src=\"%s?%u\"%s></script>", job->root->script, job->edition,
                 attributes);
    }
}

/* A page of our own, which is freed. */
static int answer_own_page(const struct job *job, int status, char *text, size_t length) {
    const struct response response = {.status = status,
                                      .type = "text/html; charset=utf-8",
                                      .fields = DEV_OWN_PAGE_FIELDS,
                                      .body = daffi_span_of(text, length),
                                      .to_head = job->head->method == REQUEST_HEAD,
                                      .close = !response_keeps_alive(job->head)};
    int written = response_write(&response, job->sink);
    free(text);
    return written;
}

/* There is no such file, or not now. Who navigates gets a page that follows the files as any other: build tools remove a page
 * before they write it anew, and who is shown it in between must not be left behind. */
static int answer_refusal(const struct job *job, int status, const char *name, const char *why) {
    char line[SCRIPT_LINE_MAX];
    char *text = NULL;
    size_t length = 0;
    format_line(job, "", line);
    if (navigates(job->head) && dev_own_page_refuse(name, status, why, line, &text, &length) == 0) {
        return answer_own_page(job, status, text, length);
    }
    return answer_text(job, status, "", why);
}

/* Opens it, as dev_folder_open_file does. That it was asked for is noted, under the name that it has behind links, too: a change of
 * either concerns who asked. Of a folder it is the index.html. */
static int open_file(const struct job *job, const char *name, struct stat *ret_info) {
    char wanted[DEV_PATH_MAX + sizeof "index.html"];
    char real[PATH_MAX];
    bool is_folder = name[0] == '\0' || name[strlen(name) - 1] == '/';
    snprintf(wanted, sizeof wanted, "%s%s", name, is_folder ? "index.html" : "");
    note(job, wanted);
    int fd = dev_folder_open_file(job->root->folder, name, ret_info);
    if (fd >= 0 && dev_folder_find_name(job->root->folder, fd, real) == 0 && strcmp(name, real) != 0) {
        note(job, real);
    }
    return fd;
}

/* -- a file -- */

/* Its state is its tag: which file it is, when it was changed, to the nanosecond, how long it is, and what is put into it. Its date
 * alone may have been set back to what it was (cp -p, reproducible builds); ctime nobody can set. */
static void format_tag(const struct stat *info, const char *more, char out[TAG_MAX]) {
    snprintf(out, TAG_MAX, "\"%llx-%llx.%lx-%llx.%lx-%llx%s\"", (unsigned long long)info->st_ino,
             (unsigned long long)info->st_mtim.tv_sec, (unsigned long)info->st_mtim.tv_nsec,
             (unsigned long long)info->st_ctim.tv_sec, (unsigned long)info->st_ctim.tv_nsec,
             (unsigned long long)info->st_size, more);
}

/* If-None-Match decides where it is there, else If-Modified-Since.                            (RFC 9110, 13.1.3) */
static bool is_unchanged(const struct request_head *head, const char *tag, time_t changed) {
    char text[DATE_MAX];
    struct tm tm = {0};
    const struct daffi_span since = request_head_find(head, "If-Modified-Since");
    if (request_head_find(head, "If-None-Match").data != NULL) {
        return response_is_unchanged(head, tag);
    }
    if (since.length == 0 || since.length >= sizeof text) {
        return false;
    }
    memcpy(text, since.data, since.length);
    text[since.length] = '\0';
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    return end != NULL && *end == '\0' && changed <= timegm(&tm);
}

/* The file `fd`, which is taken over. */
static int answer_file(const struct job *job, int fd, const struct stat *info, const char *name) {
    char tag[TAG_MAX];
    char text[FIELDS_MAX];
    char head_bytes[RESPONSE_HEAD_MAX];
    struct range range = {0};
    struct head_writer fields = head_writer_of(text, sizeof text);
    format_tag(info, "", tag);
    head_put(&fields, "ETag: ");
    head_put(&fields, tag);
    head_put(&fields, "\r\nLast-Modified: ");
    head_put_date(&fields, info->st_mtim.tv_sec);
    head_put(&fields, "\r\nAccept-Ranges: bytes\r\n");
    head_put(&fields, own_fields);
    struct response response = {.status = 200,
                                .type = media_type_of(name),
                                .fields = text,
                                .to_head = job->head->method == REQUEST_HEAD,
                                .close = !response_keeps_alive(job->head)};
    if (is_unchanged(job->head, tag, info->st_mtim.tv_sec)) {
        response.status = 304;
    } else {
        range = range_apply(job->head, tag, (size_t)info->st_size, &fields, &response);
    }
    response.body = daffi_span_of(NULL, range.length); /* its length alone: the door reads the file */
    int head_length = response_format_head(&response, head_bytes, sizeof head_bytes);
    int status =
        head_length < 0 ? head_length : job->sink->write(job->sink->owner, head_bytes, (size_t)head_length);
    if (status == 0 && (response.status == 200 || response.status == 206) && !response.to_head &&
        range.length > 0) {
        *job->ret_body = (struct page_body){fd, range.first, range.length};
        return 0;
    }
    close(fd);
    return status;
}

/* An HTML page with the line in it: made anew each time. `fd` is taken over. */
static int answer_page(const struct job *job, int fd, const struct stat *info, const char *name) {
    char tag[TAG_MAX];
    char line[SCRIPT_LINE_MAX];
    char edition[16];
    char fields[FIELDS_MAX];
    char *text = NULL;
    size_t length = 0;
    snprintf(edition, sizeof edition, "+%u", job->edition);
    format_tag(info, edition, tag);
    format_line(job, "", line);
    int status = dev_page_read(fd, (size_t)info->st_size, line, &text, &length);
    close(fd);
    if (status < 0) {
        return answer_refusal(job, 503, name,
                              "the file can't be read now: it changes, or there is no memory");
    }
    snprintf(fields, sizeof fields, "ETag: %s\r\n%s", tag, own_fields);
    const struct response response = {.status = response_is_unchanged(job->head, tag) ? 304 : 200,
                                      .type = "text/html; charset=utf-8",
                                      .fields = fields,
                                      .body = daffi_span_of(text, length),
                                      .to_head = job->head->method == REQUEST_HEAD,
                                      .close = !response_keeps_alive(job->head)};
    status = response_write(&response, job->sink);
    free(text);
    return status;
}

static int answer_open_file(const struct job *job, int fd, const struct stat *info, const char *name) {
    bool is_page = strncmp(media_type_of(name), "text/html", 9) == 0;
    if (is_page && job->root->script != NULL && navigates(job->head) && info->st_size <= DEV_ROOT_PAGE_MAX) {
        return answer_page(job, fd, info, name);
    }
    return answer_file(job, fd, info, name);
}

/* -- what is no file -- */

static int answer_listing(const struct job *job, int fd, const char *name) {
    char *text = NULL;
    size_t length = 0;
    char line[SCRIPT_LINE_MAX];
    note(job, name);
    format_line(job, " data-listing", line);
    if (dev_listing_write(job->root->folder, fd, name, line, &text, &length) < 0) {
        return answer_refusal(job, 503, name, "the folder can't be read now");
    }
    return answer_own_page(job, 200, text, length);
}

/* The address of a folder ends in a slash: what its pages name is then looked for in it. */
static int answer_redirect(const struct job *job) {
    char fields[DEV_PATH_MAX * 3 + 64];
    const struct daffi_span path = job->head->path;
    const struct daffi_span query = job->head->query;
    int length = snprintf(fields, sizeof fields, "Location: %.*s/%s%.*s\r\n", (int)path.length,
                          (const char *)path.data, query.length > 0 ? "?" : "", (int)query.length,
                          query.length > 0 ? (const char *)query.data : "");
    if (length < 0 || (size_t)length >= sizeof fields || (size_t)length > RESPONSE_HEAD_MAX / 2) {
        return answer_text(job, 414, "", "the address is too long");
    }
    return answer_text(job, 308, fields, "this is a folder: its address ends in a slash");
}

static int answer_folder(const struct job *job, int fd, const char *name) {
    char index[DEV_PATH_MAX + sizeof "index.html"];
    struct stat info;
    size_t length = strlen(name);
    if (length > 0 && name[length - 1] != '/') {
        close(fd);
        return answer_redirect(job);
    }
    snprintf(index, sizeof index, "%sindex.html", name);
    int file = open_file(job, index, &info);
    if (file >= 0 && S_ISREG(info.st_mode)) {
        close(fd);
        return answer_open_file(job, file, &info, index);
    }
    if (file >= 0) {
        close(file);
    }
    return answer_listing(job, fd, name);
}

static const char absent[] = "there is no such file in the folder that is served";

/* Browsers ask for it of themselves, and a 404 is an error on the console of each page. */
static int answer_nothing(const struct job *job) {
    const struct response response = {
        .status = 204, .fields = "Cache-Control: no-store\r\n", .close = !response_keeps_alive(job->head)};
    return response_write(&response, job->sink);
}

static int answer_absent(const struct job *job, const char *name) {
    struct stat info;
    if (job->root->spa && navigates(job->head)) {
        int fd = open_file(job, "index.html", &info);
        if (fd >= 0 && S_ISREG(info.st_mode)) {
            return answer_open_file(job, fd, &info, "index.html");
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    if (strcmp(name, "favicon.ico") == 0 && !navigates(job->head)) {
        return answer_nothing(job);
    }
    return answer_refusal(job, 404, name, absent);
}

static bool is_bridges_own(struct daffi_span path) {
    static const char root[] = "/_bridge";
    bool below = path.length >= sizeof root - 1 && memcmp(path.data, root, sizeof root - 1) == 0;
    return daffi_span_equal(path, daffi_span_text("/healthz")) ||
           (below && (path.length == sizeof root - 1 || path.data[sizeof root - 1] == '/'));
}

int dev_root_answer(const struct dev_root *root, const struct request_head *head,
                    const struct response_sink *sink, struct page_body *ret_body) {
    const struct job job = {.root = root,
                            .head = head,
                            .sink = sink,
                            .ret_body = ret_body,
                            .edition = root->edition != NULL ? atomic_load(root->edition) : 0,
                            .counts = counts(head)};
    char name[DEV_PATH_MAX + 1];
    struct stat info;
    if (is_bridges_own(head->path)) {
        return -ENOENT;
    }
    if (dev_path_decode(head->path, name) < 0) {
        const struct daffi_span path = head->path;
        snprintf(name, sizeof name, "%.*s", path.length > 1 ? (int)path.length - 1 : 0,
                 (const char *)path.data + 1);
        return answer_refusal(&job, 404, name, absent);
    }
    int fd = open_file(&job, name, &info);
    if (fd == -EACCES || fd == -EPERM) {
        return answer_refusal(&job, 403, name, "the user that daffi-bridge runs as may not read this file");
    }
    if (fd < 0) {
        return fd == -ENOENT ? answer_absent(&job, name)
                             : answer_refusal(&job, 503, name, "the file can't be opened now");
    }
    if (S_ISDIR(info.st_mode)) {
        return answer_folder(&job, fd, name);
    }
    if (root->programs != NULL && dev_programs_have(root->programs, &info)) {
        close(fd);
        return answer_refusal(&job, 404, name,
                              "this is the program of a worker (behind --), which is not served");
    }
    return answer_open_file(&job, fd, &info, name);
}

int dev_root_new(const struct dev_root_setup *setup, struct dev_root **ret_root) {
    struct dev_root *root = calloc(1, sizeof *root);
    if (root == NULL) {
        return -ENOMEM;
    }
    root->asked = dev_asked_new();
    int status = root->asked == NULL ? -ENOMEM : dev_folder_open(setup->path, &root->folder);
    if (status < 0) {
        dev_root_free(root);
        return status;
    }
    root->spa = setup->spa;
    root->programs = setup->programs;
    root->script = setup->script;
    root->edition = setup->edition;
    *ret_root = root;
    return 0;
}

void dev_root_free(struct dev_root *root) {
    if (root != NULL) {
        dev_folder_free(root->folder);
        dev_asked_free(root->asked);
    }
    free(root);
}

const char *dev_root_path(const struct dev_root *root) {
    return dev_folder_path(root->folder);
}

struct dev_asked *dev_root_asked(const struct dev_root *root) {
    return root->asked;
}
