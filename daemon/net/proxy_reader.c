#include "net/proxy_reader.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct proxy_reader {
    struct reactor_source source; /* fd -1: handed on, or closed */
    struct reactor_retired retired;
    struct timer deadline;
    struct reactor *reactor;
    proxy_reader_callback on_done;
    void *owner;
    bool freed;
    size_t length; /* of what has been taken off the socket: the beginning of a header */
    uint8_t bytes[PROXY_HEADER_MAX];
};

/* Nothing happens any more; the descriptor is returned. */
static int let_go(struct proxy_reader *reader) {
    int fd = reader->source.fd;
    timer_clear(reactor_timers(reader->reactor), &reader->deadline);
    if (fd >= 0) {
        (void)reactor_watch(reader->reactor, &reader->source, 0);
    }
    reader->source.fd = -1;
    return fd;
}

static void fail(struct proxy_reader *reader, const char *detail) {
    close(let_go(reader));
    reader->on_done(reader->owner, -1, NULL, detail);
}

/* Takes `count` bytes, which have been looked at, off the socket. */
static bool take(struct proxy_reader *reader, size_t count) {
    ssize_t n = recv(reader->source.fd, reader->bytes + reader->length, count, 0);
    reader->length += n > 0 ? (size_t)n : 0;
    return n == (ssize_t)count;
}

/* What is there is looked at first: only what belongs to the header is taken. */
static void on_ready(struct reactor_source *source, uint32_t events) {
    struct proxy_reader *reader =
        (struct proxy_reader *)(void *)((char *)source - offsetof(struct proxy_reader, source));
    (void)events;
    ssize_t n =
        recv(source->fd, reader->bytes + reader->length, sizeof reader->bytes - reader->length, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        fail(reader, n == 0 ? "it ended before its PROXY header was whole" : strerror(errno));
        return;
    }
    struct proxy_header header;
    const char *reason = NULL;
    size_t size = 0;
    int status = proxy_header_parse(reader->bytes, reader->length + (size_t)n, &header, &size, &reason);
    if (status == -EPROTO) {
        fail(reader, reason);
    } else if (!take(reader, status == 0 ? size - reader->length : (size_t)n)) {
        fail(reader, "its PROXY header can't be read");
    } else if (status == 0) {
        reader->on_done(reader->owner, let_go(reader), &header, "");
    }
}

static void on_due(struct timer *timer, uint64_t now) {
    (void)now;
    fail((struct proxy_reader *)(void *)((char *)timer - offsetof(struct proxy_reader, deadline)),
         "its PROXY header did not come in time");
}

static void release(struct reactor_retired *retired) {
    free((struct proxy_reader *)(void *)((char *)retired - offsetof(struct proxy_reader, retired)));
}

int proxy_reader_new(struct reactor *reactor, int fd, uint64_t timeout_ms, proxy_reader_callback on_done,
                     void *owner, struct proxy_reader **ret_reader) {
    struct proxy_reader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        return -ENOMEM;
    }
    reader->source = (struct reactor_source){.fd = fd, .on_ready = on_ready};
    reader->retired.release = release;
    reader->deadline.on_due = on_due;
    reader->reactor = reactor;
    reader->on_done = on_done;
    reader->owner = owner;
    int r = timer_set(reactor_timers(reactor), &reader->deadline, reactor_now(reactor) + timeout_ms);
    if (r == 0) {
        r = reactor_watch(reactor, &reader->source, EPOLLIN);
    }
    if (r < 0) {
        timer_clear(reactor_timers(reactor), &reader->deadline);
        free(reader);
        return r;
    }
    *ret_reader = reader;
    return 0;
}

void proxy_reader_free(struct proxy_reader *reader) {
    if (!reader || reader->freed) {
        return;
    }
    reader->freed = true;
    int fd = let_go(reader);
    if (fd >= 0) {
        close(fd);
    }
    reactor_retire(reader->reactor, &reader->retired);
}
