/* What the upstream_*.c share: an attachment, which is one connection of one session. */
#ifndef UPSTREAM_INTERNAL_H
#define UPSTREAM_INTERNAL_H

#include "bridge/members/rejoins.h"
#include "bridge/session/own_message.h"
#include "bridge/upstream/upstream.h"
#include "bridge/upstream/upstream_health.h"
#include "bridge/upstream/watcher.h"
#include "net/connector.h"

struct upstream {
    struct backend backend;
    struct bridge *bridge;
    const struct config *whole; /* held: the one that `config` is of */
    const struct config_upstream *config;
    struct tls_context *tls;
    struct endpoint *endpoint;
    struct upstream_health *health; /* NULL: nobody asks */
    struct watcher *watcher;        /* NULL: on another reactor, or nowhere */
    size_t lingering;               /* attachments that a Service owes answers, in that state */
    size_t unread;                  /* others in that state: what they have sent may not have been read */
    struct attachment *leaving;     /* first of all in that state */
    bool is_freed;                  /* as soon as nobody uses it */
};

/* Of one upstream on one reactor, before nobody is let in, or nobody from the address that has its share of them: with as many as
 * one address may have connected, which may all leave at once, it does not fill the places. A Router that reads is done with
 * thousands in a moment. */
enum { UPSTREAM_LINGERING_MAX = 1024, UPSTREAM_LINGERING_SHARE = 256, UPSTREAM_UNREAD_MAX = 4096 };

enum attachment_state {
    ATTACHMENT_WAITING,    /* for its turn, or for its refusal: see admission_pass_on */
    ATTACHMENT_CONNECTING, /* no connection yet */
    ATTACHMENT_OPENING,    /* TLS's handshake */
    ATTACHMENT_OPEN,
    ATTACHMENT_LINGERING, /* detached, but the other side needs it for a while: see upstream_leave.c */
    ATTACHMENT_ENDING,    /* detached, or lost: the session is not told anything any more */
};

/* How far one is that joins in the place of another of the same session: see upstream_rejoin.c. */
enum rejoin {
    REJOIN_NONE,
    REJOIN_READING, /* WAITING: for what its predecessor has sent to have been read by the other side */
    REJOIN_JOINING, /* on its way to its own answer */
    REJOIN_HELD,    /* OPEN: that answer waits for the predecessor's end */
};

/* Of one that is detached: see upstream_leave.c. */
struct leaving {
    struct names_entry name;         /* its own, until a newcomer has it, or the end */
    bool keeps_name;                 /* a newcomer has to wait: what was sent may be unread */
    bool is_asked;                   /* for the receipt which tells that */
    struct timer reading;            /* a Service will have read all; while its name is kept */
    size_t *counted_in;              /* LINGERING: one of the upstream's numbers */
    struct attachment *next, **link; /* LINGERING: in the upstream's list */
    char address[ADDRESS_MAX];       /* LINGERING: of the session's peer */
};

struct attachment {
    struct reactor_retired retired;
    enum attachment_state state;
    struct upstream *upstream;
    struct session *session;
    char *name;                     /* of the session's member */
    struct connector *connector;    /* while CONNECTING */
    struct connection *connection;  /* from OPENING on */
    struct own_message greeting;    /* the handshake, until it has been queued */
    enum daffi_handshake_type type; /* of the other side: CLIENT until it has said so */
    size_t owed; /* answers of a Service to calls of the session, and of those who had its name before */
    bool is_owed_last;              /* one of them to what was sent last */
    uint64_t sent_at;               /* ms: when something was sent last */
    unsigned receipts_due;          /* of those that were asked for */
    bool is_over;                   /* the other side has ended it */
    struct timer timer;             /* WAITING, LINGERING; OPEN while rejoining */
    const char *refusal;            /* WAITING: static, why it is never its turn; or NULL */
    enum rejoin rejoin;             /* in the place of its predecessor */
    struct buffer put_by;           /* what the session has sent while it rejoins */
    struct attachment *predecessor; /* of the same session, and serves still; or NULL */
    struct attachment *successor;   /* the one that is to take its place, or NULL */
    struct leaving leaving;
};

