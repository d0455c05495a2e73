#include "dev/site/dev_report.h"

#include "dev/terminal/dev_text.h"
#include "http/percent.h"

bool dev_report_is_own(const struct request_head *head) {
    return daffi_span_equal(request_head_find(head, "Daffi-Dev"), daffi_span_text("report"));
}

/* Its length. */
static size_t decode(struct daffi_span query, char out[DEV_REPORT_MAX]) {
    size_t length = 0;
    for (size_t i = 0; i < query.length && length < DEV_REPORT_MAX - 1; i++) {
        int byte = percent_decode(query, i);
        out[length++] = (char)(byte >= 0 ? byte : query.data[i]);
        i += byte >= 0 ? 2 : 0;
    }
    out[length] = '\0';
    return length;
}

void dev_report_format(struct daffi_span query, bool is_terminal, char out[DEV_REPORT_SHOWN_MAX]) {
    char text[DEV_REPORT_MAX];
    char line[DEV_REPORT_MAX];
    size_t length = decode(query, text);
    size_t at = 0;
    size_t begin = 0;
    for (size_t i = 0; i < DEV_REPORT_LINES_MAX && begin < length; i++) {
        const char *newline = memchr(text + begin, '\n', length - begin);
        size_t size = newline != NULL ? (size_t)(newline - text) - begin : length - begin;
        dev_text_show(text + begin, size, line, sizeof line);
        const char *colour = is_terminal && i == 1 ? "\x1b[31m" : "";
        const char *plain = is_terminal && i == 1 ? "\x1b[0m" : "";
        int written = snprintf(out + at, (size_t)DEV_REPORT_SHOWN_MAX - at, "%s%s%s%s\n",
                               i == 0 ? "page   " : "         ", colour, line, plain);
        at += (size_t)written < (size_t)DEV_REPORT_SHOWN_MAX - at ? (size_t)written : 0;
        begin += size + 1;
    }
    out[at] = '\0';
}
