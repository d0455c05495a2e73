/* All that follows from one configuration. It is prepared on main's thread, where it can fail and leaves everything as it
 * was; then each floor adopts its part, on its own thread, between two turns. What both configurations have goes on
 * as it is: listeners of the same address keep their sockets, upstreams of the same name and URL their
 * connections.   (docs/configuration.md, "Reload") */
#ifndef GENERATION_H
#define GENERATION_H

#include "http/assets.h"
#include "net/listener_socket.h"
#include "server/certificates.h"
#include "server/server_internal.h"

/* A listener's socket: of every generation that listens there. Main's thread. */
struct generation_socket {
    struct listener_socket socket;
    unsigned users;
};

/* What one floor takes over. */
struct generation_part {
    struct floor *floor;
    struct generation *generation;
    struct tls_context *listener_tls[CONFIG_LIST_MAX]; /* by their places in the configuration */
    struct tls_context *upstream_tls[CONFIG_LIST_MAX];
};

struct generation {
    const struct config *config;                        /* held */
    size_t listener_from[CONFIG_LIST_MAX];              /* places in the generation before; SIZE_MAX: new */
    size_t upstream_from[CONFIG_LIST_MAX];              /* likewise */
    size_t routers[CONFIG_LIST_MAX];                    /* places in server->routers; SIZE_MAX: it is none */
    struct generation_socket *sockets[CONFIG_LIST_MAX]; /* after generation_bind */
    uint64_t files; /* certificates_signature, from before they were read */
    struct assets assets;
    struct assets_dir *assets_dir;    /* NULL: none */
    struct certificate *certificates; /* that its listeners show */
    size_t certificates_count;
    size_t parts_count;
    struct generation_part parts[];
};

/* Reads certificates, makes routers: all that can be wrong before a socket is bound. `config` is held. 0, or -errno and one
 * line in `ret_error`. */
int generation_new(struct server *server, const struct config *config, struct generation **ret_generation,
                   char ret_error[CONFIG_ERROR_MAX]);

/* Binds the listeners that the present generation does not have. 0, or -errno and one line. */
int generation_bind(struct generation *generation, struct server *server, char ret_error[CONFIG_ERROR_MAX]);

/* `listening URL` for each listener that was bound for it. */
void generation_say_listening(const struct generation *generation);

/* On the part's floor's own thread, or before it has one. What could not be had (-ENOMEM: it is the one failure) is
 * left out, and the rest done. */
int generation_adopt(struct generation_part *part);

/* NULL-safe. Closes the sockets that no other generation has; no floor may accept from these any more. */
void generation_free(struct generation *generation);

#endif
