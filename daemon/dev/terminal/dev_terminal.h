/* The developer's terminal: lines of workers, of calls, of pages, each whole, in the order in which they came. Any
 * thread may write; the writing itself is done on a thread of its own, so that a terminal that stands still (Ctrl-S,
 * a pager) holds up nobody else, nor the end. */
#ifndef DEV_TERMINAL_H
#define DEV_TERMINAL_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    DEV_TERMINAL_WAITING_MAX = 2000, /* texts; more are left out, and that is said */
    DEV_TERMINAL_CLOSE_MS = 500,     /* what is still waiting at the end gets that long */
};

struct dev_terminal_text;

struct dev_terminal {
    int fd;
    bool is_terminal, has_colours;
    enum { DEV_TERMINAL_QUIET, DEV_TERMINAL_WRITING, DEV_TERMINAL_CLOSING, DEV_TERMINAL_ENDED } state;
    pthread_t thread; /* from DEV_TERMINAL_WRITING on */
    pthread_mutex_t lock;
    pthread_cond_t news;
    struct dev_terminal_text *first, *last; /* the first one may be on its way out */
    size_t waiting, left_out;
    char note[64];        /* the thread's own */
    struct pollfd waited; /* likewise */
};

/* `fd` is borrowed; it may be non-blocking, as whoever shares it may make it. It has colours where it is a terminal and
 * NO_COLOR is not set. What is written before dev_terminal_start waits for it. */
void dev_terminal_init(struct dev_terminal *terminal, int fd);

/* Starts the thread. 0, or -errno. */
int dev_terminal_start(struct dev_terminal *terminal);

/* Lines, each with its newline; copied. Any thread; returns at once. */
void dev_terminal_write(struct dev_terminal *terminal, const char *lines);

/* Ends the thread, started or not, once all is written or DEV_TERMINAL_CLOSE_MS have passed; what is left is lost.
 * When nobody writes any more. */
void dev_terminal_close(struct dev_terminal *terminal);

#endif
