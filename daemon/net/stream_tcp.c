/* Plain bytes over a TCP or Unix socket. */
#include "net/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int tcp_handshake(struct stream *stream) {
    (void)stream;
    return 0;
}

static ssize_t tcp_read(struct stream *stream, void *out, size_t capacity) {
    ssize_t n;
    do {
        n = recv(stream->fd, out, capacity, 0);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        return n;
    }
    stream->wants = EPOLLIN;
    return -errno;
}

static ssize_t tcp_write(struct stream *stream, const struct stream_piece *pieces, size_t count) {
    struct iovec parts[STREAM_PIECES_MAX];
    for (size_t i = 0; i < count; i++) {
        parts[i] = (struct iovec){(void *)pieces[i].bytes, pieces[i].length};
    }
    if (count == 0) {
        return 0;
    }
    ssize_t n;
    do {
        n = count == 1
                ? send(stream->fd, pieces->bytes, pieces->length, MSG_NOSIGNAL) /* the cheaper call */
                : sendmsg(stream->fd, &(struct msghdr){.msg_iov = parts, .msg_iovlen = count}, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    stream->wants = EPOLLOUT;
    return n >= 0 ? n : -errno;
}

static int tcp_shutdown(struct stream *stream) {
    return shutdown(stream->fd, SHUT_WR) == 0 || errno == ENOTCONN ? 0 : -errno;
}

static size_t tcp_nothing(const struct stream *stream) {
    (void)stream;
    return 0;
}

static const char *tcp_error(const struct stream *stream) {
    (void)stream;
    return "no protocol error";
}

static void tcp_close(struct stream *stream) {
    close(stream->fd);
    free(stream);
}

static const struct stream_operations tcp_operations = {
    .handshake = tcp_handshake,
    .read = tcp_read,
    .write = tcp_write,
    .shutdown = tcp_shutdown,
    .pending = tcp_nothing,
    .error = tcp_error,
    .close = tcp_close,
};

int stream_tcp_new(int fd, struct stream **ret_stream) {
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        return -ENOMEM;
    }
    stream->operations = &tcp_operations;
    stream->fd = fd;
    *ret_stream = stream;
    return 0;
}
