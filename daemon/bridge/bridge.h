/* What the bridge's rooms share on one reactor. Made by server.c; touched by its reactor's thread alone. */
#ifndef BRIDGE_H
#define BRIDGE_H

#include "bridge/door/admission.h"
#include "bridge/members/names.h"
#include "bridge/members/roster.h"
#include "config/config.h"
#include "net/connection.h"
#include "net/reactor.h"
#include "ops/counters.h"

struct backend;
struct page_source;
struct presence;
struct session;
struct upstream_health_table;
struct door_visit;

struct bridge {
    struct reactor *reactor;
    const struct config *config;               /* never changes while a session lives */
    struct admission *admission;               /* of all reactors */
    struct rejoins *rejoins;                   /* likewise; NULL: none are known */
    struct unanswered *unanswered;             /* likewise; NULL: none are known */
    struct upstream_health_table *health;      /* likewise; NULL: nobody asks */
    struct presence *presence;                 /* likewise; NULL: nothing is known */
    const struct page_source *pages;           /* likewise; NULL: there are the bridge's own alone */
    bool watches;                              /* upstreams, for all reactors */
    struct counters counters;                  /* of this reactor */
    struct backend *backends[CONFIG_LIST_MAX]; /* by their places in config.upstreams */
    struct session *sessions;                  /* first of a list that session.c keeps */
    struct names_desk names;      /* of who is called what; without a table: no name is ever taken */
    struct roster roster;         /* of what sessions know of members */
    struct call_table call_table; /* of sessions */
    struct door_visit *visits;    /* first of a list that door.c keeps */
    size_t connections;           /* not yet closed: accepted and opened ones */
    bool stopping;                /* nobody is let in any more */
};

/* An accepted connection, as it is handed from the door to whoever speaks with it. */
struct visitor {
    struct connection *connection;
    struct admission_ticket ticket;
    char address[ADDRESS_MAX];
    const char *bound_name; /* what it has to be called; NULL: as it likes */
};

/* Says `text` (UTF-8) to the pages of this reactor that listen on page_source's listen_path. */
void bridge_tell_listeners(struct bridge *bridge, const char *text);

/* Who is on the other side of a connection, as it is counted. */
enum bridge_kind { BRIDGE_VISITOR, BRIDGE_PAGE, BRIDGE_NATIVE, BRIDGE_UPSTREAM };

/* Counts an open connection, and its bytes from now on, as one of that kind; and counts it out again. */
void bridge_enter_kind(struct bridge *bridge, enum bridge_kind kind, struct connection *connection);
void bridge_leave_kind(struct bridge *bridge, enum bridge_kind kind);

/* A connection of this reactor has closed. When the program stops and it was the last, so does the reactor. */
void bridge_forget_connection(struct bridge *bridge);

/* Stops the reactor when the program stops and nobody is there. */
void bridge_stop_when_empty(struct bridge *bridge);

/* For a Python peer to end its side, too: the real Router never does, it leaks the descriptor, and clients mostly do not. */
enum { BRIDGE_GOODBYE_MS = 1000 };

/* The limits of a connection, by the configuration; `open_ms` for its stream's handshake, `goodbye_ms` as in connection_limits. */
struct connection_limits bridge_connection_limits(const struct config *config, uint64_t open_ms,
                                                  uint64_t goodbye_ms);

/* Has a connection that is open go by another configuration: that of the session that came by it. */
void bridge_limit_connection(struct connection *connection, const struct config *config, uint64_t goodbye_ms);

/* Bytes of a batch of messages, either way; 0: none. Never more than one message may have. */
size_t bridge_batch_limit(const struct config *config);

#endif
