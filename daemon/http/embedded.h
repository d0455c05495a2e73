/* Files built into the program (embed.cmake), each with its compressed forms where those are smaller. */
#ifndef EMBEDDED_H
#define EMBEDDED_H

#include <stddef.h>
#include <stdint.h>

struct embedded_bytes {
    const uint8_t *data; /* NULL: there is no such form */
    size_t length;
    const char *etag; /* of the content, quotes included: each form has its own */
};

struct embedded_file {
    const char *name; /* path below its root, '/' between folders */
    struct embedded_bytes plain, brotli, gzip;
};

struct embedded_files {
    const struct embedded_file *files;
    size_t count;
};

extern const struct embedded_files embedded_client; /* daffi.js and what belongs to it */
extern const struct embedded_files embedded_site;   /* the bridge's own pages, examples included */

#endif
