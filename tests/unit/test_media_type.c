/* Types of files by their names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/media_type.h"

static void endings(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"first.aac", "audio/aac"},
        {"last.zip", "application/zip"},
        {"x.c", "text/plain; charset=utf-8"},
        {"x.cjs", "text/javascript; charset=utf-8"},
        {"x.css", "text/css; charset=utf-8"},
        {"x.gz", "application/gzip"},
        {"x.h", "text/plain; charset=utf-8"},
        {"x.htm", "text/html; charset=utf-8"},
        {"folder/x.html", "text/html; charset=utf-8"},
        {"x.jpeg", "image/jpeg"},
        {"x.js", "text/javascript; charset=utf-8"},
        {"x.json", "application/json"},
        {"x.m4a", "audio/mp4"},
        {"x.map", "application/json"},
        {"x.mjs", "text/javascript; charset=utf-8"},
        {"x.mp3", "audio/mpeg"},
        {"x.mp4", "video/mp4"},
        {"x.png", "image/png"},
        {"x.py", "text/plain; charset=utf-8"},
        {"x.svg", "image/svg+xml"},
        {"x.ts", "text/plain; charset=utf-8"},
        {"app.wasm", "application/wasm"},
        {"x.weba", "audio/webm"},
        {"x.webm", "video/webm"},
        {"x.webmanifest", "application/manifest+json"},
        {"x.webp", "image/webp"},
        {"x.woff", "font/woff"},
        {"x.woff2", "font/woff2"},
        {"x.yml", "text/plain; charset=utf-8"},
        {"X.HTML", "text/html; charset=utf-8"},
        {"x.tar.gz", "application/gzip"},
        {"x.unknown", "application/octet-stream"},
        {"x.htmlx", "application/octet-stream"},
        {"html", "application/octet-stream"},
        {"x.", "application/octet-stream"},
        {"folder.html/x", "application/octet-stream"},
        {"", "application/octet-stream"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(media_type_of(cases[i][0]), cases[i][1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(endings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
