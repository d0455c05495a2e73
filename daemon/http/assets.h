/* The client as a CDN serves it, from memory: daffi.js, daffi.mjs, daffi.standalone.js, app.wasm and its types, under `/` and
 * under the CDN's own paths, so that a page moves from the CDN by changing the host.            (docs/cdn.md)
 *
 * Our own client answers for every version that is not there, so that a script and its wasm never disagree; it, and
 * what lies in `assets.dir`, is immutable under its exact version alone. */
#ifndef ASSETS_H
#define ASSETS_H

#include "http/assets_dir.h"
#include "http/response.h"

struct assets {
    const struct embedded_files *files; /* for the daemon: &embedded_client */
    const char *version;                /* of these files; under it, and no other, they never change */
    const struct assets_dir *others;    /* further versions; NULL: none */
};

const struct assets *assets_embedded(void);

/* Answers GET and HEAD of an asset: the smallest form that Accept-Encoding takes, one range of it, or 304.
 * 0; -ENOENT and nothing written when the path is no asset; or what the sink said. The answer says
 * `Connection: close` unless response_keeps_alive. */
int assets_answer(const struct assets *assets, const struct request_head *head,
                  const struct response_sink *sink);

#endif
