/* What is on its way to a branch of the router: letters of any thread, taken by the branch's own, in the order in which each
 * thread put them. No lock: a stack of letters, turned round as it is taken. The reactor is posted to once for all that
 * is put before it looks; where it has said that news may wait, only by a message. */
#ifndef ROUTER_MAILBOX_H
#define ROUTER_MAILBOX_H

#include <stdatomic.h>

#include "net/reactor.h"

struct attachment;

enum router_letter_kind {
    ROUTER_LETTER_JOIN,    /* `from` is a member now */
    ROUTER_LETTER_CHANGE,  /* `from` exposes other functions */
    ROUTER_LETTER_LEAVE,   /* `from` is none any more */
    ROUTER_LETTER_REFUSAL, /* `from` can't be one */
    ROUTER_LETTER_MESSAGE, /* of `from`, for `to` */
    ROUTER_LETTER_ERROR,   /* the router's own, for `to`: no call of it is in flight */
    ROUTER_LETTER_AGAIN, /* a call of `from` that found no receiver: tried again when the news before it is read */
};

struct router_letter {
    struct router_letter *next;
    enum router_letter_kind kind;
    struct attachment *from,
        *to; /* referenced by messages and errors, which are freed when they have been read */
    size_t length;
    uint8_t *bytes; /* one whole daffi message, of the latter three: in the letter's own allocation */
};

struct router_mailbox {
    _Atomic(struct router_letter *) newest;
    atomic_size_t bytes; /* of messages in it; counted in the reactor's memory budget as well */
    atomic_bool posted;  /* the reactor has been told and has not looked yet */
    atomic_bool waiting; /* it has looked, and left the letters there: a message tells it again */
    atomic_bool ended;
    size_t limit; /* bytes of messages past which it takes no more of them */
    struct reactor *reactor;
    struct memory_budget *budget; /* the reactor's, which outlives it */
    void (*run)(void *argument);  /* on the reactor's thread: takes what is there */
    void *argument;
};

void router_mailbox_init(struct router_mailbox *mailbox, struct reactor *reactor, size_t limit,
                         void (*run)(void *argument), void *argument);

/* Any thread. */
void router_mailbox_put(struct router_mailbox *mailbox, struct router_letter *letter);

/* Whether a message may be put: it holds less than its limit, and the memory budget is not used up. A message of any size
 * fits below that. */
bool router_mailbox_has_room(struct router_mailbox *mailbox);

/* All letters that are there, the oldest first, now the caller's. NULL: none. The owner's thread. */
struct router_letter *router_mailbox_take(struct router_mailbox *mailbox);

/* Called by `run` to leave the letters there: whoever waits takes them later, by a timer of its own, or when `run` is called
 * again since a message was put. False: one is there already, and they are to be taken. */
bool router_mailbox_wait(struct router_mailbox *mailbox);

/* Nothing is posted any more. */
void router_mailbox_end(struct router_mailbox *mailbox);

#endif
