/* Who leaves a Python server, and what has to be over before the connection, or the name, is given up.
 *
 * A Service dies of an answer to somebody who has gone: so the connection stays until it has answered; or until a newcomer has the
 * name, to whom the answers go from then on, and who is owed them in turn (names.h, `debt`).
 *
 * A Router, and a Service, too, reads each connection in a thread of its own. When a newcomer takes a name it closes the
 * descriptor of the former, whatever that one's thread is doing; if the thread is at work on what it has read before, it goes on to read
 * from whoever is given the same number next, and the process dies of what it finds there. So a name is kept from newcomers until all
 * that its member sent has been read (upstream_receipt.c), for LINGER_MS at most. */
#include <stdio.h>
#include <string.h>

#include "bridge/members/presence.h"
#include "bridge/upstream/upstream_internal.h"

enum {
    LINGER_MS = 60000,
    LINGER_OWED_MS =
        NAMES_DEBT_MS,         /* where a Service works on: the longest that a call of a page may well take */
    LINGER_ON_TRIAL_MS = 2000, /* where no receipt has ever come */
};

static struct timers *timers_of(const struct attachment *attachment) {
    return reactor_timers(attachment->upstream->bridge->reactor);
}

static uint64_t now_of(const struct attachment *attachment) {
    return reactor_now(attachment->upstream->bridge->reactor);
}

/* -- the name -- */

static void release_name(struct attachment *attachment) {
    timer_clear(timers_of(attachment), &attachment->leaving.reading);
    attachment->leaving.keeps_name = false;
    names_leave(&attachment->leaving.name);
}

/* All is read; what is owed goes with the name. */
static void yield_name(struct attachment *attachment) {
    attachment->leaving.keeps_name = false;
    names_owe(&attachment->leaving.name, attachment->owed);
    names_yield(&attachment->leaving.name);
}

static void on_read(struct timer *timer, uint64_t now) {
    (void)now;
    yield_name((struct attachment *)(void *)((char *)timer - offsetof(struct attachment, leaving.reading)));
}

/* Whether both sides have it still. */
static bool is_there(const struct attachment *attachment) {
    return attachment->state == ATTACHMENT_OPEN && attachment->connection != NULL && !attachment->is_over;
}

/* Whether a Service needs more time to read: then it gets that, up to on_read. */
static bool give_time(struct attachment *attachment) {
    const uint64_t due = upstream_service_reads_by(attachment);
    attachment->leaving.reading.on_due = on_read;
    return due > now_of(attachment) &&
           timer_set(timers_of(attachment), &attachment->leaving.reading, due) == 0;
}

/* The server is about to tell that it has left: until then it is not in its own page's way. */
static void expect_leave(const struct attachment *attachment) {
    const struct upstream *upstream = attachment->upstream;
    presence_expect_leave(upstream->bridge->presence, upstream->backend.place,
                          daffi_span_text(attachment->name), now_of(attachment));
}

static void keep_name(struct attachment *attachment, struct names_entry *claim) {
    if (!is_there(attachment) || attachment->upstream->bridge->stopping) {
        return; /* nobody reads it; a bridge that ends lets nobody in */
    }
    const bool has_read = attachment->type == DAFFI_TYPE_SERVICE && !give_time(attachment);
    if (has_read && attachment->owed == 0) {
        return;
    }
    if (attachment->type == DAFFI_TYPE_CLIENT) { /* the session itself does not know whether it was let in */
        expect_leave(attachment);
    }
    attachment->leaving.name =
        (struct names_entry){.name = attachment->name, .place = claim->place, .is_page = claim->is_page};
    memcpy(attachment->leaving.name.tab, claim->tab, sizeof claim->tab);
    names_hand_over(claim, &attachment->leaving.name);
    attachment->leaving.keeps_name = attachment->leaving.name.state == NAMES_HOLDING;
    if (has_read) {
        yield_name(attachment);
    }
}

