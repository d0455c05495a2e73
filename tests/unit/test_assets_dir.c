/* A folder of versions: what is read of it, what is answered out of it, and what is refused by name. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/assets.h"
#include "scratch_folder.h"
#include "sink.h"

static char root[SCRATCH_FOLDER_MAX];
static char error[ASSETS_DIR_ERROR_MAX];
static struct sink out;

static const char *path_of(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void make_folder(const char *name) {
    assert_int_equal(mkdir(path_of(name), 0700), 0);
}

static void write_file(const char *name, const char *text) {
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state) {
    (void)state;
    error[0] = '\0';
    scratch_folder_make(root);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    return scratch_folder_remove(root);
}

static void answer(const struct assets *assets, const char *path, const char *fields, int status) {
    static const struct request_limits limits = {.head_bytes = 4096, .headers = 20};
    char text[1024];
    struct request_head head;
    size_t size;
    struct request_refusal refusal;
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", path, fields);
    assert_int_equal(request_head_parse(daffi_span_text(text), &limits, &head, &size, &refusal), 0);
    sink_clear(&out);
    struct response_sink sink = sink_of(&out);
    assert_int_equal(assets_answer(assets, &head, &sink), status);
}

static void versions_stand_side_by_side(void **state) {
    (void)state;
    static const struct embedded_file files[] = {
        {"daffi.js", {(const uint8_t *)"ours", 4, "\"ours\""}, {NULL, 0, NULL}, {NULL, 0, NULL}}};
    static const struct embedded_files table = {files, 1};
    struct assets_dir *dir = NULL;
    make_folder("2.0.0");
    make_folder("2.0.0/examples");
    write_file("2.0.0/daffi.js", "two two two");
    write_file("2.0.0/daffi.js.br", "brotli");
    write_file("2.0.0/daffi.js.gz", "gzip, but longer than it is");
    write_file("2.0.0/.hidden", "secret");
    write_file("README", "no version");
    make_folder("3.1.0");
    write_file("3.1.0/daffi.js", "not ours");
    assert_int_equal(assets_dir_load(root, &dir, error), 0);
    const struct assets assets = {&table, "3.1.0", dir};
    answer(&assets, "/gh/600apples/daffi@2.0.0/js-client/daffi.js", "", 0);
    assert_non_null(strstr(out.bytes, "two two two"));
    assert_non_null(strstr(out.bytes, "max-age=31536000, immutable"));
    assert_non_null(strstr(out.bytes, "Content-Type: text/javascript"));
    answer(&assets, "/gh/600apples/daffi@2.0.0/js-client/daffi.js", "Accept-Encoding: br, gzip\r\n", 0);
    assert_non_null(strstr(out.bytes, "Content-Encoding: br\r\n"));
    assert_non_null(strstr(out.bytes, "\r\n\r\nbrotli"));
    answer(&assets, "/gh/600apples/daffi@2.0.0/js-client/daffi.js", "Accept-Encoding: gzip\r\n", 0);
    assert_null(strstr(out.bytes, "Content-Encoding"));
    /* A version answers by itself or not at all. */
    answer(&assets, "/gh/600apples/daffi@2.0.0/js-client/app.wasm", "", -ENOENT);
    answer(&assets, "/gh/600apples/daffi@2.0.0/js-client/.hidden", "", -ENOENT);
    answer(&assets, "/gh/600apples/daffi@2.0.0/js-client/daffi.js.br", "", -ENOENT);
    /* Ours is ours, and answers for those that are not there. */
    answer(&assets, "/gh/600apples/daffi@3.1.0/js-client/daffi.js", "", 0);
    assert_non_null(strstr(out.bytes, "\r\n\r\nours"));
    answer(&assets, "/gh/600apples/daffi@2.0.1/js-client/daffi.js", "", 0);
    assert_non_null(strstr(out.bytes, "no-cache"));
    assets_dir_free(dir);
}

static void refuse(int status, const char *text) {
    struct assets_dir *dir = NULL;
    assert_int_equal(assets_dir_load(root, &dir, error), status);
    assert_null(dir);
    if (strstr(error, text) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error, text);
    }
}

static void what_is_no_version_is_named(void **state) {
    (void)state;
    make_folder("2.0.0 beta");
    refuse(-EINVAL, "2.0.0 beta: not the name of a version");
}

