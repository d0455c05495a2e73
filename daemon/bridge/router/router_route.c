/* What members say to each other: a message finds its receiver, a call its answer. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/router/router_branch.h"
#include "net/buffer.h"
#include "net/reactor.h"
#include "ops/log.h"

/* A message on its way. */
struct parcel {
    struct daffi_message message;
    struct daffi_span head;
};

static size_t parcel_size(const struct parcel *parcel) {
    return parcel->head.length + parcel->message.payload.length;
}

/* -- letters -- */

static struct router_letter *new_letter(enum router_letter_kind kind, struct attachment *from,
                                        struct attachment *to, struct daffi_span head,
                                        struct daffi_span payload) {
    size_t length = head.length + payload.length;
    struct router_letter *letter = malloc(sizeof *letter + length);
    if (letter == NULL) {
        return NULL;
    }
    *letter = (struct router_letter){
        .kind = kind, .from = from, .to = to, .length = length, .bytes = (uint8_t *)(letter + 1)};
    memcpy(letter->bytes, head.data, head.length);
    if (payload.length > 0) {
        memcpy(letter->bytes + head.length, payload.data, payload.length);
    }
    router_member_hold(from);
    router_member_hold(to);
    return letter;
}

static int post_letter(enum router_letter_kind kind, struct attachment *from, struct attachment *to,
                       struct daffi_span head, struct daffi_span payload) {
    struct router_letter *letter = new_letter(kind, from, to, head, payload);
    if (letter == NULL) {
        return -ENOMEM;
    }
    router_mailbox_put(&to->home->mailbox, letter);
    return 0;
}

/* -- what the router says itself -- */

/* The ERROR that answers a call of `caller` to `receiver`. */
static int make_error(uint16_t uuid, struct daffi_span caller, struct daffi_span receiver,
                      struct daffi_span function, enum daffi_error_code code, const char *text,
                      struct own_message *ret_message) {
    const struct daffi_message envelope = {
        .uuid = uuid, .transmitter = receiver, .receiver = caller, .function = function};
    const struct daffi_remote_error error = own_error(code, text);
    return own_message_error(&envelope, &error, ret_message);
}

/* Answers a call that `from` has just sent, not before `send` has returned. 0; -EBUSY, without memory, so that the session
 * answers it. */
static int refuse_call(struct attachment *from, const struct daffi_message *request,
                       enum daffi_error_code code, const char *text) {
    log_peer(CONFIG_LOG_DEBUG, "router: a call was not passed on: %s", text);
    if (from->session != NULL) {
        session_account_own_answer(from->session, request, code, 0);
    }
    if (!request->return_result) {
        return 0;
    }
    struct own_message error = {0};
    int status =
        make_error(request->uuid, from->name, request->receiver, request->function, code, text, &error);
    if (status == 0) {
        status = post_letter(ROUTER_LETTER_ERROR, from, from, error.head, error.payload);
        own_message_clear(&error);
    }
    return status < 0 ? -EBUSY : 0;
}

/* In the name of `to`, which can't take a call: an answer, so that the call is over at its caller's branch. */
static void answer_busy(struct attachment *to, struct attachment *from, const struct daffi_message *request,
                        const char *text) {
    if (!request->return_result) {
        log_peer(CONFIG_LOG_WARNING, "router: a call that waits for no answer was dropped: %s", text);
        return;
    }
    struct own_message error = {0};
    if (make_error(request->uuid, from->name, to->name, request->function, DAFFI_ERROR_BUSY, text, &error) ==
        0) {
        (void)post_letter(ROUTER_LETTER_MESSAGE, to, from, error.head, error.payload);
        own_message_clear(&error);
    }
}

static struct attachment *caller_of(const struct call *call) {
    return (struct attachment *)(void *)((char *)call->caller - offsetof(struct attachment, calls));
}

/* Whether `worker` may answer that call, passed on at *ret_since_us; it is over with this. */
static bool take_call(struct attachment *caller, uint16_t uuid, struct attachment *worker,
                      uint64_t *ret_since_us) {
    struct router_branch *branch = caller->home;
    struct call *call = call_table_find(&branch->calls, &caller->calls, uuid);
    if (call == NULL || call->worker != &worker->shares[branch->place].seat.calls) {
        return false;
    }
    *ret_since_us = call->since_us;
    call_table_drop(&branch->calls, call);
    return true;
}

