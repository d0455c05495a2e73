#include "json_read.h"

#include <errno.h>
#include <stdlib.h>

/* jansson's lexer goes on when its buffer could not grow: a string without its end is then read past, and what it lost is
 * told as bad syntax. So the first allocation that fails while it reads makes all further ones fail, which stops it at the
 * end of that string, and is remembered. */
#if defined(__wasm__)
#define PER_THREAD /* a page's module has one */
#else
#define PER_THREAD _Thread_local
#endif
static PER_THREAD bool reading, starved;

static void *allocate(size_t size) {
    void *memory = starved ? NULL : malloc(size);
    if (memory == NULL && reading)
        starved = true;
    return memory;
}

/* Before main, as jansson's allocator is one for all threads. */
__attribute__((constructor)) static void set_allocator(void) {
    json_set_alloc_funcs(allocate, free);
}

static json_t *load(struct daffi_span json, json_error_t *error, bool *ret_starved) {
    reading = true;
    json_t *root = json_loadb((const char *)json.data, json.length, JSON_REJECT_DUPLICATES, error);
    *ret_starved = starved;
    reading = false;
    starved = false;
    return root;
}

int json_refuse(struct daffi_fault *ret_fault, const char *text) {
    *ret_fault = (struct daffi_fault){.text = text};
    return -EBADMSG;
}

json_t *json_read_object(struct daffi_span json, size_t bytes_max, struct daffi_fault *ret_fault) {
    json_error_t error = {.position = 0};
    bool out_of_memory = false;
    if (json.length > bytes_max) {
        json_refuse(ret_fault, "more JSON than a handshake or an event can have");
        return NULL;
    }
    json_t *root = json.length == 0 ? NULL : load(json, &error, &out_of_memory);
    if (out_of_memory) {
        json_decref(root);
        *ret_fault = (struct daffi_fault){0};
        return NULL;
    }
    if (root == NULL) {
        *ret_fault = (struct daffi_fault){
            .text = "no valid JSON; one object without duplicate keys is expected",
            .offset = error.position > 0 ? (size_t)error.position : 0,
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
