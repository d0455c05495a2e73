/* The calls of a session that wait for their answer, where the backend does not keep account of them itself: a Python
 * Router drops what it can't route, and says nothing.
 *
 * A call to a member that is known to expose the function waits for that member, and is answered when it leaves. A call to
 * any other goes to the Router all the same: it may be there, and its news on the way. A little later follows a probe, an
 * answer to nobody's question that the Router sends back to its sender, behind all the news it has written by then. Who is
 * still not there when it returns was not there for the call: that has been dropped, or waits at a worker that has no such
 * function and will not answer. (The real Router can deliver to a newcomer a moment before it writes the news: hence the
 * little.) So no call is refused that will be answered.
 *
 * A member may call itself. Its answer comes back as a probe does, and is told from one by the call that it answers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/session/session_internal.h"
#include "daffi/utf8.h"

static const char NO_SUCH_MEMBER[] = "no member of that name is connected";
static const char NO_SUCH_METHOD[] = "the member does not expose that function";

enum { PROBE_AFTER_MS = 100 };

/* A probe that is to be sent. */
struct session_probe {
    struct session_probe *next;
    uint64_t due;
    uint16_t uuid;
    size_t head, payload; /* bytes */
    uint8_t bytes[];
};

static struct call_table *table_of(const struct session *session) {
    return &session->bridge->call_table;
}

/* Who is to answer; empty: nobody knows. */
static struct daffi_span receiver_of(const struct session *session, const struct call *call) {
    if (call->worker == NULL) {
        return daffi_span_of(NULL, 0);
    }
    if (call->worker == &session->self) {
        return session_name(session);
    }
    return ((struct roster_entry *)(void *)((char *)call->worker - offsetof(struct roster_entry, calls)))
        ->name;
}

/* The call is over; its caller hears why. */
static void give_up(struct session *session, struct call *call, struct daffi_span receiver,
                    enum daffi_error_code code, const char *text) {
    const struct daffi_message request = {.uuid = session_id_down(session, call->uuid),
                                          .return_result = true,
                                          .transmitter = session_name(session),
                                          .receiver = receiver};
    const struct daffi_message envelope = session_answer_to(&request);
    const struct daffi_remote_error error = own_error(code, text);
    struct own_message answer = {0};
    int made = own_message_error(&envelope, &error, &answer);
    session_account_own_answer(session, &request, code, call->since_us);
    call_table_drop(table_of(session), call);
    LOG_SESSION(session, CONFIG_LOG_DEBUG, "answered a call of", text);
    session_send_own(session, made, &answer);
}

static void make_way(struct session *session, size_t limit, uint64_t now_us) {
    struct call *oldest = call_table_stale(&session->waiting, limit, now_us);
    if (oldest != NULL) {
        give_up(session, oldest, receiver_of(session, oldest), DAFFI_ERROR_BUSY,
                "no answer came for long, and too many later calls wait (calls_in_flight)");
    }
}

static int open_call(struct session *session, uint16_t uuid, struct call_worker *worker) {
    const size_t limit = session_calls_limit(session);
    const uint64_t now_us = reactor_now_us(session->bridge->reactor);
    make_way(session, limit, now_us);
    return session->state != SESSION_OPEN
               ? -EPIPE
               : call_table_open(table_of(session), &session->waiting, uuid, worker, limit, now_us);
}

/* What nobody can be called, nor any function. */
static bool is_no_name(const struct daffi_message *request) {
    return request->receiver.length > DAFFI_NAME_MAX || request->function.length > DAFFI_NAME_MAX;
}

void session_forget_call(struct session *session, const struct daffi_message *request) {
    struct call *call = call_table_find(table_of(session), &session->waiting, request->uuid);
    if (call != NULL && request->return_result) {
        call_table_drop(table_of(session), call);
    }
}

/* -- the probe -- */

static bool waits_for_nobody(const struct session *session, uint16_t uuid) {
    const struct call *call = call_table_find(table_of(session), &session->waiting, uuid);
    return call != NULL && call->worker == NULL;
}

static void free_first_probe(struct session *session) {
    struct session_probe *probe = session->probes;
    session->probes = probe->next;
    session->probes_count--;
    free(probe);
}

