/* What a session knows of who is there, and what of it its peer is shown: a page only what its policy lets it call. */
#include <errno.h>
#include <stdlib.h>

#include "bridge/members/presence.h"
#include "bridge/members/rejoins.h"
#include "bridge/session/session_internal.h"

bool session_shows_all(const struct session *session) {
    return session->kind == GUARD_NATIVE || policy_shows_all(&session->policy);
}

/* Whoever is shown all, by a backend that answers calls itself, needs no memory of it. */
static bool keeps_view(const struct session *session) {
    return !session->backend->answers || !session_shows_all(session);
}

static bool is_self(const struct session *session, const char *name) {
    return daffi_span_equal(daffi_span_text(name), session_name(session));
}

struct roster_entry *session_find_member(const struct session *session, struct daffi_span name) {
    return roster_find(&session->bridge->roster, &session->view, name);
}

static void hand_calls_on(struct session *session, struct call_worker *from, struct call_worker *to) {
    for (struct call *call = session->waiting.oldest; call != NULL; call = call->of_caller_next) {
        if (call->worker == from) {
            call_assign(call, to);
        }
    }
}

/* A member that says something new of itself owes what it owed. */
static int learn(struct session *session, const struct daffi_member *member) {
    struct roster *roster = &session->bridge->roster;
    struct roster_entry *former = session_find_member(session, daffi_span_text(member->name));
    if (former == NULL) {
        return roster_put(roster, &session->view, member);
    }
    if (roster_entry_is(former, member)) {
        return 0;
    }
    struct call_worker between = {0};
    hand_calls_on(session, &former->calls, &between);
    roster_remove(roster, &session->view, former);
    int status = roster_put(roster, &session->view, member);
    struct roster_entry *entry = session_find_member(session, daffi_span_text(member->name));
    hand_calls_on(session, &between, entry == NULL ? NULL : &entry->calls);
    return status;
}

/* Takes out the functions that may not be called; whether there is anything to show. */
static bool filter_member(const struct policy *policy, struct daffi_member *member) {
    if (!policy_shows_member(policy, daffi_span_text(member->name))) {
        return false;
    }
    size_t had = member->methods != NULL ? member->methods_count : 0;
    size_t kept = 0;
    for (size_t i = 0; i < had; i++) {
        if (policy_allows_function(policy, daffi_span_text(member->methods[i]))) {
            member->methods[kept++] = member->methods[i];
        } else {
            free(member->methods[i]);
        }
    }
    if (had > 0) {
        member->methods_count = kept;
    }
    return had == 0 || kept > 0;
}

static bool shows_entry(const struct policy *policy, const struct roster_entry *entry) {
    bool shows = entry == NULL || entry->methods.count == 0;
    for (size_t i = 0; !shows && i < entry->methods.count; i++) {
        shows = policy_allows_function(policy, entry->methods.names[i]);
    }
    return shows;
}

static void free_methods(struct daffi_member *member) {
    for (size_t i = 0; member->methods != NULL && i < member->methods_count; i++) {
        free(member->methods[i]);
    }
    free(member->methods);
    member->methods = NULL;
    member->methods_count = 0;
}

static void free_member(struct daffi_member *member) {
    free_methods(member);
    free(member->name);
}

int session_take_members(struct session *session, struct daffi_handshake *handshake, bool is_own_answer) {
    /* A Service names whoever comes, and never who goes: it alone is of interest. */
    bool is_service = handshake->type == DAFFI_TYPE_SERVICE;
    bool shows_all = session_shows_all(session);
    size_t kept = 0;
    int status = 0;
    for (size_t i = 0; i < handshake->members_count; i++) {
        struct daffi_member *member = &handshake->members[i];
        if (presence_is_watcher(daffi_span_text(member->name))) {
            free_member(member);
            continue;
        }
        bool is_own = is_self(session, member->name);
        const struct roster_entry *known = session_find_member(session, daffi_span_text(member->name));
        bool is_learned = keeps_view(session) && !is_own && (!is_service || is_own_answer || known != NULL);
        /* Who has nothing left to show, and had before, is shown without. */
        bool was_shown = !is_own_answer && known != NULL && shows_entry(&session->policy, known) &&
                         policy_shows_member(&session->policy, daffi_span_text(member->name));
        if (is_learned && status == 0) {
            status = learn(session, member);
        }
        if (shows_all || is_own || filter_member(&session->policy, member)) {
            handshake->members[kept++] = *member;
        } else if (was_shown) {
            free_methods(member);
            handshake->members[kept++] = *member;
        } else {
            free_member(member);
        }
    }
    handshake->members_count = kept;
    return status;
}

/* The session may end within this. */
static void take_leave(struct session *session, struct roster_entry *entry) {
    if (entry != NULL) {
        session_answer_for_leaver(session, entry);
    }
    if (entry != NULL && session->state != SESSION_CLOSING) {
        roster_remove(&session->bridge->roster, &session->view, entry);
    }
}

bool session_is_rejoin(const struct session *session, const struct daffi_event *event) {
    return event->type == DAFFI_EVENT_EVICTED &&
           rejoins_has(session->bridge->rejoins, session->backend->name, daffi_span_text(event->member),
                       reactor_now(session->bridge->reactor));
}

int session_take_news(struct session *session, const struct daffi_event *event) {
    const struct daffi_span name = daffi_span_text(event->member);
    if (is_self(session, event->member)) {
        bool is_rejoin = session_is_rejoin(session, event);
        session->is_let_in = session->is_let_in && (is_rejoin || event->type == DAFFI_EVENT_CONNECTED);
        return 1;
    }
    if (presence_is_watcher(name)) {
        return 0;
    }
    struct roster_entry *entry = session_find_member(session, name);
    bool shows = session_shows_all(session) ||
                 (policy_shows_member(&session->policy, name) && shows_entry(&session->policy, entry));
    char copy[sizeof event->member];
    memcpy(copy, event->member, sizeof copy);
    const struct daffi_member bare = {.name = copy};
    int status = 0;
    if (event->type == DAFFI_EVENT_CONNECTED) {
        status = entry == NULL && keeps_view(session) ? learn(session, &bare) : 0;
    } else if (session_is_rejoin(session, event)) {
        status = entry != NULL ? learn(session, &bare) : 0;
    } else {
        answers_drop_caller(&session->owed, &session->bridge->call_table, name);
        take_leave(session, entry);
    }
    return status < 0 ? status : shows;
}

void session_forget_members(struct session *session) {
    if (session->is_let_in) {
        session->is_let_in = false;
        presence_expect_leave(session->bridge->presence, session->backend->place, session_name(session),
                              reactor_now(session->bridge->reactor));
    }
    roster_view_clear(&session->bridge->roster, &session->view);
}
