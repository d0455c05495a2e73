#include "bridge/router/router.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/random.h>

#include "bridge/router/router_branch.h"
#include "ops/log.h"

enum { CALM_MS = 1000, CLOSE_POLICY = 1008, CLOSE_TRY_LATER = 1013 };
enum { PORTION_MEMBERS_A_MS = 50, PORTION_MS_MAX = 100 };

struct router {
    const char *name;
    uint64_t seed;
    struct router_directory *directory;
    size_t limit; /* of branches */
    size_t count;
    struct router_mailbox **mailboxes; /* of the branches, in their order */
    struct router_branch *branches[];
};

/* -- the news -- */

static void link_member(struct router_branch *branch, struct attachment *member) {
    member->previous = branch->last;
    if (branch->last != NULL) {
        branch->last->next = member;
    } else {
        branch->first = member;
    }
    branch->last = member;
    branch->members++;
    member->told = (struct router_news_mark){branch->news.length, branch->news.count};
}

static void unlink_member(struct router_branch *branch, struct attachment *member) {
    if (member->next != NULL) {
        member->next->previous = member->previous;
    } else {
        branch->last = member->previous;
    }
    if (member->previous != NULL) {
        member->previous->next = member->next;
    } else {
        branch->first = member->next;
    }
    branch->members--;
}

static void welcome(struct attachment *member) {
    const struct daffi_span bytes = own_message_bytes(&member->welcome);
    struct daffi_message message;
    struct daffi_fault fault;
    size_t size = 0;
    if (member->session != NULL && daffi_message_decode(bytes, &message, &size, &fault) == 0) {
        session_on_backend_welcome(member->session, &message, bytes);
    }
    own_message_clear(&member->welcome);
}

/* A crowd that joins leaves the heap full of holes, as its welcomes grow with the square of it: once it has settled they are
 * given back. */
static void on_calm(struct timer *timer, uint64_t now) {
    (void)timer;
    (void)now;
    malloc_trim(0);
}

/* A join or a leave: what comes of them next may wait for its portion. */
static void note_news(struct router_branch *branch) {
    struct reactor *reactor = branch->bridge->reactor;
    const size_t portion_ms = branch->members / PORTION_MEMBERS_A_MS;
    branch->portion_due = reactor_now(reactor) + (portion_ms < PORTION_MS_MAX ? portion_ms : PORTION_MS_MAX);
    if (branch->place == 0) {
        (void)timer_set(reactor_timers(reactor), &branch->calm, reactor_now(reactor) + CALM_MS);
    }
}

static void take_join(struct router_branch *branch, struct attachment *member) {
    router_news_add(branch, &member->shares[branch->place].seat.exposure->offer);
    router_news_add(branch, &member->connected);
    router_seats_add(&branch->seats, &member->shares[branch->place].seat);
    note_news(branch);
    if (member->home == branch) {
        link_member(branch, member);
        welcome(member);
    }
}

/* To others it is a member of which something new is said: they keep what is under way with it. It is told as joins are, as
 * an event is what wakes those who show a list. */
static void take_change(struct router_branch *branch, struct router_letter *letter) {
    struct attachment *member = letter->from;
    struct router_seat *seat = &member->shares[branch->place].seat;
    router_exposure_drop(seat->exposure, 1);
    seat->exposure = router_exposure_told(letter);
    router_news_flush(branch);
    router_news_add(branch, &seat->exposure->offer);
    router_news_add(branch, &member->connected);
    if (member->home == branch) {
        member->told = (struct router_news_mark){branch->news.length, branch->news.count}; /* it knows */
        welcome(member);
    }
    router_news_flush(branch);
}

static void take_leave(struct router_branch *branch, struct attachment *member) {
    struct router_seat *seat = &member->shares[branch->place].seat;
    if (seat->calls.calls != NULL) {
        router_news_flush(branch);
        router_answer_for_leaver(branch, seat);
    }
    router_seats_remove(&branch->seats, seat);
    note_news(branch);
    router_news_add(branch, &member->leaves[member->leaving]);
    if (member->home == branch) {
        unlink_member(branch, member);
    }
    router_member_drop(member);
}

/* NULL: not one to tell the peer. */
static const char *refusal_of(int status) {
    switch (status) {
    case -EEXIST:
        return "the name is taken: a member that is called so is connected";
    case -ENOSPC:
        return "too many members are connected";
    case -EMSGSIZE:
        return "the list of all members and their functions would be longer than a message can be";
    default:
        return NULL;
    }
}

