#include "dev/site/dev_own_page.h"

#include <errno.h>
#include <stdlib.h>

#include "dev/files/dev_path.h"

static const char style[] =
    "<style>:root{color-scheme:light dark;font:15px/1.6 system-ui,sans-serif}"
    "body{max-width:52rem;margin:2.5rem auto;padding:0 1rem}h1{font-size:1.2rem;overflow-wrap:anywhere}"
    "table{width:100%;border-collapse:collapse}td{padding:.25rem .5rem;border-top:1px solid #8883}"
    "td:nth-child(2),td:nth-child(3){text-align:right;white-space:nowrap;opacity:.7;font-variant-numeric:"
    "tabular-nums}"
    "a{text-decoration:none;overflow-wrap:anywhere}a:hover{text-decoration:underline}</style>";

void dev_own_page_begin(FILE *out, const char *name) {
    char shown[6 * DEV_PATH_MAX + 1];
    if (dev_path_escape_html(name, shown, sizeof shown) < 0) {
        shown[0] = '\0';
    }
    fprintf(out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width\">\n<title>/%s</title>\n%s\n<h1>/%s</h1>\n",
            shown, style, shown);
}

int dev_own_page_refuse(const char *name, int status, const char *text, const char *line, char **ret_text,
                        size_t *ret_length) {
    char *made = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&made, &length);
    if (out == NULL) {
        return -ENOMEM;
    }
    dev_own_page_begin(out, name);
    fprintf(out, "<p>%d: %s.</p>\n<p>This page is loaded anew when that changes.</p>\n%s", status, text,
            line);
    if (fclose(out) != 0) {
        free(made);
        return -ENOMEM;
    }
    *ret_text = made;
    *ret_length = length;
    return 0;
}
