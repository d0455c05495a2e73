#include "dev/site/dev_site.h"

#include <errno.h>

#include "dev/site/dev_live.h"
#include "dev/site/dev_report.h"
#include "http/embedded.h"

extern const struct embedded_files embedded_dev; /* dev_live.js */

static int answer_script(const struct request_head *head, const struct response_sink *sink) {
    const struct embedded_bytes *bytes = &embedded_dev.files[0].plain;
    char fields[256];
    snprintf(fields, sizeof fields,
             "ETag: %s\r\nCache-Control: no-cache\r\nCross-Origin-Resource-Policy: same-origin\r\n",
             bytes->etag);
    const struct response response = {.status = response_is_unchanged(head, bytes->etag) ? 304 : 200,
                                      .type = "text/javascript; charset=utf-8",
                                      .fields = fields,
                                      .body = daffi_span_of(bytes->data, bytes->length),
                                      .to_head = head->method == REQUEST_HEAD,
                                      .close = !response_keeps_alive(head)};
    return response_write(&response, sink);
}

static int take_report(const struct dev_site *site, const struct request_head *head,
                       const struct response_sink *sink) {
    char text[DEV_REPORT_SHOWN_MAX];
    bool is_own = dev_report_is_own(head) && head->method == REQUEST_GET;
    if (is_own && site->report != NULL) {
        dev_report_format(head->query, site->is_terminal, text);
        site->report(site->owner, text);
    }
    const struct response response = {.status = is_own ? 204 : 403,
                                      .fields = "Cache-Control: no-store\r\n",
                                      .close = !response_keeps_alive(head)};
    return response_write(&response, sink);
}

static int answer(void *owner, const struct request_head *head, const struct response_sink *sink,
                  struct page_body *ret_body) {
    const struct dev_site *site = owner;
    if (daffi_span_equal(head->path, daffi_span_text(DEV_LIVE_SCRIPT_PATH))) {
        return answer_script(head, sink);
    }
    if (daffi_span_equal(head->path, daffi_span_text(DEV_REPORT_PATH))) {
        return take_report(site, head, sink);
    }
    return dev_root_answer(site->root, head, sink, ret_body);
}

/* Pages say which edition they are of; what has changed since, nobody has told them. */
static const char *greet_listener(void *owner, struct daffi_span query) {
    const struct dev_site *site = owner;
    char current[16];
    snprintf(current, sizeof current, "%u", atomic_load(site->edition));
    return query.length == 0 || daffi_span_equal(query, daffi_span_text(current)) ? NULL : "stale";
}

struct page_source dev_site_source(struct dev_site *site) {
    return (struct page_source){
        .answer = answer, .listen_path = DEV_LIVE_PATH, .greet_listener = greet_listener, .owner = site};
}
