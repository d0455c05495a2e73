/* A session and its name: claimed before the backend hears of it, so that nobody's is taken away.        (names.h) */
#include <errno.h>
#include <stdio.h>

#include "bridge/members/presence.h"
#include "bridge/session/session_internal.h"

enum {
    PROVE_MS = 2000, /* for a page to show that it is there, when somebody else asks for its name */
    CLAIM_MS = 5000, /* for a newcomer to wait in all */
};

static const char TAKEN[] = "the name is taken: a member that is called so is connected";
static const char UNREAD[] = "the name is not free yet: the member that had it has left, but the upstream "
                             "has not read all that it sent; try again later";
static const char ASKED_ANEW[] = "the name has been asked for once more meanwhile";

static struct session *session_of(struct names_entry *entry) {
    return (struct session *)(void *)((char *)entry - offsetof(struct session, claim));
}

static void yield_name(struct session *session, const char *reason) {
    if (session->state == SESSION_OPEN) {
        struct daffi_event event = {.type = DAFFI_EVENT_EVICTED};
        const struct daffi_message envelope = {0};
        struct own_message own = {0};
        snprintf(event.member, sizeof event.member, "%s", session->name);
        session_send_own(session, own_message_event(&envelope, &event, &own), &own);
        session_close(session, CLOSE_POLICY, reason);
    } else if (session->state == SESSION_ATTACHING) {
        session_refuse(session, CLOSE_POLICY, reason);
    }
}

/* A page that is being held back, by us or by what it does not read, can't answer: other limits are for that. */
static void prove_presence(struct session *session) {
    bool can_answer = session->state == SESSION_OPEN && !session->paused &&
                      !session->transport->is_congested(session->transport_owner);
    if (!can_answer || session_set_deadline(session, PROVE_MS) < 0) {
        names_confirm(&session->claim);
        return;
    }
    session->transport->ping(session->transport_owner);
}

void session_on_alive(struct session *session) {
    if (session->state == SESSION_OPEN && session->deadline.place != 0) {
        timer_clear(reactor_timers(session->bridge->reactor), &session->deadline);
        names_confirm(&session->claim);
    }
}

size_t session_take_debt(struct session *session) {
    return names_take_debt(&session->claim);
}

/* It holds the name among the bridge's own; a page joins only where no member past the bridge bears it. */
static void join(struct session *session) {
    const struct bridge *bridge = session->bridge;
    bool is_taken =
        session->kind == GUARD_BROWSER && presence_has(bridge->presence, session->backend->place,
                                                       session_name(session), reactor_now(bridge->reactor));
    if (is_taken) {
        session_refuse(session, CLOSE_POLICY, TAKEN);
    } else {
        session_attach(session);
    }
}

static void on_word(struct names_entry *entry, enum names_word word) {
    struct session *session = session_of(entry);
    switch (word) {
    case NAMES_GRANTED:
        if (session->state == SESSION_CLAIMING) {
            join(session);
        }
        break;
    case NAMES_TAKEN:
    case NAMES_REPLACED:
        if (session->state == SESSION_CLAIMING) {
            session_refuse(session, CLOSE_POLICY, word == NAMES_TAKEN ? TAKEN : ASKED_ANEW);
        }
        break;
    case NAMES_YIELD:
        yield_name(session, "a newer connection of the same tab has taken the name over");
        break;
    case NAMES_PROVE:
        prove_presence(session);
        break;
    case NAMES_EVICT:
        session->is_evicted = true;
        LOG_SESSION(session, CONFIG_LOG_WARNING, "evicted", "a native peer has connected with its name");
        yield_name(session, "evicted: a native peer has connected with this name");
        break;
    }
}

static bool may_be_called_so(struct session *session) {
    char text[SESSION_REASON_MAX];
    if (session->kind == GUARD_NATIVE || policy_allows_name(&session->policy, session_name(session))) {
        return true;
    }
    session_refuse(session, CLOSE_POLICY,
                   policy_explain_name(&session->policy, session_name(session), text, sizeof text));
    return false;
}

void session_claim_name(struct session *session) {
    if (!may_be_called_so(session)) {
        return;
    }
    struct names_entry *claim = &session->claim;
    claim->name = session->name;
    claim->place = session->backend->place;
    claim->is_page = session->kind == GUARD_BROWSER;
    claim->on_word = on_word;
    session->state = SESSION_CLAIMING;
    int status = names_claim(&session->bridge->names, claim);
    if (status == -EINPROGRESS) {
        status = session_set_deadline(session, CLAIM_MS);
        if (status == 0) {
            return;
        }
    }
    if (status == 0) {
        join(session);
    } else {
        session_refuse(session, CLOSE_POLICY, status == -EEXIST ? TAKEN : "the bridge is out of memory");
    }
}

/* The claim, or the proof, has had its time. */
void session_end_claim(struct session *session) {
    if (session->state == SESSION_CLAIMING && names_waits_for_leaver(&session->claim)) {
        session_refuse(session, CLOSE_TRY_LATER, UNREAD);
    } else if (session->state == SESSION_CLAIMING) {
        session_refuse(session, CLOSE_POLICY, TAKEN);
    } else if (session->state == SESSION_OPEN) {
        session_close(session, CLOSE_POLICY, "the page gave no sign of life when another asked for its name");
    }
}
