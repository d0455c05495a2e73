/* What the session_*.c share: nobody else looks into a session. */
#ifndef SESSION_INTERNAL_H
#define SESSION_INTERNAL_H

#include "bridge/guard/rate.h"
#include "bridge/session/answers.h"
#include "bridge/session/own_message.h"
#include "bridge/session/session.h"
#include "ops/log.h"

enum {
    CLOSE_PROTOCOL = 1002,
    CLOSE_NONE = 1006, /* the connection ended without a word */
    CLOSE_POLICY = 1008,
    CLOSE_TOO_LARGE = 1009,
    CLOSE_INTERNAL = 1011,
    CLOSE_TRY_LATER = 1013,
    QUOTED_MAX = 128, /* of a peer's text in a log line */
    WHO_MAX = 512,
    ENDING_MAX = 191, /* bytes of why it closes that the log is told */
    BRIDGE_ABI = 1,   /* of what our client is told about the bridge */
};

enum session_state {
    SESSION_AWAITING_HANDSHAKE,
    SESSION_CLAIMING,  /* its name is asked for */
    SESSION_ATTACHING, /* its handshake is with the backend */
    SESSION_OPEN,
    SESSION_CLOSING, /* detached; the transport is on its way to session_on_closed */
};

struct session {
    struct reactor_retired retired;
    struct session *next, *previous; /* of bridge->sessions */
    struct bridge *bridge;
    const struct config *config; /* the one it was born with, whatever is reloaded meanwhile */
    enum session_state state;
    enum guard_kind kind;
    bool wants_offer;
    bool paused;       /* the peer is not read: see update_reading */
    bool is_let_in;    /* by the backend, which has not said that it is a member no more */
    bool is_evicted;   /* by a native peer, which has its name now */
    uint16_t uuid;     /* of the peer's handshake */
    uint16_t id_shift; /* of the ids of its calls on their way up: session_ids.c */
    char *name;        /* of its member; NULL until then */
    size_t name_length;
    struct names_entry claim;
    struct daffi_handshake *handshake; /* of its peer, until the backend has it */
    struct timer deadline;
    struct timer expiry; /* of its grant */
    struct policy policy;
    struct auth_grant *grant;         /* part of the policy; or NULL */
    struct rate call_rate, byte_rate; /* of what its peer sends; no limit for native peers */
    enum daffi_handshake_type server; /* what the other side is: CLIENT until it has said so */
    struct roster_view view;          /* who is there */
    struct answers owed; /* to those who call its peer, where the backend does not keep account of them */
    struct daffi_handshake *exposed;  /* of a page that exposes functions, or did; NULL */
    struct daffi_handshake *exposing; /* what it is about to expose, while its backend is told; NULL */
    struct call_caller waiting;       /* its calls, where the backend does not keep account of them */
    struct call_worker self;          /* the calls to itself among them */
    struct session_probe *probes;     /* to be sent, the first due first */
    size_t probes_count;
    struct timer probe_timer;
    struct backend *backend;
    struct attachment *attachment;
    const struct session_transport *transport;
    void *transport_owner;
    char address[ADDRESS_MAX];
    char *no_backend;        /* NULL where there is one */
    char *bound_name;        /* of its peer's certificate; NULL: it is not bound to one */
    char *ending;            /* why it closes, for the log; NULL: not by the session's own doing */
    uint64_t since;          /* ms */
    uint64_t received, sent; /* messages */
    uint16_t close_code;     /* of a WebSocket close, either side's, the first; 0: not yet */
};

/* A macro, as the log's rate is bounded by format: `what` is a literal. */
#define LOG_SESSION(session, level, what, detail)                                                            \
    do {                                                                                                     \
        char who[WHO_MAX];                                                                                   \
        log_peer(level, what " %s: %s", session_describe(session, who, sizeof who), detail);                 \
    } while (0)

struct guard_session session_guarded(const struct session *session);

/* Sends one of the bridge's own, made with the result `made`, down to the peer or up to the backend; clears it. A
 * failure to send is the other's to act on: it ends by itself. */
void session_send_own(struct session *session, int made, struct own_message *message);
void session_send_up_own(struct session *session, int made, struct own_message *message);

/* Header and metadata of a message of which `bytes` are all. */
static inline struct daffi_span session_head_of(const struct daffi_message *message,
                                                struct daffi_span bytes) {
    return daffi_span_of(bytes.data, bytes.length - message->payload.length);
}

/* The form that an answer to `request` has. */
struct daffi_message session_answer_to(const struct daffi_message *request);

/* Ends it for what the peer did. */
void session_close_for_fault(struct session *session, uint16_t code, const char *reason);

/* Answers a call of the peer itself; nothing where no answer is waited for. */
void session_answer_peer(struct session *session, const struct daffi_message *request,
                         enum daffi_error_code code, const char *text);

int session_set_deadline(struct session *session, uint64_t in_ms);

/* Joins the backend with the handshake. */
void session_attach(struct session *session);

/* -- session_handshake.c -- */

void session_take_first_message(struct session *session, const struct daffi_message *message);

/* The answer to the handshake that says no, and the end. */
void session_refuse(struct session *session, uint16_t code, const char *reason);

/* What was to have come by then has not: the timer is the session's `deadline`. */
void session_on_deadline(struct timer *timer, uint64_t now);

/* -- session_account.c: what is counted and written down -- */

