#include "bridge/router/router_mailbox.h"

#include "net/buffer.h"

void router_mailbox_init(struct router_mailbox *mailbox, struct reactor *reactor, size_t limit,
                         void (*run)(void *argument), void *argument) {
    atomic_init(&mailbox->newest, NULL);
    atomic_init(&mailbox->bytes, 0);
    atomic_init(&mailbox->posted, false);
    atomic_init(&mailbox->waiting, false);
    atomic_init(&mailbox->ended, false);
    mailbox->limit = limit;
    mailbox->reactor = reactor;
    mailbox->budget = buffer_pool_budget(reactor_pool(reactor));
    mailbox->run = run;
    mailbox->argument = argument;
}

/* A post that fails for want of memory is made up for by the next letter's. */
static void tell_reactor(struct router_mailbox *mailbox, bool is_message) {
    bool is_new = !atomic_exchange(&mailbox->posted, true);
    bool ends_wait = is_message && atomic_exchange(&mailbox->waiting, false);
    if (atomic_load(&mailbox->ended) || (!is_new && !ends_wait)) {
        return;
    }
    if (reactor_post(mailbox->reactor, mailbox->run, mailbox->argument) < 0) {
        atomic_store(&mailbox->posted, false);
    }
}

void router_mailbox_put(struct router_mailbox *mailbox, struct router_letter *letter) {
    bool is_message = letter->length > 0; /* the letter is another's as soon as it is put */
    atomic_fetch_add(&mailbox->bytes,
                     letter->length); /* in one order with `waiting`: see router_mailbox_wait */
    atomic_fetch_add_explicit(&mailbox->budget->used, letter->length, memory_order_relaxed);
    struct router_letter *newest = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    do {
        letter->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &newest, letter, memory_order_release,
                                                    memory_order_relaxed));
    tell_reactor(mailbox, is_message);
}

bool router_mailbox_has_room(struct router_mailbox *mailbox) {
    return atomic_load_explicit(&mailbox->bytes, memory_order_relaxed) < mailbox->limit &&
           atomic_load_explicit(&mailbox->budget->used, memory_order_relaxed) < mailbox->budget->limit;
}

struct router_letter *router_mailbox_take(struct router_mailbox *mailbox) {
    /* First this, then the letters: who puts one later posts again. */
    atomic_store(&mailbox->waiting, false);
    atomic_exchange(&mailbox->posted, false);
    struct router_letter *newest = atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire);
    struct router_letter *oldest = NULL;
    size_t bytes = 0;
    while (newest != NULL) {
        struct router_letter *next = newest->next;
        bytes += newest->length;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    atomic_fetch_sub_explicit(&mailbox->bytes, bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&mailbox->budget->used, bytes, memory_order_relaxed);
    return oldest;
}

/* First it is said, then looked: a message that was put before is seen here, one that is put later sees it said. */
bool router_mailbox_wait(struct router_mailbox *mailbox) {
    atomic_store(&mailbox->waiting, true);
    return atomic_load(&mailbox->bytes) == 0;
}

void router_mailbox_end(struct router_mailbox *mailbox) {
    atomic_store(&mailbox->ended, true);
}
