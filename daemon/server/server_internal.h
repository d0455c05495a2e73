/* What server.c (the beginning and the end), generation.c and server_reload.c share. */
#ifndef SERVER_INTERNAL_H
#define SERVER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "bridge/bridge.h"
#include "bridge/door/door.h"
#include "bridge/members/presence.h"
#include "bridge/members/rejoins.h"
#include "bridge/members/unanswered.h"
#include "bridge/router/router.h"
#include "bridge/upstream/upstream.h"
#include "http/admin.h"
#include "http/site.h"
#include "server/certificates.h"
#include "server/report.h"
#include "server/server.h"

/* A reactor and what is on it. Once its thread runs, that thread's alone. */
struct floor {
    struct server *server;
    struct bridge bridge;
    struct upstream *upstreams[CONFIG_LIST_MAX]; /* by their places in bridge.config; NULL for routers */
    struct door *doors[CONFIG_LIST_MAX];         /* likewise; NULL where another floor does it all */
    struct forward_route *site;
    struct timer stop_deadline, stop_step;
    uint64_t stopped_at;   /* ms */
    size_t told_each;      /* sessions in a step */
    atomic_bool has_pages; /* while it stops */
    pthread_t thread;
    bool has_thread;
    bool is_asked; /* for a sign of life; main's thread */
    atomic_bool has_answered;
    uint64_t health_asked_at; /* for another one, ms; 0: not; the admin listener's thread */
    atomic_bool is_well;
};

/* A router inside, with a branch on each floor. Once there it stays, named or not: a later configuration may name it again. */
struct server_router {
    char *name;
    struct router *router;
    struct backend **branches; /* one a floor */
};

struct generation;

struct server {
    struct generation *generation;             /* the present one; main's thread */
    const struct config *started;              /* held: what is made once goes by it */
    struct certificates_watch files;           /* main's thread, as the next three */
    uint64_t looked_at, warned_at, rotated_at; /* ms */
    atomic_bool failed;
    struct memory_budget memory;
    struct admission *admission;
    struct rejoins *rejoins;
    struct unanswered *unanswered;
    struct names *names;
    struct upstream_health_table *health;
    struct presence *presence;
    struct report report;
    struct listener_socket admin_socket; /* fd -1: there is none */
    struct admin *admin;
    struct site *site;
    struct server_router routers[CONFIG_LIST_MAX];
    size_t routers_count;
    size_t floors_count;
    struct floor floors[];
};

/* One line that names what it is about. Returns `status`. */
int server_describe(int status, const char *what, char ret_error[CONFIG_ERROR_MAX]);

/* The limits as far as the system's descriptors reach; a warning where that is less. */
struct config_limits server_fit_limits(const struct config *config);

/* Who it becomes when root starts it; the unit's user, too. */
#define SERVER_USER "daffi-bridge"

/* What is allowed, but should be known. */
void server_warn(const struct config *config);

/* -- server_watch.c: the administrator's view -- */

/* Binds the admin listener. 0, or -errno and one line. */
int server_bind_admin(struct server *server, const struct config *config, char ret_error[CONFIG_ERROR_MAX]);
int server_start_admin(struct server *server, const struct config *config, char ret_error[CONFIG_ERROR_MAX]);
void server_stop_admin(struct server *server);

/* The playground's: of pages.h. */
void server_write_numbers(void *report, FILE *out);

/* How many event loops have not given a sign of life within SERVER_HANG_MS of an earlier call; asks the others for the next.
 * `now` in ms, monotonic. The admin listener's thread. */
enum { SERVER_HANG_MS = 5000 };
size_t server_count_hanging(struct server *server, uint64_t now);

/* What is told from now on is of this generation. */
void server_report(struct server *server, const struct generation *generation,
                   const struct config_limits *limits);

#endif