/* -- the connection -- */

/* For a receipt, or for the answer to its handshake: until that, nobody knows what the other side is. */
static bool awaits_word(const struct attachment *attachment) {
    return attachment->leaving.keeps_name && attachment->leaving.reading.place == 0;
}

static void ask(struct attachment *attachment) {
    attachment->leaving.is_asked = true;
    if (upstream_ask_receipt(attachment) < 0) {
        release_name(attachment);
    }
}

static void stop_lingering(struct attachment *attachment) {
    attachment->state = ATTACHMENT_ENDING;
    (*attachment->leaving.counted_in)--;
    *attachment->leaving.link = attachment->leaving.next;
    if (attachment->leaving.next != NULL) {
        attachment->leaving.next->leaving.link = attachment->leaving.link;
    }
    timer_clear(timers_of(attachment), &attachment->timer);
}

void upstream_end_lingering(struct attachment *attachment) {
    stop_lingering(attachment);
    names_owe(&attachment->leaving.name, attachment->owed); /* nothing where the other side has ended it */
    connection_close(attachment->connection, BRIDGE_GOODBYE_MS);
}

void upstream_end_unread(struct upstream *upstream) {
    for (struct attachment *attachment = upstream->leaving, *next = NULL; attachment != NULL;
         attachment = next) {
        next = attachment->leaving.next;
        if (attachment->owed == 0) {
            upstream_end_lingering(attachment);
        }
    }
}

bool upstream_has_room(const struct upstream *upstream, const char *address) {
    size_t of_address = 0;
    if (upstream->lingering >= UPSTREAM_LINGERING_MAX || upstream->unread >= UPSTREAM_UNREAD_MAX) {
        return false;
    }
    if (upstream->lingering < UPSTREAM_LINGERING_SHARE) {
        return true;
    }
    for (const struct attachment *leaver = upstream->leaving; leaver != NULL; leaver = leaver->leaving.next) {
        of_address += leaver->leaving.counted_in == &upstream->lingering &&
                      strcmp(leaver->leaving.address, address) == 0;
    }
    return of_address < UPSTREAM_LINGERING_SHARE;
}

static uint64_t patience_of(const struct attachment *attachment, bool is_owed) {
    if (is_owed) {
        return LINGER_OWED_MS;
    }
    return upstream_insists_on_receipts(attachment) ? LINGER_MS : LINGER_ON_TRIAL_MS;
}

/* Whether the connection stays for what is still to come. */
static bool start_lingering(struct attachment *attachment) {
    struct upstream *upstream = attachment->upstream;
    bool is_owed = attachment->owed > 0;
    uint64_t due = now_of(attachment) + patience_of(attachment, is_owed);
    if (!is_there(attachment) || (!is_owed && !awaits_word(attachment)) ||
        timer_set(timers_of(attachment), &attachment->timer, due) < 0) {
        return false;
    }
    attachment->state = ATTACHMENT_LINGERING;
    snprintf(attachment->leaving.address, sizeof attachment->leaving.address, "%s",
             session_address(attachment->session));
    attachment->leaving.counted_in = is_owed ? &upstream->lingering : &upstream->unread;
    (*attachment->leaving.counted_in)++;
    attachment->leaving.link = &upstream->leaving;
    attachment->leaving.next = upstream->leaving;
    if (upstream->leaving != NULL) {
        upstream->leaving->leaving.link = &attachment->leaving.next;
    }
    upstream->leaving = attachment;
    if (awaits_word(attachment) && attachment->type == DAFFI_TYPE_ROUTER) {
        ask(attachment);
    }
    return true;
}

/* It might have been a Service that owes answers, and is a Router. */
static void wait_as_unread(struct attachment *attachment) {
    struct upstream *upstream = attachment->upstream;
    if (attachment->leaving.counted_in == &upstream->lingering) {
        upstream->lingering--;
        upstream->unread++;
        attachment->leaving.counted_in = &upstream->unread;
        /* It is set: there is room for it. */
        (void)timer_set(timers_of(attachment), &attachment->timer,
                        now_of(attachment) + patience_of(attachment, false));
    }
}