static void take_refusal(struct attachment *member) {
    if (member->session != NULL) {
        session_on_backend_lost(member->session, member->refusal == -EEXIST ? CLOSE_POLICY : CLOSE_TRY_LATER,
                                refusal_of(member->refusal));
    }
    router_member_drop(member);
}

static void release_message(struct router_letter *letter) {
    router_member_drop(letter->from);
    router_member_drop(letter->to);
    free(letter);
}

static void take_letter(struct router_branch *branch, struct router_letter *letter) {
    switch (letter->kind) {
    case ROUTER_LETTER_JOIN:
        take_join(branch, letter->from);
        return;
    case ROUTER_LETTER_CHANGE:
        take_change(branch, letter);
        return;
    case ROUTER_LETTER_LEAVE:
        take_leave(branch, letter->from);
        return;
    case ROUTER_LETTER_REFUSAL:
        take_refusal(letter->from);
        return;
    case ROUTER_LETTER_MESSAGE:
    case ROUTER_LETTER_ERROR:
    case ROUTER_LETTER_AGAIN:
        router_news_flush(branch);
        router_take_message(letter);
        release_message(letter);
        return;
    }
}

/* A letter may be part of a member that goes with it: what comes next is read before. */
static void take_mail(struct router_branch *branch) {
    struct router_letter *letter = router_mailbox_take(&branch->mailbox);
    while (letter != NULL) {
        struct router_letter *next = letter->next;
        take_letter(branch, letter);
        letter = next;
    }
    router_news_flush(branch);
}

static void on_portion(struct timer *timer, uint64_t now) {
    (void)now;
    struct router_branch *branch =
        (struct router_branch *)(void *)((char *)timer - offsetof(struct router_branch, portion));
    take_mail(branch);
}

/* News cost a write to each member. Where there are many, those of a crowd that comes or goes are told in portions, so that they
 * share these writes: a time in proportion to their number passes between two. Messages never wait, and have the news before
 * them told at once; what comes alone is told at once, too. */
static void read_mail(void *argument) {
    struct router_branch *branch = argument;
    struct reactor *reactor = branch->bridge->reactor;
    const uint64_t now = reactor_now(reactor);
    if (now < branch->portion_due && router_mailbox_wait(&branch->mailbox) &&
        timer_set(reactor_timers(reactor), &branch->portion, branch->portion_due) == 0) {
        return;
    }
    timer_clear(reactor_timers(reactor), &branch->portion);
    take_mail(branch);
}

/* -- what sessions call -- */

/* Not before `attach` has returned. */
static void refuse_later(struct router_branch *branch, struct attachment *member, int status) {
    member->refusal = status;
    struct router_letter *letter = &member->shares[branch->place].join;
    letter->kind = ROUTER_LETTER_REFUSAL;
    router_member_hold(member);
    router_mailbox_put(&branch->mailbox, letter);
}

static int router_attach(struct backend *backend, struct session *session,
                         const struct daffi_handshake *handshake, uint16_t uuid,
                         struct attachment **ret_attachment) {
    struct router_branch *branch =
        (struct router_branch *)(void *)((char *)backend - offsetof(struct router_branch, backend));
    struct router *router = branch->router;
    struct attachment *member = NULL;
    int status =
        router_member_new(branch, session, &handshake->members[0], router->count, router->seed, &member);
    if (status < 0) {
        return status;
    }
    status = router_directory_join(router->directory, member, branch->place, uuid);
    if (status < 0 && refusal_of(status) == NULL) {
        router_member_drop(member);
        return status;
    }
    if (status < 0) {
        refuse_later(branch, member, status);
    }
    *ret_attachment = member;
    return 0;
}

/* In its place: nobody has to meet it anew. */
static int router_rejoin(struct attachment *member, const struct daffi_handshake *handshake, uint16_t uuid,
                         struct attachment **ret_attachment) {
    struct router *router = member->home->router;
    struct router_exposure *exposure = NULL;
    if (member->welcome.memory != NULL) {
        return -EBUSY;
    }
    int status = router_exposure_new(&handshake->members[0], true, router->count, &exposure);
    if (status < 0) {
        return status;
    }
    for (size_t i = 0; i < router->count; i++) {
        exposure->changes[i].letter.from = member;
    }
    status = router_directory_change(router->directory, member, exposure, member->home->place, uuid);
    if (status < 0) {
        router_exposure_drop(exposure, router->count + 1);
        return status;
    }
    *ret_attachment = member;
    return 0;
}

