#include "bridge/members/methods.h"

#include <errno.h>
#include <stdlib.h>

static int compare(const void *a, const void *b) {
    const struct daffi_span *left = a;
    const struct daffi_span *right = b;
    size_t shorter = left->length < right->length ? left->length : right->length;
    int order = shorter == 0 ? 0 : memcmp(left->data, right->data, shorter);
    return order != 0 ? order : (left->length > right->length) - (left->length < right->length);
}

static size_t count_of(const struct daffi_member *member) {
    return member->methods != NULL ? member->methods_count : 0;
}

size_t methods_size(const struct daffi_member *member) {
    size_t size = count_of(member) * sizeof(struct daffi_span);
    for (size_t i = 0; i < count_of(member); i++) {
        size += strlen(member->methods[i]);
    }
    return size;
}

struct methods methods_write(const struct daffi_member *member, void *memory) {
    struct methods made = {.names = memory, .count = count_of(member)};
    if (made.count == 0 || memory == NULL) {
        return (struct methods){0};
    }
    uint8_t *text = (uint8_t *)(made.names + made.count);
    for (size_t i = 0; i < made.count; i++) {
        made.names[i] = daffi_span_of(text, strlen(member->methods[i]));
        memcpy(text, member->methods[i], made.names[i].length);
        text += made.names[i].length;
    }
    qsort(made.names, made.count, sizeof *made.names, compare);
    return made;
}

int methods_copy(const struct daffi_member *member, struct methods *ret_methods) {
    struct methods made = {0};
    if (count_of(member) > 0) {
        made = methods_write(member, malloc(methods_size(member)));
        if (made.names == NULL) {
            return -ENOMEM;
        }
    }
    *ret_methods = made;
    return 0;
}

bool methods_have(const struct methods *methods, struct daffi_span function) {
    return methods->count > 0 &&
           bsearch(&function, methods->names, methods->count, sizeof *methods->names, compare) != NULL;
}