/* Whether it is there, as its watcher has found; and, where it is not watched, as connects of sessions have. */
void upstream_tell(struct upstream *upstream, bool is_up, const char *detail);

/* Takes `fd`, which is connected to it, over in every case. */
int upstream_open_stream(const struct upstream *upstream, int fd, struct stream **ret_stream);

extern const struct backend_operations upstream_operations;
bool upstream_serves(const struct backend *backend, struct daffi_span function, struct daffi_span except,
                     char *ret_name); /* the operation */

/* It ends; what is queued still goes, and the session is not told anything any more. */
void upstream_let_go(struct attachment *attachment);

/* What its session's end asks of it; `claim` is taken over where its name can't go to the next yet. */
void upstream_detach(struct attachment *attachment, enum backend_leaving how, struct names_entry *claim);

/* A message that has come while it is LINGERING; what it waits for may be over with it. */
void upstream_take_while_lingering(struct attachment *attachment, const struct daffi_message *message);

/* An answer has come to one that is LINGERING: the second connection of the same session, where there is one, is not owed it. */
void upstream_pay_successor(struct attachment *attachment);

/* It waits no more: the connection closes. */
void upstream_end_lingering(struct attachment *attachment);

/* Likewise all that are owed nothing. */
void upstream_end_unread(struct upstream *upstream);

/* Whether those who linger leave room for one more, from that address. */
bool upstream_has_room(const struct upstream *upstream, const char *address);

/* Its connection has closed. */
void upstream_forget_leaving(struct attachment *attachment);

/* Nobody has it any more. */
void upstream_retire(struct attachment *attachment);

/* Connects it, once it may. */
void upstream_begin(struct attachment *attachment);

/* One whole message of the session, by an attachment that is OPEN and not rejoining. As the operation. */
int upstream_send_now(struct attachment *attachment, struct daffi_span head, struct daffi_span payload);

/* -- upstream_receipt.c: whether the other side has read all that was sent -- */

/* When a Service will have: ms, not later than now where it has. It gives no receipts. */
uint64_t upstream_service_reads_by(const struct attachment *attachment);

/* Whether its server is one that has given receipts: else nobody waits long for one. */
bool upstream_insists_on_receipts(const struct attachment *attachment);

/* Asks a Router for a receipt (own_message_receipt). 0 or a negative errno; a refused write ends in on_closed. */
int upstream_ask_receipt(struct attachment *attachment);

/* Whether a message is one that was asked for. With the last of them a successor that waits for it begins. */
bool upstream_take_receipt(struct attachment *attachment, const struct daffi_message *message);

/* -- upstream_rejoin.c -- */

/* Waits, before it begins, for what its predecessor has sent to have been read by the other side: who is evicted is read no
 * more. 0 or a negative errno; then nothing of it is left. */
int upstream_wait_for_predecessor(struct attachment *attachment);

/* Keeps a message of the session while it rejoins: the predecessor, which has been read, is sent nothing more. 0, or -EBUSY:
 * there is no room. */
int upstream_put_by(struct attachment *attachment, struct daffi_span head, struct daffi_span payload);

/* What was kept goes by `by`: `attachment`, or its predecessor which goes on. */
void upstream_send_put_by(struct attachment *attachment, struct attachment *by);

/* The predecessor of `attachment` has ended, or has had its time. */
void upstream_release_predecessor(struct attachment *attachment);

/* `attachment` can't be had: whether its predecessor goes on, which the session is told. It does not where it may be evicted yet. */
bool upstream_fail_rejoin(struct attachment *attachment, const char *reason);

/* Whether the answer to a newcomer has to wait for its predecessor's end. */
bool upstream_hold_answer(struct attachment *attachment);

/* Whether a message tells a predecessor that its successor is there: nobody's news. */
bool upstream_is_own_eviction(const struct attachment *attachment, const struct daffi_message *message);

#endif
