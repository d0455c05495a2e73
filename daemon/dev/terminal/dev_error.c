#include "dev/terminal/dev_error.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "daffi/msgpack.h"
#include "daffi/remote_error.h"
#include "dev/terminal/dev_text.h"

/* {"args": [[type, module, text, ...]], "kwargs": {}} (protocol.md, "Payloads") */
static bool show_json(struct daffi_span payload, char *out, size_t capacity) {
    json_t *root = json_loadb((const char *)payload.data, payload.length, 0, NULL);
    json_t *tuple = json_array_get(json_object_get(root, "args"), 0);
    const char *type = json_string_value(json_array_get(tuple, 0));
    const char *text = json_string_value(json_array_get(tuple, 2));
    bool found = type != NULL && text != NULL;
    if (found) {
        char shown[512];
        snprintf(shown, sizeof shown, "%.100s: %.400s", type, text);
        dev_text_show(shown, strlen(shown), out, capacity);
    }
    json_decref(root);
    return found;
}

/* The head at the front of MessagePack is taken off. False where there is none. */
static bool take_head(struct daffi_span *in, struct daffi_msgpack_value *ret_value) {
    int head = daffi_msgpack_read(*in, ret_value);
    if (head <= 0) {
        return false;
    }
    *in = daffi_span_of(in->data + head, in->length - (size_t)head);
    return true;
}

/* The string that `value` is the head of; nil is an empty one. False for whatever else it is. */
static bool take_string(struct daffi_span *in, const struct daffi_msgpack_value *value,
                        struct daffi_span *ret_text) {
    size_t length = value->kind == DAFFI_MSGPACK_TEXT ? value->length : 0;
    if ((value->kind != DAFFI_MSGPACK_TEXT && value->kind != DAFFI_MSGPACK_NIL) || length > in->length) {
        return false;
    }
    *ret_text = daffi_span_of(in->data, length);
    *in = daffi_span_of(in->data + length, in->length - length);
    return true;
}

/* [[[type, module, text, ...]], {}] */
static bool read_msgpack(struct daffi_span payload, struct daffi_remote_error *ret_error) {
    struct daffi_msgpack_value value = {.kind = DAFFI_MSGPACK_ARRAY};
    for (int depth = 0; depth <= 3 && value.kind == DAFFI_MSGPACK_ARRAY; depth++) {
        if (!take_head(&payload, &value)) {
            return false;
        }
    }
    return take_string(&payload, &value, &ret_error->type) && take_head(&payload, &value) &&
           take_string(&payload, &value, &ret_error->module) && take_head(&payload, &value) &&
           take_string(&payload, &value, &ret_error->text);
}

static bool show_parts(const struct daffi_remote_error *error, char *out, size_t capacity) {
    size_t at = dev_text_show((const char *)error->type.data, error->type.length, out, capacity);
    if (at + 3 < capacity) {
        memcpy(out + at, ": ", 3);
        dev_text_show((const char *)error->text.data, error->text.length, out + at + 2, capacity - at - 2);
    }
    return true;
}

void dev_error_show(const struct access_call *call, char *out, size_t capacity) {
    struct daffi_remote_error error = {0};
    struct daffi_fault fault;
    const struct daffi_span payload =
        daffi_span_of(call->answer, call->answer != NULL ? call->bytes_sent : 0);
    bool shown = false;
    if (payload.length > 0) {
        switch ((enum config_serde)call->serde) {
        case CONFIG_JSON:
            shown = show_json(payload, out, capacity);
            break;
        case CONFIG_PICKLE:
            shown = daffi_remote_error_from_pickle(payload, &error, &fault) == 0 &&
                    show_parts(&error, out, capacity);
            break;
        case CONFIG_MSGPACK:
            shown = read_msgpack(payload, &error) && show_parts(&error, out, capacity);
            break;
        case CONFIG_RAW:
            dev_text_show((const char *)payload.data, payload.length, out, capacity);
            shown = true;
            break;
        case CONFIG_SERDES_END:
            break;
        }
    }
    if (!shown) {
        snprintf(out, capacity, "%s", call->result);
    }
}
