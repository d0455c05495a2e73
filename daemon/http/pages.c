#include "http/pages.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/media_type.h"
#include "http/percent.h"

static const char root[] = "/_bridge/";

/* `unsafe-inline` and foreign hosts are out. Web sockets may go anywhere: the playground's address field is free. */
static const char policy[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; "
    "style-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss:; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'none'\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Resource-Policy: same-origin\r\n"
    "Referrer-Policy: no-referrer\r\n";

static bool is_plain(int c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

int pages_decode_path(struct daffi_span path, char out[PAGES_PATH_MAX + 1]) {
    int length = 0;
    if (path.length == 0 || path.data[0] != '/') {
        return -EINVAL;
    }
    for (size_t i = 0; i < path.length; i++) {
        int c = path.data[i];
        bool after_slash = length > 0 && out[length - 1] == '/';
        if (length == PAGES_PATH_MAX || (c == '/' && after_slash)) {
            return -EINVAL;
        }
        if (c == '%') {
            c = percent_decode(path, i);
            i += 2;
            if (!is_plain(c)) { /* an encoded slash is none; nor is what encodes nothing */
                return -EINVAL;
            }
        }
        if ((c != '/' && !is_plain(c)) || (c == '.' && after_slash)) {
            return -EINVAL;
        }
        out[length++] = (char)c;
    }
    out[length] = '\0';
    return length;
}

static const struct embedded_file *find_file(const struct pages *pages, const char *name) {
    for (size_t i = 0; i < pages->files->count; i++) {
        if (strcmp(pages->files->files[i].name, name) == 0) {
            return &pages->files->files[i];
        }
    }
    return NULL;
}

static int answer_text(const struct request_head *head, int status, const char *fields, const char *text,
                       const struct response_sink *sink) {
    const struct response response = {.status = status,
                                      .type = "text/plain; charset=utf-8",
                                      .fields = fields,
                                      .body = daffi_span_text(text),
                                      .to_head = head->method == REQUEST_HEAD,
                                      .close = true};
    return response_write(&response, sink);
}

static int answer_absent(const struct request_head *head, const struct response_sink *sink) {
    return answer_text(head, 404, "Cache-Control: no-store\r\n", "there is nothing at this path\n", sink);
}

static int answer_file(const struct request_head *head, int status, const struct embedded_file *file,
                       const struct response_sink *sink) {
    unsigned brotli = file->brotli.data != NULL ? response_coding_quality(head, "br") : 0;
    unsigned gzip = file->gzip.data != NULL ? response_coding_quality(head, "gzip") : 0;
    const struct embedded_bytes *bytes = &file->plain;
    const char *encoding = "";
    if (brotli > 0 && brotli >= gzip) {
        bytes = &file->brotli;
        encoding = "Content-Encoding: br\r\n";
    } else if (gzip > 0) {
        bytes = &file->gzip;
        encoding = "Content-Encoding: gzip\r\n";
    }
    char fields[1024];
    snprintf(fields, sizeof fields, "ETag: %s\r\nCache-Control: no-cache\r\nVary: Accept-Encoding\r\n%s%s",
             bytes->etag, encoding, policy);
    bool unchanged = status == 200 && response_is_unchanged(head, bytes->etag);
    const struct response response = {.status = unchanged ? 304 : status,
                                      .type = media_type_of(file->name),
                                      .fields = fields,
                                      .body = daffi_span_of(bytes->data, bytes->length),
                                      .to_head = head->method == REQUEST_HEAD,
                                      .close = true};
    return response_write(&response, sink);
}

/* `path` is a decoded one below /_bridge. */
static int answer_page(const struct pages *pages, const struct request_head *head, const char *path,
                       const struct response_sink *sink) {
    char name[PAGES_PATH_MAX + sizeof "/index.html"];
    size_t length = strlen(path);
    const char *below = length >= sizeof root - 1 ? path + sizeof root - 1 : "";
    bool folder = path[length - 1] == '/';
    snprintf(name, sizeof name, "%s%s", below, folder ? "index.html" : "");
    const struct embedded_file *file = find_file(pages, name);
    if (file != NULL) {
        return answer_file(head, 200, file, sink);
    }
    snprintf(name, sizeof name, "%s%sindex.html", below, below[0] != '\0' ? "/" : "");
    if (!folder && find_file(pages, name) != NULL) {
        char fields[PAGES_PATH_MAX + 64];
        snprintf(fields, sizeof fields, "Location: %s/\r\nCache-Control: no-cache\r\n", path);
        return answer_text(head, 308, fields, "this is a folder: its address ends in a slash\n", sink);
    }
    file = find_file(pages, "404.html");
    return file != NULL ? answer_file(head, 404, file, sink) : answer_absent(head, sink);
}

/* What is true now: for pages of this very origin alone (no Access-Control-Allow-Origin). */
static int answer_numbers(const struct pages *pages, const struct request_head *head,
                          const struct response_sink *sink) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL) {
        return -ENOMEM;
    }
    pages->write_numbers(pages->source, out);
    int status = fclose(out) == 0 ? 0 : -ENOMEM;
    if (status == 0) {
        const struct response response = {
            .status = 200,
            .type = "application/json",
            .fields = "Cache-Control: no-store\r\nCross-Origin-Resource-Policy: same-origin\r\n",
            .body = daffi_span_of(text, length),
            .to_head = head->method == REQUEST_HEAD,
            .close = true};
        status = response_write(&response, sink);
    }
    free(text);
    return status;
}

int pages_answer(const struct pages *pages, const struct request_head *head,
                 const struct response_sink *sink) {
    char path[PAGES_PATH_MAX + 1];
    if (pages_decode_path(head->path, path) < 0) {
        return answer_absent(head, sink);
    }
    if (strcmp(path, "/healthz") == 0) {
        return answer_text(head, 200, "Cache-Control: no-store\r\n", "ok\n", sink);
    }
    bool below = strncmp(path, root, sizeof root - 1) == 0 || strcmp(path, "/_bridge") == 0;
    if (pages->playground && pages->write_numbers != NULL && strcmp(path, "/_bridge/numbers.json") == 0) {
        return answer_numbers(pages, head, sink);
    }
    if (pages->playground && strcmp(path, "/") == 0) { /* for now: it may be off tomorrow */
        return answer_text(head, 302, "Location: /_bridge/\r\nCache-Control: no-store\r\n",
                           "the playground is at /_bridge/\n", sink);
    }
    if (pages->playground && below) {
        return answer_page(pages, head, path, sink);
    }
    return answer_absent(head, sink);
}
