#include "bridge/router/router_member.h"

#include <errno.h>
#include <stdlib.h>

static int write_news(struct attachment *made) {
    const struct daffi_message envelope = {0};
    struct daffi_event event = {.type = DAFFI_EVENT_CONNECTED};
    if (made->name.length >= sizeof event.member) {
        return -EINVAL;
    }
    memcpy(event.member, made->name.data, made->name.length);
    int status = own_message_event(&envelope, &event, &made->connected);
    event.type = DAFFI_EVENT_DISCONNECTED;
    if (status == 0) {
        status = own_message_event(&envelope, &event, &made->leaves[BACKEND_DISCONNECTED]);
    }
    event.type = DAFFI_EVENT_EVICTED;
    if (status == 0) {
        status = own_message_event(&envelope, &event, &made->leaves[BACKEND_EVICTED]);
    }
    return status;
}

int router_member_new(struct router_branch *home, struct session *session, const struct daffi_member *member,
                      size_t branches, uint64_t seed, struct attachment **ret_member) {
    size_t name_length = strlen(member->name);
    struct attachment *made = calloc(1, sizeof *made + branches * sizeof made->shares[0] + name_length);
    if (made == NULL) {
        return -ENOMEM;
    }
    atomic_init(&made->references, 1);
    made->branches = branches;
    made->home = home;
    made->session = session;
    made->place = ROUTER_NOWHERE;
    made->name = daffi_span_of(&made->shares[branches], name_length);
    memcpy(&made->shares[branches], member->name, name_length);
    made->hash = name_hash(seed, made->name);
    for (size_t i = 0; i < branches; i++) {
        struct router_share *share = &made->shares[i];
        share->join = (struct router_letter){.kind = ROUTER_LETTER_JOIN, .from = made};
        share->leave = (struct router_letter){.kind = ROUTER_LETTER_LEAVE, .from = made};
        share->seat.member = made;
    }
    int status = router_exposure_new(member, false, branches, &made->exposure);
    for (size_t i = 0; status == 0 && i < branches; i++) {
        made->shares[i].seat.exposure = made->exposure;
    }
    if (status == 0) {
        status = write_news(made);
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
    own_message_clear(&member->connected);
    own_message_clear(&member->leaves[BACKEND_DISCONNECTED]);
    own_message_clear(&member->leaves[BACKEND_EVICTED]);
    own_message_clear(&member->welcome);
    for (size_t i = 0; i < member->branches; i++) {
        router_exposure_drop(member->shares[i].seat.exposure, 1);
    }
    router_exposure_drop(member->exposure, 1);
    free(member);
}
