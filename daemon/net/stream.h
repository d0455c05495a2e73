/* A two-way run of bytes, TLS or not: nobody above this header knows which.           (design contract 5)
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

struct stream_operations {
    /* 0 when ready for data; -EAGAIN; -errno; -EPROTO when TLS failed (stream_error says why). */
    int (*handshake)(struct stream *stream);
    /* > 0 bytes; 0 the peer has ended its side in good order; -EAGAIN; -errno. */
    ssize_t (*read)(struct stream *stream, void *out, size_t capacity);
    ssize_t (*write)(struct stream *stream, const void *bytes, size_t length);
    int (*shutdown)(struct stream *stream); /* says goodbye (close_notify, FIN): 0, -EAGAIN, -errno */
    size_t (*pending)(const struct stream *stream); /* bytes that epoll won't tell of */
    const char *(*error)(const struct stream *stream); /* a sentence on the last -EPROTO, never NULL */
    void (*close)(struct stream *stream); /* closes the descriptor and frees the stream; never blocks */
};

struct stream {
    const struct stream_operations *operations;
    int fd;
    uint32_t wants; /* EPOLLIN or EPOLLOUT: what the last -EAGAIN waits for */
};

static inline int stream_handshake(struct stream *s) { return s->operations->handshake(s); }
static inline ssize_t stream_read(struct stream *s, void *out, size_t n) { return s->operations->read(s, out, n); }
static inline ssize_t stream_write(struct stream *s, const void *b, size_t n) { return s->operations->write(s, b, n); }
static inline int stream_shutdown(struct stream *s) { return s->operations->shutdown(s); }
static inline size_t stream_pending(const struct stream *s) { return s->operations->pending(s); }
static inline const char *stream_error(const struct stream *s) { return s->operations->error(s); }
static inline void stream_close(struct stream *s) { s->operations->close(s); }

/* Each takes `fd` (non-blocking) over on success only. 0, -ENOMEM, or -EPROTO. handshake of a connecting TCP
 * stream waits for the connect and returns its error. */
int stream_tcp_new(int fd, struct stream **ret_stream);

struct tls_context; /* net/tls_context.h */
int stream_tls_accept(struct tls_context *context, int fd, struct stream **ret_stream);
/* `server_name`: checked against the certificate and sent as SNI (unless it is an address literal). */
int stream_tls_connect(struct tls_context *context, int fd, const char *server_name, struct stream **ret_stream);

#endif
