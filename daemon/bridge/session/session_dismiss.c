/* A session's end that can wait: for the answers that its peer waits for, or owes. */
#include "bridge/session/session_internal.h"

bool session_is_closing(const struct session *session) {
    return session->state == SESSION_CLOSING;
}

/* Until it is open nobody has asked for anything. */
static bool waits_for_answers(const struct session *session) {
    if (session->state != SESSION_OPEN) {
        return false;
    }
    return session_calls(session)->count + session->owed.count > 0;
}

bool session_dismiss(struct session *session, uint16_t code, const char *reason) {
    if (session->state == SESSION_CLOSING || waits_for_answers(session)) {
        return false;
    }
    session_close(session, code, reason);
    return true;
}
