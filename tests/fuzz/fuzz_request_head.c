/* Request heads: whatever comes gets one verdict, and a head that is taken re-reads as itself. */
#include <errno.h>
#include <stdlib.h>

#include "http/request_head.h"
#include "ws/ws_upgrade.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static bool is_within(struct daffi_span part, struct daffi_span whole) {
    return part.data == NULL ||
           (part.data >= whole.data && part.data + part.length <= whole.data + whole.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct request_limits limits = {.head_bytes = 2048, .headers = 20};
    struct daffi_span in = daffi_span_of(data, size);
    struct request_head head;
    struct request_refusal refusal = {0};
    size_t head_size = 0;
    int r = request_head_parse(in, &limits, &head, &head_size, &refusal);
    if (r == -EAGAIN) {
        require(size < limits.head_bytes);
        return 0;
    }
    if (r < 0) {
        require(r == -EPROTO && refusal.status >= 400 && refusal.text != NULL);
        return 0;
    }
    require(head_size <= size && head_size <= limits.head_bytes && head.headers_count <= limits.headers);
    require(memcmp(data + head_size - 4, "\r\n\r\n", 4) == 0);
    in.length = head_size;
    require(is_within(head.target, in) && is_within(head.path, in) && is_within(head.query, in));
    for (size_t i = 0; i < head.headers_count; i++) {
        require(is_within(head.headers[i].name, in) && is_within(head.headers[i].value, in));
    }
    /* The same bytes without what stands behind them are the same head; one byte less is none. */
    struct request_head again;
    size_t again_size = 0;
    require(request_head_parse(in, &limits, &again, &again_size, &refusal) == 0 && again_size == head_size);
    in.length--;
    require(request_head_parse(in, &limits, &again, &again_size, &refusal) == -EAGAIN);

    char accept[WS_ACCEPT_MAX];
    r = ws_upgrade_check(&head, accept, &refusal);
    require(r == 0 ? strlen(accept) == WS_ACCEPT_MAX - 1 : refusal.status >= 400);
    return 0;
}
