/* The reader of messages: the same bytes, whole and in pieces, give the same events and the same refusal. The first
 * byte says the role and the size of the pieces. */
#include <errno.h>
#include <stdlib.h>

#include "ws/ws_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ws_reader_limits limits = {.limit = 300, .wire_limit = 5000, .oversize_head = 20};

struct outcome {
    uint64_t events; /* a digest of them; of an oversize message, of its first bytes alone */
    size_t count;
    int result;
    uint16_t code;
};

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void digest(uint64_t *value, const uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        *value = (*value ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
}

static void take(struct outcome *outcome, const struct ws_event *event) {
    size_t length = event->data.length;
    if (event->type == WS_EVENT_MESSAGE) {
        require(length <= limits.limit);
    }
    if (event->type == WS_EVENT_OVERSIZE && length > limits.oversize_head) {
        length = limits.oversize_head;
    }
    uint8_t head[5] = {(uint8_t)event->type, event->text, (uint8_t)(event->code >> 8), (uint8_t)event->code,
                       (uint8_t)length};
    digest(&outcome->events, head, sizeof head);
    digest(&outcome->events, event->data.data, length);
    outcome->count++;
}

static struct outcome run(const uint8_t *data, size_t size, enum ws_role role, size_t piece) {
    struct outcome outcome = {0};
    struct ws_reader reader;
    ws_reader_init(&reader, role, &limits);
    uint8_t *in = NULL;
    size_t length = 0;
    for (size_t at = 0; at < size && outcome.result >= 0;) {
        size_t more = size - at < piece ? size - at : piece;
        uint8_t *larger = malloc(length + more);
        require(larger != NULL);
        if (length > 0) {
            memcpy(larger, in, length);
        }
        memcpy(larger + length, data + at, more);
        free(in);
        in = larger;
        length += more;
        at += more;
        do {
            struct ws_event event;
            size_t consumed = 0;
            size_t needed = 0;
            struct daffi_fault fault;
            outcome.result =
                ws_reader_next(&reader, in, length, &event, &consumed, &needed, &outcome.code, &fault);
            if (outcome.result < 0) {
                require((outcome.result == -EMSGSIZE) == (outcome.code == WS_CODE_TOO_LARGE));
                break;
            }
            if (outcome.result == 1) {
                take(&outcome, &event);
            }
            require(consumed <= length);
            length -= consumed;
            memmove(in, in + consumed, length);
            require(outcome.result == 1 || needed > length);
        } while (outcome.result == 1);
    }
    free(in);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) {
        return 0;
    }
    enum ws_role role = (data[0] & 1) != 0 ? WS_CLIENT : WS_SERVER;
    size_t piece = 1 + (data[0] >> 1);
    struct outcome whole = run(data + 1, size - 1, role, size);
    struct outcome pieces = run(data + 1, size - 1, role, piece);
    require(whole.count == pieces.count && whole.events == pieces.events);
    require(whole.result == pieces.result && whole.code == pieces.code);
    return 0;
}
