/* Who leaves a Python server, and what has to be over before the connection, or the name, is given up.
 *
 * A Service dies of an answer to somebody who has gone: so the connection stays until it has answered.
 *
 * A Router, and a Service, too, reads each connection in a thread of its own. When a newcomer takes a name it closes the
 * descriptor of the former, whatever that one's thread is doing; if the thread is at work on what it has read before, it goes on to read
 * from whoever is given the same number next, and the process dies of what it finds there. So a name is kept from newcomers until all
 * that its member sent has been read. A Router gives a receipt for that; a Service is asked nothing: it is quick to
 * read, and is given SERVICE_READ_MS. */
#include <string.h>

#include "bridge/members/presence.h"
#include "bridge/upstream/upstream_internal.h"

enum {
    LINGER_MS = 60000,
    LINGER_ON_TRIAL_MS = 2000, /* where no receipt has ever come */
    SERVICE_READ_MS = 500,     /* behind the last message */
};

static struct timers *timers_of(const struct attachment *attachment) {
    return reactor_timers(attachment->upstream->bridge->reactor);
}

static uint64_t now_of(const struct attachment *attachment) {
    return reactor_now(attachment->upstream->bridge->reactor);
}

/* -- the name -- */

static void release_name(struct attachment *attachment) {
    timer_clear(timers_of(attachment), &attachment->reading);
    names_leave(&attachment->kept_name);
}

static void on_read(struct timer *timer, uint64_t now) {
    (void)now;
    release_name((struct attachment *)(void *)((char *)timer - offsetof(struct attachment, reading)));
}

/* A Service has read all when it has answered what came last; a bridge that ends lets nobody in. */
static bool is_read(const struct attachment *attachment) {
    return attachment->state != ATTACHMENT_OPEN || attachment->connection == NULL || attachment->is_over ||
           attachment->upstream->bridge->stopping ||
           (attachment->type == DAFFI_TYPE_SERVICE && attachment->owed == 0 && attachment->is_owed_last);
}

static void keep_name(struct attachment *attachment, struct names_entry *claim) {
    if (is_read(attachment)) {
        return;
    }
    if (attachment->type == DAFFI_TYPE_SERVICE) {
        const uint64_t due = attachment->sent_at + SERVICE_READ_MS;
        attachment->reading.on_due = on_read;
        if (due <= now_of(attachment) || timer_set(timers_of(attachment), &attachment->reading, due) < 0) {
            return;
        }
    }
    if (attachment->type == DAFFI_TYPE_CLIENT) { /* the session itself does not know whether it was let in */
        const struct upstream *upstream = attachment->upstream;
        presence_expect_leave(upstream->bridge->presence, upstream->backend.place,
                              daffi_span_text(attachment->name), now_of(attachment));
    }
    attachment->kept_name =
        (struct names_entry){.name = attachment->name, .place = claim->place, .is_page = claim->is_page};
    memcpy(attachment->kept_name.tab, claim->tab, sizeof claim->tab);
    names_hand_over(claim, &attachment->kept_name);
}

/* -- the connection -- */

/* For a receipt, or for the answer to its handshake: until that, nobody knows what the other side is. */
static bool awaits_word(const struct attachment *attachment) {
    return attachment->kept_name.state == NAMES_HOLDING && attachment->reading.place == 0;
}

static void ask_once(struct attachment *attachment) {
    if (attachment->type != DAFFI_TYPE_ROUTER || attachment->is_asked) {
        return;
    }
    attachment->is_asked = true;
    if (upstream_ask_receipt(attachment) < 0) {
        release_name(attachment);
    }
}

static void stop_lingering(struct attachment *attachment) {
    attachment->state = ATTACHMENT_ENDING;
    attachment->upstream->lingering -= attachment->is_counted;
    timer_clear(timers_of(attachment), &attachment->timer);
}

void upstream_end_lingering(struct attachment *attachment) {
    stop_lingering(attachment);
    connection_close(attachment->connection, BRIDGE_GOODBYE_MS);
}

/* Whether the connection stays for what is still to come. */
static bool start_lingering(struct attachment *attachment) {
    bool is_owed = attachment->owed > 0 && attachment->upstream->lingering < UPSTREAM_LINGERING_MAX;
    bool is_on_trial =
        awaits_word(attachment) && !upstream_health_gives_receipts(attachment->upstream->health);
    uint64_t due = now_of(attachment) + (is_on_trial ? LINGER_ON_TRIAL_MS : LINGER_MS);
    if (attachment->state != ATTACHMENT_OPEN || (!is_owed && !awaits_word(attachment)) ||
        timer_set(timers_of(attachment), &attachment->timer, due) < 0) {
        return false;
    }
    attachment->state = ATTACHMENT_LINGERING;
    attachment->is_counted = is_owed;
    attachment->upstream->lingering += is_owed;
    if (awaits_word(attachment)) {
        ask_once(attachment);
    }
    return true;
}

/* A Service that has answered had nothing but the handshake to read: else the name would have its time. */
static bool is_told(const struct attachment *attachment, const struct daffi_message *message) {
    bool is_refused = attachment->type == DAFFI_TYPE_CLIENT && message->flag == DAFFI_ERROR;
    bool has_receipt = attachment->is_asked && attachment->receipts_due == 0;
    return is_refused || has_receipt || attachment->type == DAFFI_TYPE_SERVICE;
}

void upstream_take_while_lingering(struct attachment *attachment, const struct daffi_message *message) {
    if (awaits_word(attachment)) {
        ask_once(attachment);
    }
    if (awaits_word(attachment) && is_told(attachment, message)) {
        release_name(attachment);
    }
    if (attachment->owed == 0 && !awaits_word(attachment)) {
        upstream_end_lingering(attachment);
    }
}

void upstream_forget_leaving(struct attachment *attachment) {
    release_name(attachment);
    if (attachment->state == ATTACHMENT_LINGERING) {
        stop_lingering(attachment);
    }
}

void upstream_let_go(struct attachment *attachment) {
    if (start_lingering(attachment)) {
        return;
    }
    attachment->state = ATTACHMENT_ENDING;
    timer_clear(timers_of(attachment), &attachment->timer);
    connector_free(attachment->connector);
    attachment->connector = NULL;
    if (attachment->connection != NULL) {
        connection_close(attachment->connection, session_config(attachment->session)->timeouts.drain);
    } else {
        upstream_retire(attachment);
    }
}

void upstream_detach(struct attachment *attachment, enum backend_leaving how, struct names_entry *claim) {
    (void)how;
    struct attachment *predecessor = attachment->predecessor;
    if (predecessor != NULL) {
        predecessor->successor = NULL; /* it may outlive this one, for what it waits for */
        attachment->predecessor = NULL;
    }
    attachment->rejoining = false;
    if (attachment->held) {
        attachment->held = false;
        connection_resume(attachment->connection);
    }
    /* The one that joins in place of the other has the name as soon as it has asked for it. */
    keep_name(predecessor != NULL && attachment->state != ATTACHMENT_OPEN ? predecessor : attachment, claim);
    if (predecessor != NULL) {
        upstream_let_go(predecessor);
    }
    upstream_let_go(attachment);
}
