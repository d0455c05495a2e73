#include "bridge/router/router_exposure.h"

#include <errno.h>
#include <stdlib.h>

bool router_exposure_has(const struct router_exposure *exposure, struct daffi_span function) {
    return methods_have(&exposure->methods, function);
}

/* Its `{"name":…,"methods":…}`: what stands in a handshake of this member, and not in one of nobody. */
static int format_entry(struct router_exposure *made, const struct daffi_member *member) {
    struct daffi_member copy = *member;
    const struct daffi_handshake with = {.type = DAFFI_TYPE_ROUTER, .members = &copy, .members_count = 1};
    const struct daffi_handshake without = {.type = DAFFI_TYPE_ROUTER};
    char *long_json = NULL;
    char *short_json = NULL;
    size_t long_length = 0;
    size_t short_length = 0;
    int status = daffi_handshake_format(&without, &short_json, &short_length);
    if (status == 0) {
        status = daffi_handshake_format(&with, &long_json, &long_length);
    }
    free(short_json);
    if (status < 0) {
        return status;
    }
    made->memory = long_json;
    made->entry = daffi_span_of(long_json + short_length - 2, long_length - short_length);
    return 0;
}

static int write_offer(struct router_exposure *made, const struct daffi_member *member) {
    const struct daffi_message envelope = {0};
    struct daffi_member copy = *member;
    const struct daffi_handshake handshake = {
        .type = DAFFI_TYPE_ROUTER, .members = &copy, .members_count = 1};
    return own_message_handshake(&envelope, &handshake, &made->offer);
}

int router_exposure_new(const struct daffi_member *member, bool is_change, size_t branches,
                        struct router_exposure **ret_exposure) {
    size_t letters = is_change ? branches : 0;
    struct router_exposure *made = calloc(1, sizeof *made + letters * sizeof made->changes[0]);
    if (made == NULL) {
        return -ENOMEM;
    }
    atomic_init(&made->references, branches + 1);
    for (size_t i = 0; i < letters; i++) {
        made->changes[i].exposure = made;
        made->changes[i].letter.kind = ROUTER_LETTER_CHANGE;
    }
    /* The real Router tells an empty list as null. */
    struct daffi_member told = *member;
    if (told.methods == NULL || told.methods_count == 0) {
        told.methods = NULL;
        told.methods_count = 0;
    }
    int status = methods_copy(&told, &made->methods);
    if (status == 0) {
        status = format_entry(made, &told);
    }
    if (status == 0 && (is_change || told.methods_count > 0)) {
        status = write_offer(made, &told);
    }
    if (status < 0) {
        router_exposure_drop(made, branches + 1);
        return status;
    }
    *ret_exposure = made;
    return 0;
}

void router_exposure_drop(struct router_exposure *exposure, size_t references) {
    if (exposure == NULL ||
        atomic_fetch_sub_explicit(&exposure->references, references, memory_order_acq_rel) > references) {
        return;
    }
    own_message_clear(&exposure->offer);
    free(exposure->memory);
    free(exposure->methods.names);
    free(exposure);
}

struct router_exposure *router_exposure_told(struct router_letter *letter) {
    return ((struct router_change *)(void *)((char *)letter - offsetof(struct router_change, letter)))
        ->exposure;
}