static int set_probe_timer(struct session *session) {
    struct timers *timers = reactor_timers(session->bridge->reactor);
    return session->probes == NULL ? 0 : timer_set(timers, &session->probe_timer, session->probes->due);
}

void session_on_probes_due(struct timer *timer, uint64_t now) {
    struct session *session =
        (struct session *)(void *)((char *)timer - offsetof(struct session, probe_timer));
    while (session->probes != NULL && session->probes->due <= now) {
        const struct session_probe *probe = session->probes;
        if (session->attachment != NULL && waits_for_nobody(session, probe->uuid)) {
            session->backend->operations->send(session->attachment, daffi_span_of(probe->bytes, probe->head),
                                               daffi_span_of(probe->bytes + probe->head, probe->payload));
        }
        free_first_probe(session);
    }
    if (set_probe_timer(session) < 0) {
        session_close(session, CLOSE_INTERNAL, "the bridge is out of memory");
    }
}

/* 0 or -ENOMEM. */
static int send_probe_later(struct session *session, const struct daffi_message *request) {
    const struct daffi_message message = {.uuid = request->uuid,
                                          .flag = DAFFI_RESPONSE,
                                          .decoder = DAFFI_OPAQUE,
                                          .is_bytes = true,
                                          .transmitter = session_name(session),
                                          .receiver = session_name(session),
                                          .function = request->function,
                                          .payload = request->receiver};
    uint8_t head[DAFFI_HEADER_BYTES + 4 * (DAFFI_NAME_MAX + 1)];
    int length = daffi_message_encode_head(&message, head, sizeof head);
    struct session_probe *probe =
        length < 0 ? NULL : malloc(sizeof *probe + (size_t)length + message.payload.length);
    if (probe == NULL) {
        return -ENOMEM;
    }
    *probe = (struct session_probe){.due = reactor_now(session->bridge->reactor) + PROBE_AFTER_MS,
                                    .uuid = request->uuid,
                                    .head = (size_t)length,
                                    .payload = message.payload.length};
    memcpy(probe->bytes, head, probe->head);
    if (probe->payload > 0) {
        memcpy(probe->bytes + probe->head, message.payload.data, probe->payload);
    }
    struct session_probe **last = &session->probes;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = probe;
    session->probes_count++;
    return set_probe_timer(session);
}

static bool refuse_call(struct session *session, const struct daffi_message *request,
                        enum daffi_error_code code, const char *text) {
    struct daffi_message asked = *request;
    asked.uuid = session_id_down(session, request->uuid);
    session_answer_peer(session, &asked, code, text);
    return false;
}

/* Whose call it is, where that is known. */
static struct call_worker *worker_of(struct roster_entry *entry, const struct daffi_message *request) {
    return entry != NULL && roster_entry_exposes(entry, request->function) ? &entry->calls : NULL;
}

/* Of one that calls itself. A native peer's functions are its own affair. */
static struct call_worker *own_worker(struct session *session, const struct daffi_message *request) {
    bool takes = session->kind == GUARD_NATIVE || session_exposes(session, request->function);
    return takes ? &session->self : NULL;
}

bool session_open_call(struct session *session, const struct daffi_message *request) {
    if (session->backend->answers || !request->return_result) {
        return true;
    }
    bool is_router = session->server == DAFFI_TYPE_ROUTER;
    bool is_self = is_router && daffi_span_equal(request->receiver, session_name(session));
    struct roster_entry *entry = is_self ? NULL : session_find_member(session, request->receiver);
    struct call_worker *worker = is_self ? own_worker(session, request) : worker_of(entry, request);
    bool is_known = worker != NULL;
    if (!is_known && (is_router ? is_self || is_no_name(request) : entry != NULL)) {
        return refuse_call(session, request, DAFFI_ERROR_NO_SUCH_METHOD, NO_SUCH_METHOD);
    }
    bool is_probed = !is_known && is_router;
    int status = is_probed && session->probes_count >= session_calls_limit(session)
                     ? -EBUSY
                     : open_call(session, request->uuid, worker);
    if (status == 0 && is_probed) {
        status = send_probe_later(session, request);
    }
    if (status == -EBUSY) {
        char text[SESSION_REASON_MAX];
        snprintf(text, sizeof text,
                 "%zu calls wait for their answers already (calls_in_flight): wait for some of them",
                 session_calls_limit(session));
        return refuse_call(session, request, DAFFI_ERROR_BUSY, text);
    }
    return status == 0 || refuse_call(session, request, DAFFI_ERROR_BUSY, "the bridge is out of memory");
}

