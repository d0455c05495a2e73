/* What browsers have asked for since the start, whether they got it or not, but for what pages of other origins load:
 * files below the folder that is served, by name. What nobody has asked for concerns no page when it changes: a
 * worker's log, its database. Any thread. */
#ifndef DEV_ASKED_H
#define DEV_ASKED_H

#include <stddef.h>

enum { DEV_ASKED_MAX = 10000 }; /* names; with more, or without memory, every change concerns pages */

struct dev_asked;

/* NULL: no memory. */
struct dev_asked *dev_asked_new(void);
void dev_asked_free(struct dev_asked *asked); /* NULL-safe */

/* A file, as dev_path_decode names it; with a slash at its end ("" for the folder itself) a list of what is in a
 * folder. Before the file is looked at: what changes later is then told. */
void dev_asked_add(struct dev_asked *asked, const char *name);

enum dev_asked_match {
    DEV_ASKED_NOT,
    DEV_ASKED_LISTED, /* only a list has shown it, or would now */
    DEV_ASKED_FOR,    /* it, or something in the folder of that name */
};

/* Of what has changed, as dev_watch_callback has it; "" concerns every page. */
enum dev_asked_match dev_asked_find(struct dev_asked *asked, const char *changed);

#endif
