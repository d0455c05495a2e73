/* Puts the rooms together: a reactor for each core, on each of them every listener's door and every upstream; and the
 * site. Its caller's thread only starts and stops it. */
#ifndef SERVER_H
#define SERVER_H

#include "config/config.h"

struct server;

/* Everything that can be wrong before a socket is bound: certificates are read, memory is taken. `config` is
 * held. 0, or -errno and one line in `ret_error`. */
int server_new(const struct config *config, struct server **ret_server, char ret_error[CONFIG_ERROR_MAX]);

/* For `-t`, after server_new: warns of what server_start would warn of, and refuses addresses that can't be listened on, without
 * listening. The process gives up root, so it can only end then. 0, or -errno and one line. */
int server_check(const struct server *server, char ret_error[CONFIG_ERROR_MAX]);

/* Has doors give the pages of `source`, besides the bridge's own; before server_start. It is borrowed. */
struct page_source;
void server_set_pages(struct server *server, const struct page_source *source);

/* Says `text` to the pages that listen on the source's listen_path. Any thread, between server_start and server_stop. */
void server_tell_listeners(struct server *server, const char *text);

/* Binds the listeners, starts the threads, and says `listening URL` for each listener. The threads take over the
 * caller's signal mask. 0, or -errno and one line in `ret_error`. */
int server_start(struct server *server, char ret_error[CONFIG_ERROR_MAX]);

/* Another configuration from now on, after server_start: parsed already, it is validated as at the start; either all of it
 * is taken over before this returns, or nothing is changed. No connection is lost: those that are there keep the
 * configuration they came with. What takes effect only at the next start is said in the log. 0, or -errno and one line. */
int server_reload(struct server *server, const struct config *config, char ret_error[CONFIG_ERROR_MAX]);

/* What is done from time to time: the caller's thread has it done each SERVER_TICK_MS, between reloads. New certificates are
 * noticed and taken over, old ones warned of, and session tickets get new keys. `now` in ms, monotonic. */
enum { SERVER_TICK_MS = 1000 };
void server_tick(struct server *server, uint64_t now);

/* Whether each event loop has given the sign of life that it was asked for by the call before; asks for the next. */
bool server_is_alive(struct server *server);

/* The sockets that it listens on, the admin listener's included: at most `most` of them in `ret_sockets`. How many. */
struct listener_socket;
size_t server_list_sockets(const struct server *server, const struct listener_socket **ret_sockets,
                           size_t most);

/* They are another process's from now on, too: their files are left to it. */
void server_hand_over(struct server *server);

/* It ends, and nobody takes over: who connects is refused from now on, and may go elsewhere or come again, in place of waiting for
 * an end that resets it. Not the admin listener, which tells of the end. Before server_stop. */
void server_refuse(struct server *server);

/* Whether an event loop has ended by itself; its end sends the process SIGTERM. */
bool server_has_failed(const struct server *server);

/* Stops accepting, tells everybody, and returns when all have gone, at the latest after timeouts.drain. */
void server_stop(struct server *server);

/* How long that may take, in ms. */
uint64_t server_stop_ms(const struct server *server);

void server_free(struct server *server); /* NULL-safe; after server_stop, or where it was never started */

#endif