void router_answer_for_leaver(struct router_branch *branch, struct router_seat *seat) {
    while (seat->calls.calls != NULL) {
        struct call *call = seat->calls.calls;
        struct attachment *caller = caller_of(call);
        uint16_t uuid = call->uuid;
        const struct daffi_message request = {.uuid = uuid, .receiver = seat->member->name};
        if (caller->session != NULL) {
            session_account_own_answer(caller->session, &request, DAFFI_ERROR_DISCONNECTED, call->since_us);
        }
        call_table_drop(&branch->calls, call);
        struct own_message error = {0};
        if (caller->session == NULL ||
            make_error(uuid, caller->name, seat->member->name, daffi_span_of(NULL, 0),
                       DAFFI_ERROR_DISCONNECTED, "the member that was called left before it answered",
                       &error) < 0) {
            continue;
        }
        struct daffi_message message;
        struct daffi_fault fault;
        size_t size = 0;
        const struct daffi_span bytes = own_message_bytes(&error);
        if (daffi_message_decode(bytes, &message, &size, &fault) == 0) {
            session_on_backend_message(caller->session, &message, bytes);
        }
        own_message_clear(&error);
    }
}

/* -- to a member of this branch -- */

enum { ALWAYS_ROOM = 65536 }; /* bytes of calls that a member may have waiting when memory is short */

/* Calls are lent to their receiver's queue, and do not count when memory_bytes is used up and who holds most is closed: so
 * a quarter of that is not for them, be the queue moved to a block of twice the size. */
static bool is_memory_short(const struct attachment *to, size_t waiting) {
    if (waiting <= ALWAYS_ROOM) {
        return false;
    }
    struct buffer_pool *pool = reactor_pool(to->home->bridge->reactor);
    size_t limit = atomic_load_explicit(&buffer_pool_budget(pool)->limit, memory_order_relaxed);
    return buffer_pool_used(pool) + 2 * waiting > limit - limit / 4;
}

static bool is_full(const struct attachment *to, size_t size) {
    size_t limit = session_config(to->session)->limits.queue_bytes;
    size_t queued = session_queued(to->session);
    return queued > limit || size > limit - queued || is_memory_short(to, queued + size);
}

/* What comes from the peer's buffer and what comes by letter is one run of bytes either way: see session_on_message. */
static void hand_over(struct attachment *to, struct attachment *from, const struct parcel *parcel) {
    if (to->session == NULL) {
        return; /* it has left: its callers will be told with the news of it */
    }
    if (parcel->message.flag != DAFFI_REQUEST) {
        uint64_t since_us = 0;
        if (!take_call(to, parcel->message.uuid, from, &since_us)) {
            log_peer(CONFIG_LOG_DEBUG, "router: an answer was dropped: no call waits for it");
            counter_up(&to->home->bridge->counters, COUNTER_DROPPED_ANSWERS);
            return;
        }
        session_account_answer(to->session, &parcel->message, since_us);
    } else if (is_full(to, parcel_size(parcel))) {
        answer_busy(to, from, &parcel->message, "the member has too much waiting for it: try again later");
        return;
    }
    const size_t before = session_queued(to->session);
    session_on_backend_message(to->session, &parcel->message,
                               daffi_span_of(parcel->head.data, parcel_size(parcel)));
    if (to->session != NULL && parcel->message.flag == DAFFI_REQUEST &&
        session_queued(to->session) > before) {
        session_lend(to->session, session_queued(to->session) - before);
    }
}

/* -- on the way -- */

/* An answer that finds no room on its way: its caller hears so, in the few bytes that always find some. */
static int replace_answer(struct attachment *from, struct attachment *to,
                          const struct daffi_message *answer) {
    struct own_message error = {0};
    int status = make_error(answer->uuid, to->name, from->name, answer->function, DAFFI_ERROR_BUSY,
                            "the answer found no room in the bridge: too much is on its way", &error);
    if (status == 0) {
        status = post_letter(ROUTER_LETTER_MESSAGE, from, to, error.head, error.payload);
        own_message_clear(&error);
    }
    return status;
}

static int refuse_for_room(struct attachment *from, struct attachment *to, const struct parcel *parcel,
                           const char *text) {
    if (parcel->message.flag != DAFFI_REQUEST) {
        return replace_answer(from, to, &parcel->message);
    }
    if (parcel->message.return_result) {
        uint64_t ignored;
        (void)take_call(from, parcel->message.uuid, to, &ignored);
    }
    return refuse_call(from, &parcel->message, DAFFI_ERROR_BUSY, text);
}

/* For a letter of `from` to the branch of `to`. What came back to the former's pool in this turn is room, too. */
static bool has_room(const struct attachment *from, const struct attachment *to) {
    buffer_pool_settle(reactor_pool(from->home->bridge->reactor));
    return router_mailbox_has_room(&to->home->mailbox);
}

