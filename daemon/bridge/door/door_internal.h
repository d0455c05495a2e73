/* What the door_*.c share: door.c is the door itself, door_visit.c those inside. */
#ifndef DOOR_INTERNAL_H
#define DOOR_INTERNAL_H

#include "bridge/door/door.h"
#include "http/origin.h"
#include "http/page_source.h"

struct door {
    struct bridge *bridge;
    const struct config *whole; /* held: the one that `config` and `rule` are of */
    const struct config_listener *config;
    struct tls_context *tls;
    const struct assets *assets;
    struct forward_route *site;
    struct origin_rule rule;
    char *hosts[CONFIG_LIST_MAX + 1]; /* those of the configuration, and the listener's own address */
    uint16_t ports[CONFIG_LIST_MAX];  /* in development: of all listeners */
    struct listener *listener;
    struct door_arrival *arrivals; /* first of a list */
    size_t arrivals_count;
    size_t visits;
    bool is_freed; /* as soon as there are none */
};

enum { BOUND_NAME_MAX = 256 };

enum visit_state {
    VISIT_NEW,        /* its first bytes are to come, or its stream is still shaking hands */
    VISIT_READING,    /* a request is to come */
    VISIT_FORWARDING, /* the site is being asked; nothing is read */
    VISIT_DRAINING,   /* answers are to go out before another is made; nothing is read */
    VISIT_SENDING,    /* likewise, and more of a file is to be read */
    VISIT_LISTENING,  /* a WebSocket that only hears: see door_listen.c */
    VISIT_ENDING,
};

struct door_visit {
    struct reactor_retired retired;
    struct door_visit *next, *previous; /* of bridge->visits */
    struct door *door;
    enum visit_state state;
    struct visitor visitor;
    struct timer deadline; /* NEW, READING */
    struct forward *forward;
    struct page_body body; /* SENDING */
    bool keeps;            /* SENDING: the connection goes on behind it */
    uint64_t since;        /* ms */
    size_t requests;
    char peer[ADDRESS_MAX];          /* where it comes from, whoever it is for: see proxies */
    bool is_tls, is_open;            /* its stream: is TLS, has shaken hands */
    char bound_name[BOUND_NAME_MAX]; /* where the door asks for it */
};

/* A connection of a proxy that has still to say for whom it is: see door_arrival.c. */
struct door_arrival;

/* Takes `fd` over in every case; it comes in by door_let_in, once the proxy at `peer` has said for whom it speaks. */
void door_await_arrival(struct door *door, int fd, const char *peer);
void door_end_arrivals(struct door *door);

/* Counts it in and lets it in, or refuses it. Takes `fd` over. */
void door_let_in(struct door *door, int fd, const char *peer);

/* Whether what comes from there is believed when it says for whom it speaks. */
bool door_trusts(const struct door *door, const char *address);

/* Frees it. */
void door_release(struct door *door);

/* Takes `fd` over in every case, the ticket where 0 is returned; or -errno. */
int door_open_visit(struct door *door, int fd, const char *address, const struct admission_ticket *ticket);

/* Ends the connections of `door` that are not sessions, or of all doors for NULL; `all` as door_end_visits has it. */
void door_end_visits_of(struct bridge *bridge, const struct door *door, bool all);

/* An answer is queued: another request, when there is room for another answer; or the end. */
void door_go_on(struct door_visit *visit, bool keeps);

/* The end, when what is queued has gone out. */
void door_end_visit(struct door_visit *visit);

/* The visitor stays, with somebody else; or has gone. */
void door_forget_visit(struct door_visit *visit);

struct backend *door_backend_at(const struct door *door, size_t place); /* NULL for SIZE_MAX */

/* -- door_request.c: requests, and who answers them -- */

/* Bytes dealt with; 0 when more are needed. The visit may be somebody else's behind it: it says so. */
size_t door_take_head(struct door_visit *visit, struct daffi_span in, bool *ret_handed_on);

/* Of a response_sink; `owner` is the connection. */
int door_sink_write(void *owner, const void *bytes, size_t length);

/* Answers with a refusal, and ends. */
void door_refuse(struct door_visit *visit, const struct request_refusal *refusal, bool to_head);

/* -- door_body.c: files as they are sent -- */

/* Sends what is left of a file behind a head that is queued, then goes on. Takes body->fd over. */
void door_begin_body(struct door_visit *visit, const struct page_body *body, bool keeps);
void door_send_body(struct door_visit *visit);  /* SENDING, and there is room again */
void door_close_body(struct door_visit *visit); /* fine where there is none */

/* -- door_listen.c: pages that hear of changes -- */

/* Whether the upgrade is for the path of such. */
bool door_is_listener(const struct door *door, const struct request_head *head);
void door_take_listener(struct door_visit *visit, const struct request_head *head);
void door_dismiss_listener(struct door_visit *visit); /* says goodbye to it */

/* -- door_account.c: what is counted and written down -- */

void door_count(const struct door_visit *visit, enum counter which);
void door_account_end(const struct door_visit *visit,
                      const char *detail);  /* it closes, nobody has taken it over */
void door_on_pause(void *owner, int error); /* of the listener: no descriptor is left, or no memory */

#endif
