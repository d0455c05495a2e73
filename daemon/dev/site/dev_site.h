/* All that `daffi-bridge dev` serves: the developer's folder, and the page's side of live reload and of error
 * reports. */
#ifndef DEV_SITE_H
#define DEV_SITE_H

#include "dev/site/dev_root.h"

struct dev_site {
    const struct dev_root *root;
    /* A page's report of an error, as text for the terminal. Any thread. May be NULL: nobody reads them. */
    void (*report)(void *owner, const char *text);
    void *owner;
    bool is_terminal;           /* reports may have colours */
    const atomic_uint *edition; /* as dev_root has it */
};

/* The source of its pages: `site` is borrowed. */
struct page_source dev_site_source(struct dev_site *site);

#endif