static int forward(struct attachment *from, struct attachment *to, const struct parcel *parcel) {
    bool is_contiguous = parcel->message.payload.length == 0 ||
                         parcel->head.data + parcel->head.length == parcel->message.payload.data;
    if (to->home == from->home && to != from && is_contiguous) {
        hand_over(to, from, parcel);
        return 0;
    }
    if (!has_room(from, to)) {
        return refuse_for_room(from, to, parcel, "too much is on its way in the bridge: try again later");
    }
    if (post_letter(ROUTER_LETTER_MESSAGE, from, to, parcel->head, parcel->message.payload) < 0) {
        return refuse_for_room(from, to, parcel, "the bridge is out of memory");
    }
    return 0;
}

/* A call that makes way is answered. */
static void give_up_oldest(struct attachment *from, size_t limit, uint64_t now_us) {
    struct call *oldest = call_table_stale(&from->calls, limit, now_us);
    if (oldest == NULL) {
        return;
    }
    const struct router_seat *seat =
        (const struct router_seat *)(const void *)((const char *)oldest->worker -
                                                   offsetof(struct router_seat, calls));
    const struct daffi_message request = {
        .uuid = oldest->uuid, .return_result = true, .receiver = seat->member->name};
    call_table_drop(&from->home->calls, oldest);
    (void)refuse_call(from, &request, DAFFI_ERROR_BUSY,
                      "no answer came for long, and too many later calls wait (limits.calls_in_flight)");
}

static int open_call(struct attachment *from, struct router_seat *seat, const struct daffi_message *request) {
    struct router_branch *branch = from->home;
    size_t limit = from->session != NULL ? session_calls_limit(from->session)
                                         : branch->bridge->config->limits.calls_in_flight;
    uint64_t now_us = reactor_now_us(branch->bridge->reactor);
    give_up_oldest(from, limit, now_us);
    return call_table_open(&branch->calls, &from->calls, request->uuid, &seat->calls, limit, now_us);
}

/* A receiver that has just come may be known to its caller, by whatever way, before this branch has read of it: but the news
 * is in the mailbox by then, so the call is put behind it. */
static int try_again(struct attachment *from, const struct parcel *parcel) {
    if (!has_room(from, from)) {
        return -EBUSY;
    }
    int status = post_letter(ROUTER_LETTER_AGAIN, from, from, parcel->head, parcel->message.payload);
    return status < 0 ? -EBUSY : 0;
}

static int send_request(struct attachment *from, const struct parcel *parcel, bool is_first_try) {
    const struct daffi_message *request = &parcel->message;
    struct router_seat *seat = router_seats_find(&from->home->seats, request->receiver);
    bool is_exposed = seat != NULL && router_exposure_has(seat->exposure, request->function);
    if (!is_exposed && is_first_try) {
        return try_again(from, parcel);
    }
    if (seat == NULL) {
        return refuse_call(from, request, DAFFI_ERROR_NO_SUCH_MEMBER, "no member of that name is connected");
    }
    if (!is_exposed) {
        return refuse_call(from, request, DAFFI_ERROR_NO_SUCH_METHOD,
                           "the member does not expose that function");
    }
    if (request->return_result && open_call(from, seat, request) < 0) {
        return refuse_call(from, request, DAFFI_ERROR_BUSY,
                           "too many calls of this member wait for their answers (limits.calls_in_flight)");
    }
    if (request->return_result && from->session != NULL) {
        session_account_waiting(from->session, request);
    }
    return forward(from, seat->member, parcel);
}

int router_send(struct attachment *from, struct daffi_span head, struct daffi_span payload) {
    struct parcel parcel = {.head = head};
    struct daffi_fault fault;
    size_t size = 0;
    int status = daffi_message_decode_head(head, &parcel.message, &size, &fault);
    if (status < 0) {
        return status;
    }
    parcel.message.payload = payload;
    if (parcel.message.flag == DAFFI_REQUEST) {
        return send_request(from, &parcel, true);
    }
    struct router_seat *seat = router_seats_find(&from->home->seats, parcel.message.receiver);
    return seat == NULL ? 0 : forward(from, seat->member, &parcel);
}

/* -- letters that have come -- */

void router_take_message(const struct router_letter *letter) {
    struct parcel parcel;
    struct daffi_fault fault;
    size_t size = 0;
    const struct daffi_span bytes = daffi_span_of(letter->bytes, letter->length);
    if (letter->to->session == NULL || daffi_message_decode(bytes, &parcel.message, &size, &fault) < 0) {
        return;
    }
    parcel.head = daffi_span_of(letter->bytes, letter->length - parcel.message.payload.length);
    if (letter->kind == ROUTER_LETTER_ERROR) {
        session_on_backend_message(letter->to->session, &parcel.message, bytes);
    } else if (letter->kind == ROUTER_LETTER_AGAIN) {
        (void)send_request(letter->from, &parcel, false);
    } else {
        hand_over(letter->to, letter->from, &parcel);
    }
}
