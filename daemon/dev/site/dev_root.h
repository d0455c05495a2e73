/* The developer's folder as a web server's root: files with ranges and conditional requests, index.html, listings.
 *                                                              (docs/development.md; RFC 9110 sections 13 and 14)
 * What it answers is for its own origin alone, and is never cached without being asked for again. */
#ifndef DEV_ROOT_H
#define DEV_ROOT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "dev/site/dev_asked.h"
#include "dev/worker/dev_programs.h"
#include "http/page_source.h"

enum {
    DEV_ROOT_PAGE_MAX = 4 << 20
}; /* bytes of an HTML file that the script's line is put into; a larger one goes as it is */

struct dev_root_setup {
    const char *path;
    bool spa; /* addresses of no file show the root's index.html, to those who navigate there */
    const struct dev_programs *programs; /* that are not served, where they lie in it; borrowed. NULL: none */
    const char *
        script; /* the path of one that each HTML page loads to which somebody navigates; NULL: none. Static */
    const atomic_uint *edition; /* of all files, which that script is told as its query; borrowed. NULL: 0 */
};

struct dev_root;

/* 0, or -errno. */
int dev_root_new(const struct dev_root_setup *setup, struct dev_root **ret_root);
void dev_root_free(struct dev_root *root); /* NULL-safe */

/* Its absolute path. */
const char *dev_root_path(const struct dev_root *root);

/* What it was asked for; its own. */
struct dev_asked *dev_root_asked(const struct dev_root *root);

/* As page_source has it: always answered, but for the bridge's own paths (/_bridge/, /healthz): -ENOENT. */
int dev_root_answer(const struct dev_root *root, const struct request_head *head,
                    const struct response_sink *sink, struct page_body *ret_body);

#endif