static void there_is_a_most(void **state) {
    (void)state;
    char name[32];
    make_folder("1.0.0");
    for (int i = 0; i <= ASSETS_DIR_FILES_MAX; i++) {
        snprintf(name, sizeof name, "1.0.0/%d.js", i);
        write_file(name, "x");
    }
    refuse(-E2BIG, "1.0.0: more than 64 files");
    assert_int_equal(unlink(path_of("1.0.0/0.js")), 0);
    assert_int_equal(truncate(path_of("1.0.0/1.js"), (off_t)ASSETS_DIR_BYTES_MAX + 1), 0);
    refuse(-EFBIG, "1.0.0/1.js: all versions together have more than 256 MiB");
}

static void a_folder_that_is_not_there(void **state) {
    (void)state;
    struct assets_dir *dir = NULL;
    assert_int_equal(assets_dir_load("/nowhere/at/all", &dir, error), -ENOENT);
    assert_string_equal(error, "assets.dir: /nowhere/at/all: No such file or directory");
    assets_dir_free(NULL);
    assert_null(assets_dir_find(NULL, daffi_span_text("1")));
}

static void devices_are_no_files(void **state) {
    (void)state;
    struct assets_dir *dir = NULL;
    make_folder("1.0.0");
    assert_int_equal(mkfifo(path_of("1.0.0/fifo.js"), 0600), 0);
    assert_int_equal(assets_dir_load(root, &dir, error), 0);
    assert_int_equal(assets_dir_find(dir, daffi_span_text("1.0.0"))->count, 0);
    assets_dir_free(dir);
}

static void link_to(const char *target, const char *name) {
    assert_int_equal(symlink(target, path_of(name)), 0);
}

static void links_within_the_folder_are_followed(void **state) {
    (void)state;
    struct assets_dir *dir = NULL;
    char whole[SCRATCH_FOLDER_MAX + 16];
    make_folder("2.0.0");
    write_file("2.0.0/daffi.js", "two");
    link_to("2.0.0", "latest");
    snprintf(whole, sizeof whole, "%s/2.0.0", root);
    link_to(whole, "2");
    make_folder("2.0.1");
    link_to("../2.0.0/daffi.js", "2.0.1/daffi.js");
    link_to("nowhere", "2.0.1/app.wasm");
    assert_int_equal(assets_dir_load(root, &dir, error), 0);
    assert_int_equal(assets_dir_find(dir, daffi_span_text("latest"))->count, 1);
    assert_int_equal(assets_dir_find(dir, daffi_span_text("2"))->count, 1);
    assert_int_equal(assets_dir_find(dir, daffi_span_text("2.0.1"))->count, 1);
    assets_dir_free(dir);
}

static void links_out_of_the_folder_are_refused(void **state) {
    (void)state;
    make_folder("1.0.0");
    link_to("/etc/passwd", "1.0.0/users.js");
    refuse(-EXDEV, "1.0.0/users.js: a link that leads out of the folder");
    assert_int_equal(unlink(path_of("1.0.0/users.js")), 0);
    write_file("1.0.0/daffi.js", "a text that is longer");
    link_to("/dev/null", "1.0.0/daffi.js.br");
    refuse(-EXDEV, "1.0.0/daffi.js: a link that leads out of the folder");
    assert_int_equal(unlink(path_of("1.0.0/daffi.js.br")), 0);
    link_to("/etc", "latest");
    refuse(-EXDEV, "latest: a link that leads out of the folder");
    assert_int_equal(unlink(path_of("latest")), 0);
    /* Beside it, under a name that only begins alike. */
    char beside[SCRATCH_FOLDER_MAX + 8], name[SCRATCH_FOLDER_MAX + 8];
    snprintf(beside, sizeof beside, "%s-other", root);
    snprintf(name, sizeof name, "../%s", strrchr(beside, '/') + 1);
    assert_int_equal(mkdir(beside, 0700), 0);
    link_to(name, "latest");
    refuse(-EXDEV, "latest: a link that leads out of the folder");
    assert_int_equal(rmdir(beside), 0);
}

static void the_folder_itself_may_be_a_link(void **state) {
    (void)state;
    struct assets_dir *dir = NULL;
    make_folder("versions");
    make_folder("versions/2.0.0");
    write_file("versions/2.0.0/daffi.js", "two");
    link_to("versions", "link");
    assert_int_equal(assets_dir_load(path_of("link"), &dir, error), 0);
    assert_int_equal(assets_dir_find(dir, daffi_span_text("2.0.0"))->count, 1);
    assets_dir_free(dir);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(versions_stand_side_by_side),
        CASE(what_is_no_version_is_named),
        CASE(there_is_a_most),
        CASE(a_folder_that_is_not_there),
        CASE(devices_are_no_files),
        CASE(links_within_the_folder_are_followed),
        CASE(links_out_of_the_folder_are_refused),
        CASE(the_folder_itself_may_be_a_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
