/* An HTML file with a line put into it, where its content begins: so that a script there runs before the page's own,
 * and hears of errors in them, too. */
#ifndef DEV_PAGE_H
#define DEV_PAGE_H

#include <stddef.h>

/* Reads `length` bytes of `fd`. 0 and *ret_text, the caller's to free; -EAGAIN when it has become shorter, -ENOMEM,
 * or another -errno. What is UTF-16, by its byte order mark, stays as it is. */
int dev_page_read(int fd, size_t length, const char *line, char **ret_text, size_t *ret_length);

/* Where the line goes: behind a byte order mark, white space, comments, `<!doctype …>`, `<html …>` and `<head …>`.
 * Pure. */
size_t dev_page_find_content(const char *text, size_t length);

#endif