static void take_word(struct attachment *attachment, const struct daffi_message *message) {
    switch (attachment->type) {
    case DAFFI_TYPE_CLIENT:
        if (message->flag == DAFFI_ERROR) { /* refused: it never was a member */
            release_name(attachment);
        }
        break;
    case DAFFI_TYPE_ROUTER:
        if (!attachment->leaving.is_asked) {
            wait_as_unread(attachment);
            ask(attachment);
        } else if (attachment->receipts_due == 0) {
            expect_leave(attachment); /* anew: it may have waited for long */
            release_name(attachment);
        }
        break;
    case DAFFI_TYPE_SERVICE:
        /* What was sent behind the handshake it begins to read now. */
        attachment->sent_at = attachment->sent_at == 0 ? 0 : now_of(attachment);
        if (!give_time(attachment)) {
            yield_name(attachment);
        }
        break;
    }
}

void upstream_take_while_lingering(struct attachment *attachment, const struct daffi_message *message) {
    if (awaits_word(attachment)) {
        take_word(attachment, message);
    }
    names_owe(&attachment->leaving.name, attachment->owed);
    if (attachment->owed == 0 && !awaits_word(attachment)) {
        upstream_end_lingering(attachment);
    }
}

void upstream_pay_successor(struct attachment *attachment) {
    struct attachment *successor = attachment->successor;
    if (successor == NULL || successor->owed == 0) {
        return;
    }
    successor->owed--;
    names_owe(&successor->leaving.name, successor->owed);
    if (successor->state == ATTACHMENT_LINGERING && successor->owed == 0 && !awaits_word(successor)) {
        upstream_end_lingering(successor);
    }
}

/* Of two of one session that both wait the answers come to the first one until the Service has read the second one's handshake. */
static void part(struct attachment *attachment) {
    if (attachment->predecessor != NULL) {
        attachment->predecessor->successor = NULL;
        attachment->predecessor = NULL;
    }
    if (attachment->successor != NULL) {
        attachment->successor->predecessor = NULL;
        attachment->successor = NULL;
    }
}

/* Where it was cut amid what it had sent, the Router reads on for a while: its own word is waited for then. */
void upstream_forget_leaving(struct attachment *attachment) {
    const struct upstream *upstream = attachment->upstream;
    if (awaits_word(attachment) && !attachment->is_over) {
        presence_expect_stay(upstream->bridge->presence, upstream->backend.place,
                             daffi_span_text(attachment->name));
    }
    release_name(attachment);
    if (attachment->state == ATTACHMENT_LINGERING) {
        stop_lingering(attachment);
    }
    if (attachment->state == ATTACHMENT_ENDING) {
        part(attachment);
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
    /* The one that joins in place of the other has the name as soon as it has asked for it. */
    struct attachment *holder =
        predecessor != NULL && attachment->state != ATTACHMENT_OPEN ? predecessor : attachment;
    if (predecessor != NULL && holder == attachment) {
        holder->owed += predecessor->owed; /* a Service answers whoever has the name */
    }
    const bool is_held = attachment->rejoin == REJOIN_HELD;
    attachment->rejoin = REJOIN_NONE;
    upstream_send_put_by(attachment, holder);
    if (is_held && attachment->connection != NULL) { /* it may be its end that has ended the session */
        connection_resume(attachment->connection);
    }
    keep_name(holder, claim);
    if (predecessor != NULL) {
        upstream_let_go(predecessor);
    }
    upstream_let_go(attachment);
    if (holder != attachment || attachment->state != ATTACHMENT_LINGERING) {
        part(attachment); /* the first one may outlive this one, for what it waits for */
    }
}
