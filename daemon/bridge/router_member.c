#include "bridge/router_member.h"

#include <errno.h>
#include <stdlib.h>

static int compare(struct daffi_span a, struct daffi_span b) {
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);
    return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static int compare_methods(const void *a, const void *b) {
    return compare(*(const struct daffi_span *)a, *(const struct daffi_span *)b);
}

bool router_member_exposes(const struct attachment *member, struct daffi_span function) {
    return member->methods_count > 0 && bsearch(&function, member->methods, member->methods_count,
                                                sizeof *member->methods, compare_methods) != NULL;
}

/* Its `{"name":…,"methods":…}`: what stands in a handshake of this member, and not in one of nobody. */
static int format_entry(struct attachment *made, const struct daffi_member *member) {
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

static int write_news(struct attachment *made, const struct daffi_member *member) {
    const struct daffi_message envelope = {0};
    struct daffi_member copy = *member;
    const struct daffi_handshake handshake = {
        .type = DAFFI_TYPE_ROUTER, .members = &copy, .members_count = 1};
    struct daffi_event event = {.type = DAFFI_EVENT_CONNECTED};
    if (made->name.length >= sizeof event.member) {
        return -EINVAL;
    }
    memcpy(event.member, made->name.data, made->name.length);
    int status = member->methods_count == 0 ? 0 : own_message_handshake(&envelope, &handshake, &made->offer);
    if (status == 0) {
        status = own_message_event(&envelope, &event, &made->connected);
    }
    event.type = DAFFI_EVENT_DISCONNECTED;
    if (status == 0) {
        status = own_message_event(&envelope, &event, &made->leaves[ROUTER_DISCONNECTED]);
    }
    event.type = DAFFI_EVENT_EVICTED;
    if (status == 0) {
        status = own_message_event(&envelope, &event, &made->leaves[ROUTER_EVICTED]);
    }
    return status;
}

/* One block: the spans, then the bytes of all names. */
static int copy_names(struct attachment *made, const struct daffi_member *member) {
    size_t count = member->methods != NULL ? member->methods_count : 0;
    size_t bytes = strlen(member->name);
    for (size_t i = 0; i < count; i++) {
        bytes += strlen(member->methods[i]);
    }
    made->methods = malloc(count * sizeof *made->methods + bytes);
    if (made->methods == NULL) {
        return -ENOMEM;
    }
    uint8_t *text = (uint8_t *)(made->methods + count);
    made->name = daffi_span_of(text, strlen(member->name));
    memcpy(text, member->name, made->name.length);
    text += made->name.length;
    for (size_t i = 0; i < count; i++) {
        made->methods[i] = daffi_span_of(text, strlen(member->methods[i]));
        memcpy(text, member->methods[i], made->methods[i].length);
        text += made->methods[i].length;
    }
    made->methods_count = count;
    if (made->methods_count > 1) {
        qsort(made->methods, made->methods_count, sizeof *made->methods, compare_methods);
    }
    return 0;
}

int router_member_new(struct router_branch *home, struct session *session, enum guard_kind kind,
                      const struct daffi_member *member, size_t branches, uint64_t seed,
                      struct attachment **ret_member) {
    struct attachment *made = calloc(1, sizeof *made + branches * sizeof made->shares[0]);
    if (made == NULL) {
        return -ENOMEM;
    }
    atomic_init(&made->references, 1);
    made->home = home;
    made->session = session;
    made->kind = kind;
    made->place = ROUTER_NOWHERE;
    for (size_t i = 0; i < branches; i++) {
        struct router_share *share = &made->shares[i];
        share->join = (struct router_letter){.kind = ROUTER_LETTER_JOIN, .from = made};
        share->leave = (struct router_letter){.kind = ROUTER_LETTER_LEAVE, .from = made};
        share->seat.member = made;
    }
    /* The real Router tells an empty list as null. */
    struct daffi_member told = *member;
    told.methods = told.methods_count == 0 ? NULL : told.methods;
    int status = copy_names(made, &told);
    if (status == 0) {
        made->hash = name_hash(seed, made->name);
        status = format_entry(made, &told);
    }
    if (status == 0) {
        status = write_news(made, &told);
    }
    if (status < 0) {
        router_member_drop(made);
        return status;
    }
    *ret_member = made;
    return 0;
}

void router_member_hold(struct attachment *member) {
    atomic_fetch_add_explicit(&member->references, 1, memory_order_relaxed);
}

void router_member_drop(struct attachment *member) {
    if (atomic_fetch_sub_explicit(&member->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    own_message_clear(&member->offer);
    own_message_clear(&member->connected);
    own_message_clear(&member->leaves[ROUTER_DISCONNECTED]);
    own_message_clear(&member->leaves[ROUTER_EVICTED]);
    own_message_clear(&member->welcome);
    free(member->memory);
    free(member->methods);
    free(member);
}
