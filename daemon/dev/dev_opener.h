/* Has the desktop's browser open a page. */
#ifndef DEV_OPENER_H
#define DEV_OPENER_H

/* By $BROWSER, where it names a program, else by xdg-open; nobody waits for it. 0, or -errno: -ENOENT when there is
 * no such program. */
int dev_opener_open(const char *url);

#endif
