/* From the path of a URL to the name of a file below a folder: pure.                         (RFC 3986, 2.1 and 3.3) */
#ifndef DEV_PATH_H
#define DEV_PATH_H

#include "daffi/span.h"

enum { DEV_PATH_MAX = 1024 }; /* bytes of the name */

/* Takes the percent-encoding off, once, and the slash before it: "" is the folder itself, "sub/" one in it. Its
 * length, NUL not counted; or -ENOENT for whatever no file is served by: an empty segment, one that begins with a
 * dot (so neither "." nor ".." nor what is hidden), a slash, backslash, zero byte or control character that is
 * encoded, a percent sign that encodes nothing, and what is longer than DEV_PATH_MAX. Other bytes are as the file
 * system has them, UTF-8 or not. */
int dev_path_decode(struct daffi_span path, char out[DEV_PATH_MAX + 1]);

/* The other way round, for addresses in a page: NUL-terminated as well; -ENOBUFS when it does not fit. */
int dev_path_encode(const char *name, char *out, size_t capacity);

/* Text as it may stand in HTML, between tags and in quoted attributes; -ENOBUFS when it does not fit. Bytes that are
 * no UTF-8 go through: what shows the page replaces them. */
int dev_path_escape_html(const char *text, char *out, size_t capacity);

#endif