static void router_detach(struct attachment *member, enum backend_leaving how, struct names_entry *claim) {
    (void)claim; /* it is gone at once */
    struct router_branch *branch = member->home;
    member->session = NULL;
    call_table_drop_caller(&branch->calls, &member->calls);
    router_directory_leave(branch->router->directory, member, how, branch->place);
    router_member_drop(member);
}

/* A page is not made to wait for one member that is slow: its calls to that one are answered `busy`. */
static bool router_is_congested(const struct attachment *member) {
    (void)member;
    return false;
}

static bool router_serves(const struct backend *backend, struct daffi_span function, struct daffi_span except,
                          char *ret_name) {
    const struct router_branch *branch =
        (const struct router_branch *)(const void *)((const char *)backend -
                                                     offsetof(struct router_branch, backend));
    return router_directory_serves(branch->router->directory, function, except, ret_name);
}

static const struct call_caller *router_calls(const struct attachment *attachment) {
    return &attachment->calls;
}

static const struct backend_operations operations = {
    .attach = router_attach,
    .send = router_send,
    .detach = router_detach,
    .is_congested = router_is_congested,
    .rejoin = router_rejoin,
    .serves = router_serves,
    .calls = router_calls,
};

/* -- beginning and end -- */

int router_new(const char *name, size_t branches, struct router **ret_router) {
    struct router *router = calloc(1, sizeof *router + branches * sizeof router->branches[0]);
    if (router == NULL) {
        return -ENOMEM;
    }
    router->name = name;
    router->limit = branches;
    router->mailboxes = calloc(branches, sizeof *router->mailboxes);
    if (router->mailboxes == NULL || getrandom(&router->seed, sizeof router->seed, 0) < 0) {
        router_free(router);
        return -ENOMEM;
    }
    *ret_router = router;
    return 0;
}

/* The directory is made with the last branch: it tells them all. */
int router_add_branch(struct router *router, struct bridge *bridge, struct backend **ret_backend) {
    if (router->count == router->limit) {
        return -ENOSPC;
    }
    struct router_branch *branch = calloc(1, sizeof *branch);
    if (branch == NULL) {
        return -ENOMEM;
    }
    int status = router_seats_init(&branch->seats, router->seed);
    if (status == 0 && router->count + 1 == router->limit) {
        status = router_directory_new(router->mailboxes, router->limit, &router->directory);
    }
    if (status < 0) {
        router_seats_clear(&branch->seats);
        free(branch);
        return status;
    }
    branch->backend = (struct backend){.operations = &operations,
                                       .name = router->name,
                                       .counters = counters_of_upstream(&bridge->counters, router->name),
                                       .answers = true};
    branch->calls.waiting = &bridge->counters.cells[COUNTER_WAITING_CALLS];
    branch->router = router;
    branch->bridge = bridge;
    branch->calm.on_due = on_calm;
    branch->portion.on_due = on_portion;
    branch->place = router->count;
    router_mailbox_init(&branch->mailbox, bridge->reactor, bridge->config->limits.queue_bytes, read_mail,
                        branch);
    router->mailboxes[router->count] = &branch->mailbox;
    router->branches[router->count++] = branch;
    *ret_backend = &branch->backend;
    return 0;
}

void router_end(struct router *router) {
    for (size_t i = 0; router != NULL && i < router->count; i++) {
        router_mailbox_end(&router->branches[i]->mailbox);
    }
}

/* What nobody will read, for the references it holds. */
static void discard(struct router_letter *letter) {
    switch (letter->kind) {
    case ROUTER_LETTER_JOIN:
        return;
    case ROUTER_LETTER_CHANGE:
        router_exposure_drop(router_exposure_told(letter), 1);
        return;
    case ROUTER_LETTER_LEAVE:
    case ROUTER_LETTER_REFUSAL:
        router_member_drop(letter->from);
        return;
    case ROUTER_LETTER_MESSAGE:
    case ROUTER_LETTER_ERROR:
    case ROUTER_LETTER_AGAIN:
        release_message(letter);
        return;
    }
}

static void free_branch(struct router_branch *branch) {
    struct router_letter *letter = router_mailbox_take(&branch->mailbox);
    while (letter != NULL) {
        struct router_letter *next = letter->next;
        discard(letter);
        letter = next;
    }
    call_table_clear(&branch->calls);
    router_seats_clear(&branch->seats);
    router_news_clear(&branch->news);
    free(branch);
}

void router_free(struct router *router) {
    if (router == NULL) {
        return;
    }
    for (size_t i = 0; i < router->count; i++) {
        free_branch(router->branches[i]);
    }
    router_directory_free(router->directory);
    free(router->mailboxes);
    free(router);
}
