#include "dev/terminal/dev_terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/clock.h"

struct dev_terminal_text {
    struct dev_terminal_text *next;
    size_t length;
    char bytes[];
};

void dev_terminal_init(struct dev_terminal *terminal, int fd) {
    const char *plain = getenv("NO_COLOR");
    *terminal = (struct dev_terminal){
        .fd = fd,
        .is_terminal = isatty(fd) == 1,
        .state = DEV_TERMINAL_QUIET,
        .waited = {.fd = fd, .events = POLLOUT},
    };
    terminal->has_colours = terminal->is_terminal && (plain == NULL || plain[0] == '\0');
    (void)pthread_mutex_init(&terminal->lock, NULL);
    (void)pthread_cond_init(&terminal->news, NULL);
}

/* The one place where dev_terminal_close may break in: no lock is held. What can't be written is lost: there is nowhere to say
 * so. No variable here, nor in who calls this, has its address taken: AddressSanitizer would not hear that its frame is gone. */
static void put(struct dev_terminal *terminal, const char *bytes, size_t length) {
    (void)pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    while (length > 0) {
        ssize_t n = write(terminal->fd, bytes, length);
        if (n < 0 && errno == EAGAIN) {
            (void)poll(&terminal->waited, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            break;
        }
        bytes += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
}

static void drop_first(struct dev_terminal *terminal) {
    struct dev_terminal_text *text = terminal->first;
    terminal->first = text->next;
    terminal->last = text->next != NULL ? terminal->last : NULL;
    terminal->waiting--;
    free(text);
}

/* With the lock held, which it gives up to write. */
static void put_first(struct dev_terminal *terminal) {
    const struct dev_terminal_text *text = terminal->first;
    pthread_mutex_unlock(&terminal->lock);
    put(terminal, text->bytes, text->length);
    pthread_mutex_lock(&terminal->lock);
    drop_first(terminal);
    if (terminal->waiting == 0 && terminal->left_out > 0) {
        int length =
            snprintf(terminal->note, sizeof terminal->note, "... and %zu more lines\n", terminal->left_out);
        terminal->left_out = 0;
        pthread_mutex_unlock(&terminal->lock);
        put(terminal, terminal->note, (size_t)length);
        pthread_mutex_lock(&terminal->lock);
    }
}

static void *run(void *argument) {
    struct dev_terminal *terminal = argument;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    (void)pthread_setname_np(pthread_self(), "terminal");
    pthread_mutex_lock(&terminal->lock);
    while (terminal->first != NULL || terminal->state != DEV_TERMINAL_CLOSING) {
        if (terminal->first != NULL) {
            put_first(terminal);
        } else {
            pthread_cond_wait(&terminal->news, &terminal->lock);
        }
    }
    terminal->state = DEV_TERMINAL_ENDED;
    pthread_cond_signal(&terminal->news);
    pthread_mutex_unlock(&terminal->lock);
    return NULL;
}

int dev_terminal_start(struct dev_terminal *terminal) {
    int status = -pthread_create(&terminal->thread, NULL, run, terminal);
    if (status == 0) {
        pthread_mutex_lock(&terminal->lock);
        terminal->state = DEV_TERMINAL_WRITING;
        pthread_mutex_unlock(&terminal->lock);
    }
    return status;
}

void dev_terminal_write(struct dev_terminal *terminal, const char *lines) {
    size_t length = strlen(lines);
    pthread_mutex_lock(&terminal->lock);
    struct dev_terminal_text *text =
        terminal->waiting < DEV_TERMINAL_WAITING_MAX ? malloc(sizeof *text + length + 1) : NULL;
    if (text != NULL) {
        text->next = NULL;
        text->length = length;
        memcpy(text->bytes, lines, length + 1);
        *(terminal->last != NULL ? &terminal->last->next : &terminal->first) = text;
        terminal->last = text;
        terminal->waiting++;
        pthread_cond_signal(&terminal->news);
    } else {
        terminal->left_out++;
    }
    pthread_mutex_unlock(&terminal->lock);
}

/* Waits for the thread's word that it has ended, and cancels it where that does not come. */
static void end_thread(struct dev_terminal *terminal) {
    const struct timespec until = clock_in_ms(CLOCK_MONOTONIC, DEV_TERMINAL_CLOSE_MS);
    pthread_mutex_lock(&terminal->lock);
    terminal->state = DEV_TERMINAL_CLOSING;
    pthread_cond_signal(&terminal->news);
    int status = 0;
    while (terminal->state != DEV_TERMINAL_ENDED && status == 0) {
        status = pthread_cond_clockwait(&terminal->news, &terminal->lock, CLOCK_MONOTONIC, &until);
    }
    if (terminal->state != DEV_TERMINAL_ENDED) {
        (void)pthread_cancel(terminal->thread);
    }
    pthread_mutex_unlock(&terminal->lock);
    (void)pthread_join(terminal->thread, NULL);
}

void dev_terminal_close(struct dev_terminal *terminal) {
    if (terminal->state == DEV_TERMINAL_WRITING) {
        end_thread(terminal);
    }
    while (terminal->first != NULL) {
        drop_first(terminal);
    }
    pthread_cond_destroy(&terminal->news);
    pthread_mutex_destroy(&terminal->lock);
}
