#include "http/assets.h"

#include <errno.h>

#include "http/media_type.h"
#include "http/range.h"

const struct assets *assets_embedded(void) {
    static const struct assets embedded = {&embedded_client, DAFFI_CLIENT_VERSION, NULL};
    return &embedded;
}

static const char cdn_root[] = "/gh/600apples/daffi";
static const char cdn_folder[] = "/js-client/";
/* The examples name the client where it lies beside them on disk, two folders up: among the bridge's own pages that is here. */
static const char own_pages[] = "/_bridge/";

static bool takes_prefix(struct daffi_span *text, const char *prefix) {
    size_t length = strlen(prefix);
    if (text->length < length || memcmp(text->data, prefix, length) != 0) {
        return false;
    }
    *text = daffi_span_of(text->data + length, text->length - length);
    return true;
}

/* Splits the path into the file's name and the version asked for (empty: none). */
static bool split_path(struct daffi_span path, struct daffi_span *ret_name, struct daffi_span *ret_version) {
    struct daffi_span version = {0};
    if (takes_prefix(&path, cdn_root)) {
        if (takes_prefix(&path, "@")) {
            const uint8_t *slash = path.length > 0 ? memchr(path.data, '/', path.length) : NULL;
            size_t length = slash != NULL ? (size_t)(slash - path.data) : 0;
            version = daffi_span_of(path.data, length);
            path = daffi_span_of(path.data + length, path.length - length);
            if (length == 0) {
                return false;
            }
        }
        if (!takes_prefix(&path, cdn_folder)) {
            return false;
        }
    } else if (!takes_prefix(&path, own_pages) && !takes_prefix(&path, "/")) {
        return false;
    }
    *ret_name = path;
    *ret_version = version;
    return true;
}

static const struct embedded_file *find_file(const struct embedded_files *files, struct daffi_span name) {
    for (size_t i = 0; i < files->count; i++) {
        if (daffi_span_equal(name, daffi_span_text(files->files[i].name))) {
            return &files->files[i];
        }
    }
    return NULL;
}

/* The form with the best quality; of equal ones the smallest comes first: brotli, gzip, as it is. */
static const struct embedded_bytes *choose(const struct embedded_file *file, const struct request_head *head,
                                           const char **ret_coding) {
    const struct {
        const struct embedded_bytes *bytes;
        const char *coding;
    } forms[] = {{&file->brotli, "br"}, {&file->gzip, "gzip"}, {&file->plain, "identity"}};
    const struct embedded_bytes *best = &file->plain; /* even where it is refused: better than nothing */
    unsigned best_quality = 0;
    *ret_coding = "identity";
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        unsigned quality = forms[i].bytes->data != NULL ? response_coding_quality(head, forms[i].coding) : 0;
        if (quality > best_quality) {
            best_quality = quality;
            best = forms[i].bytes;
            *ret_coding = forms[i].coding;
        }
    }
    return best;
}

/* The files that answer for a version, and whether they are that very one, and will be. */
static const struct embedded_files *choose_version(const struct assets *assets, struct daffi_span version,
                                                   bool *ret_exact) {
    const struct embedded_files *other = NULL;
    *ret_exact = version.length > 0 && daffi_span_equal(version, daffi_span_text(assets->version));
    if (!*ret_exact) {
        other = assets_dir_find(assets->others, version);
        *ret_exact = other != NULL && assets_dir_is_exact(version);
    }
    return other != NULL ? other : assets->files;
}

int assets_answer(const struct assets *assets, const struct request_head *head,
                  const struct response_sink *sink) {
    struct daffi_span name;
    struct daffi_span version;
    bool is_exact;
    if (!split_path(head->path, &name, &version)) {
        return -ENOENT;
    }
    const struct embedded_file *file = find_file(choose_version(assets, version, &is_exact), name);
    if (file == NULL) {
        return -ENOENT;
    }
    const char *coding;
    const struct embedded_bytes *bytes = choose(file, head, &coding);
    char text[512];
    struct head_writer fields = head_writer_of(text, sizeof text);
    head_put(&fields, "ETag: ");
    head_put(&fields, bytes->etag);
    head_put(&fields, is_exact ? "\r\nCache-Control: public, max-age=31536000, immutable"
                               : "\r\nCache-Control: no-cache");
    if (bytes != &file->plain) {
        head_put(&fields, "\r\nContent-Encoding: ");
        head_put(&fields, coding);
    }
    head_put(&fields,
             "\r\nVary: Accept-Encoding\r\nAccept-Ranges: bytes\r\nAccess-Control-Allow-Origin: *\r\n"
             "Cross-Origin-Resource-Policy: cross-origin\r\nTiming-Allow-Origin: *\r\n");
    struct response response = {.status = response_is_unchanged(head, bytes->etag) ? 304 : 200,
                                .type = media_type_of(file->name),
                                .fields = text,
                                .body = daffi_span_of(bytes->data, bytes->length),
                                .to_head = head->method == REQUEST_HEAD,
                                .close = !response_keeps_alive(head)};
    if (response.status == 200) {
        struct range range = range_apply(head, bytes->etag, bytes->length, &fields, &response);
        response.body = daffi_span_of(bytes->data + range.first, range.length);
    }
    return response_write(&response, sink);
}
