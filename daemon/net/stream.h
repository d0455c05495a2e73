/* A two-way run of bytes, TLS or not: nobody above this header knows which.           (ARCHITECTURE.md, net)
 *
 * Non-blocking. A result of -EAGAIN means "wait for what stream_wants says, then call again"; TLS may want to
 * write in order to read, and the other way round. */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stream;

struct stream_piece {
    const void *bytes;
    size_t length;
};

enum { STREAM_PIECES_MAX = 2 };

struct stream_operations {
    /* 0 when ready for data; -EAGAIN; -errno; -EPROTO when TLS failed (stream_error says why). */
    int (*handshake)(struct stream *stream);
    /* > 0 bytes; 0 the peer has ended its side (see `truncated`); -EAGAIN; -errno. Fewer bytes than `capacity`
     * say that there is no more now, unless stream_pending says so. */
    ssize_t (*read)(struct stream *stream, void *out, size_t capacity);
    /* Bytes taken of the pieces (at most STREAM_PIECES_MAX, none of them empty), one behind the other, some of which may still
     * be unsent: see `unsent`. Fewer than there are say that it would block; -EAGAIN; -errno. None at all sends what is unsent:
     * 0 or -EAGAIN or -errno. */
    ssize_t (*write)(struct stream *stream, const struct stream_piece *pieces, size_t count);
    int (*shutdown)(struct stream *stream); /* says goodbye (close_notify, FIN): 0, -EAGAIN, -errno */
    /* > 0: a read now gets something that epoll won't tell of. */
    size_t (*pending)(const struct stream *stream);
    /* A sentence on the last -EPROTO, never NULL. */
    const char *(*error)(const struct stream *stream);
    /* Closes the descriptor and frees the stream; never blocks. */
    void (*close)(struct stream *stream);
};

struct stream {
    const struct stream_operations *operations;
    int fd;
    uint32_t wants; /* EPOLLIN or EPOLLOUT: what the last -EAGAIN, short write or unsent rest waits for */
    bool truncated; /* the peer's end came without TLS's goodbye (close_notify) */
    /* Sealed bytes taken by write that are still to be sent: asked for with each message, so no call. */
    size_t unsent;
};

static inline int stream_handshake(struct stream *s) {
    return s->operations->handshake(s);
}
static inline ssize_t stream_read(struct stream *s, void *out, size_t n) {
    return s->operations->read(s, out, n);
}
static inline ssize_t stream_write_pieces(struct stream *s, const struct stream_piece *pieces, size_t count) {
    return s->operations->write(s, pieces, count);
}
static inline ssize_t stream_write(struct stream *s, const void *b, size_t n) {
    return stream_write_pieces(s, &(const struct stream_piece){b, n}, 1);
}
static inline int stream_shutdown(struct stream *s) {
    return s->operations->shutdown(s);
}
static inline size_t stream_pending(const struct stream *s) {
    return s->operations->pending(s);
}
static inline const char *stream_error(const struct stream *s) {
    return s->operations->error(s);
}
static inline void stream_close(struct stream *s) {
    s->operations->close(s);
}

/* Each takes `fd` (non-blocking, connected) over on success only. 0, -ENOMEM, or -EPROTO. */
int stream_tcp_new(int fd, struct stream **ret_stream);

struct tls_context; /* net/tls_context.h */
int stream_tls_accept(struct tls_context *context, int fd, struct stream **ret_stream);
/* The common name in the certificate that the peer has shown, once the stream is ready for data. False, and *out empty, where
 * there is none, where it has a NUL inside, or where it and its NUL do not fit into `size` bytes. */
bool stream_tls_peer_name(const struct stream *stream, char *out, size_t size);
/* `server_name`: a name or an address literal without brackets; checked against the certificate, and sent as
 * SNI when it is a name. */
int stream_tls_connect(struct tls_context *context, int fd, const char *server_name,
                       struct stream **ret_stream);

#endif
