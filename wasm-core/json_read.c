#include "json_read.h"

#include <errno.h>

int json_refuse(struct daffi_fault *ret_fault, const char *text) {
    *ret_fault = (struct daffi_fault){.text = text};
    return -EBADMSG;
}

json_t *json_read_object(struct daffi_span json, size_t bytes_max, struct daffi_fault *ret_fault) {
    json_error_t error;
    if (json.length > bytes_max) {
        json_refuse(ret_fault, "more JSON than a handshake or an event can have");
        return NULL;
    }
    json_t *root = json.length == 0
                       ? NULL
                       : json_loadb((const char *)json.data, json.length, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL && json.length > 0 && json_error_code(&error) == json_error_out_of_memory) {
        *ret_fault = (struct daffi_fault){0};
        return NULL;
    }
    if (root == NULL) {
        *ret_fault = (struct daffi_fault){
            .text = "no valid JSON; one object without duplicate keys is expected",
            .offset = json.length > 0 && error.position > 0 ? (size_t)error.position : 0,
        };
        return NULL;
    }
    if (!json_is_object(root)) {
        json_refuse(ret_fault, "JSON that is no object; an object is expected");
        json_decref(root);
        return NULL;
    }
    return root;
}

struct daffi_span json_read_text(const json_t *value) {
    return json_is_string(value) ? daffi_span_of(json_string_value(value), json_string_length(value))
                                 : (struct daffi_span){0};
}
