/* `daffi-bridge dev`: the folder, the certificate, the configuration, and what goes on beside the server.
 *                                                                                               (docs/development.md)
 * main.c makes it, gives the server its configuration and its pages, and starts it when the server listens. */
#ifndef DEV_H
#define DEV_H

#include "config/cli_dev.h"
#include "http/page_source.h"
#include "net/listener_socket.h"

enum {
    DEV_SOCKETS_MAX = 3,
    DEV_STOP_ECHO_MS =
        300, /* a signal within it is the first one, which a program that started us (npx, make) has passed on */
};

struct dev;

/* Opens the folder, finds or makes the certificate, chooses ports. `options` is borrowed as long as it lives, argv
 * with it. 0, or -errno and one line in `ret_error`. */
int dev_new(const struct dev_options *options, struct dev **ret_dev, char ret_error[CONFIG_ERROR_MAX]);
void dev_free(struct dev *dev); /* NULL-safe; after the server has stopped */

/* Its own. */
const struct config *dev_config(const struct dev *dev);
const struct page_source *dev_pages(const struct dev *dev);

struct dev_setup {
    const struct listener_socket *const *sockets; /* the first that the server listens on (dev_config.h) */
    size_t sockets_count;
    void (*tell_pages)(void *owner,
                       const char *word); /* to those that listen on dev_pages' listen_path; any thread */
    void *owner;
};

/* Once the server listens: greets, and starts what goes on beside it, on a thread of its own: watching files,
 * workers. 0, or -errno and one line. */
int dev_start(struct dev *dev, const struct dev_setup *setup, char ret_error[CONFIG_ERROR_MAX]);

/* Ends watching and workers, and returns when they have ended, or can't be: at once where one more SIGINT or SIGTERM
 * comes, which are to be blocked. Before the server stops; the terminal is written to until dev_free. */
void dev_stop(struct dev *dev);

#endif