bool session_is_probe(const struct session *session, const struct daffi_message *message) {
    if (message->flag != DAFFI_RESPONSE || session->backend->answers ||
        !daffi_span_equal(message->transmitter, session_name(session)) ||
        !daffi_span_equal(message->receiver, session_name(session))) {
        return false;
    }
    const struct call *call = call_table_find(table_of(session), &session->waiting, message->uuid);
    return call == NULL || call->worker != &session->self;
}

/* A Router that is none could put there what it likes: a receiver that no message can have was in no probe of ours. */
static bool is_receiver(struct daffi_span name) {
    struct daffi_fault ignored;
    return name.length <= DAFFI_NAME_MAX && daffi_utf8_check(name, &ignored) == 0 &&
           (name.length == 0 || memchr(name.data, '|', name.length) == NULL);
}

void session_take_probe(struct session *session, const struct daffi_message *probe) {
    struct call *call = call_table_find(table_of(session), &session->waiting, probe->uuid);
    if (call == NULL || call->worker != NULL || !is_receiver(probe->payload)) {
        return;
    }
    struct roster_entry *entry = session_find_member(session, probe->payload);
    if (entry == NULL) {
        give_up(session, call, probe->payload, DAFFI_ERROR_NO_SUCH_MEMBER, NO_SUCH_MEMBER);
    } else if (!roster_entry_exposes(entry, probe->function)) {
        give_up(session, call, probe->payload, DAFFI_ERROR_NO_SUCH_METHOD, NO_SUCH_METHOD);
    } else {
        call_assign(call, &entry->calls);
    }
}

/* -- the end of a call -- */

/* Answers find their caller by its name alone: one that was for the page before it, or that somebody makes up, may bear the id
 * of a call to another. But an ERROR that is of nobody, or a plain text, was made by the native layer on the way. */
static bool is_of_receiver(const struct session *session, const struct call *call,
                           const struct daffi_message *answer) {
    bool is_made_on_the_way =
        answer->flag == DAFFI_ERROR && (answer->transmitter.length == 0 || answer->decoder == DAFFI_OPAQUE);
    return is_made_on_the_way || call->worker == NULL ||
           daffi_span_equal(answer->transmitter, receiver_of(session, call));
}

bool session_take_answer(struct session *session, const struct daffi_message *answer) {
    if (session->backend->answers || answer->flag == DAFFI_REQUEST) {
        return true;
    }
    struct call *call = call_table_find(table_of(session), &session->waiting, answer->uuid);
    if (call == NULL || !is_of_receiver(session, call, answer)) {
        LOG_SESSION(session, CONFIG_LOG_DEBUG, "dropped an answer for",
                    call == NULL ? "no call waits for it" : "it is not of the member that was called");
        session_count_dropped_answer(session);
        return false;
    }
    session_account_answer(session, answer, call->since_us);
    call_table_drop(table_of(session), call);
    return true;
}

void session_answer_for_leaver(struct session *session, const struct roster_entry *entry) {
    struct call *call = session->waiting.oldest;
    while (call != NULL && session->state == SESSION_OPEN) {
        struct call *next = call->of_caller_next;
        if (call->worker == &entry->calls) {
            give_up(session, call, entry->name, DAFFI_ERROR_DISCONNECTED,
                    "the member that was called left before it answered");
        }
        call = next;
    }
}

void session_drop_calls(struct session *session) {
    timer_clear(reactor_timers(session->bridge->reactor), &session->probe_timer);
    while (session->probes != NULL) {
        free_first_probe(session);
    }
    call_table_drop_caller(table_of(session), &session->waiting);
}