/* `page "name" from 192.0.2.1, upstream default` */
const char *session_describe(const struct session *session, char *out, size_t size);

/* One whole message to the peer, as the transport's send. */
int session_send_down(struct session *session, struct daffi_span head, struct daffi_span payload);

void session_count_received(struct session *session);
/* Behind a session_send_down of several messages: of those that it has not counted. */
void session_count_more_sent(struct session *session, size_t count);
void session_count_handshake(struct session *session, bool is_accepted);
void session_count_pause(struct session *session, bool is_paused);
void session_count_dropped_answer(struct session *session);
void session_account_call(struct session *session,
                          const struct daffi_message *request); /* it was passed on */
void session_count_refusal(struct session *session, const struct guard_verdict *verdict, bool is_whole);
void session_count_rate_refusal(struct session *session);
void session_account_end(struct session *session, const char *reason);

/* -- session_name.c -- */

/* Goes on with session_attach when it has the name, or refuses. */
void session_claim_name(struct session *session);
void session_end_claim(struct session *session); /* its deadline */

/* -- session_members.c -- */

bool session_shows_all(const struct session *session); /* to its peer */

/* The member of that name, as far as the session keeps account; or NULL. */
struct roster_entry *session_find_member(const struct session *session, struct daffi_span name);

/* Learns of the members of a server's handshake, and takes out what the peer is not shown. 0 or -ENOMEM. */
int session_take_members(struct session *session, struct daffi_handshake *handshake, bool is_own_answer);

/* Learns of an event; calls that wait for a member that leaves are answered. 1: it is shown to the peer, 0: it is not;
 * -ENOMEM. */
int session_take_news(struct session *session, const struct daffi_event *event);

/* Whether it tells of a page that evicts itself, to change its functions: see rejoins.h. */
bool session_is_rejoin(const struct session *session, const struct daffi_event *event);

/* It is about to be none itself. */
void session_forget_members(struct session *session);

/* -- session_calls.c -- */

/* From here on ids of calls are those of the way up: see session_ids.c. */

/* Takes note of a REQUEST that may pass; or answers it, and false. */
bool session_open_call(struct session *session, const struct daffi_message *request);
void session_forget_call(struct session *session,
                         const struct daffi_message *request); /* it was not passed on */

void session_on_probes_due(struct timer *timer, uint64_t now);
bool session_is_probe(const struct session *session, const struct daffi_message *message);
void session_take_probe(struct session *session, const struct daffi_message *probe);

/* Whether a message of the backend is no answer, or the one to a call that waits, from the member that was called where that is
 * known; the call is over with this. Other answers are counted as dropped. */
bool session_take_answer(struct session *session, const struct daffi_message *answer);

/* All calls that wait for a member that leaves. The session may end within this. */
void session_answer_for_leaver(struct session *session, const struct roster_entry *entry);
void session_drop_calls(struct session *session);

/* -- session_ids.c -- */

/* The calls of its peer that wait for their answers, whoever keeps account of them. */
const struct call_caller *session_calls(const struct session *session);

/* Before it attaches, and before it detaches. */
void session_choose_ids(struct session *session);
void session_leave_ids(const struct session *session);

/* A call of the peer as it goes up, an answer as it goes down to it: `message` itself, or `out` with another id. */
const struct daffi_message *session_on_its_way_up(const struct session *session,
                                                  const struct daffi_message *message,
                                                  struct daffi_message *out);
const struct daffi_message *session_on_its_way_down(const struct session *session,
                                                    const struct daffi_message *message,
                                                    struct daffi_message *out);

/* The id that the peer gave to the call which has that one on the way up. */
uint16_t session_id_down(const struct session *session, uint16_t id);

/* Sends it up, or down to the peer, as these have it: `bytes` are those of `message`. As `send` of the backend, of the transport. */
int session_send_up_as(struct session *session, const struct daffi_message *passed,
                       const struct daffi_message *message, struct daffi_span bytes);
int session_send_down_as(struct session *session, const struct daffi_message *told,
                         const struct daffi_message *message, struct daffi_span bytes);

/* -- session_rates.c -- */

void session_start_rates(struct session *session);

/* Whether a message of the peer, of `size` bytes in all, keeps to its policy; a call that does not is answered. */
bool session_keeps_to_rates(struct session *session, const struct daffi_message *message, size_t size);

/* Ends it when the token expires that it came with; NULL: it came without. 0 or -ENOMEM. */
int session_set_expiry(struct session *session, const struct auth_grant *grant);

/* -- session_exposure.c -- */

/* Whether a member may come with its functions: NULL, or a sentence that says why not (`out` or static). */
const char *session_check_functions(const struct session *session, const struct daffi_member *member,
                                    char *out, size_t size);

/* A later HANDSHAKE of a page, with other functions: true when it was taken, be it refused; false: it is none. */
bool session_change_functions(struct session *session, const struct daffi_message *message);

/* The answer to that HANDSHAKE is here. */
void session_take_functions(struct session *session);

bool session_exposes(const struct session *session, struct daffi_span function);

/* A REQUEST for the peer that is about to be delivered: 0, or what answers_open says. */
int session_owe_answer(struct session *session, const struct daffi_message *request);

/* Whether an answer of the peer is one that it owes; that is over with this. */
bool session_pay_answer(struct session *session, const struct daffi_message *answer);
void session_forget_answers(struct session *session);

/* Pauses or resumes the peer, as both sides' queues are. */
void session_update_reading(struct session *session);

#endif
