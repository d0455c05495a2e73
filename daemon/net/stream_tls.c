/* TLS over a socket. OpenSSL never touches the socket: a BIO of our own reads and writes it, so that
 *  - records are sealed into one buffer of the thread and leave in one system call a turn, however many;
 *  - a short read is known to have emptied the socket, and no call is made only to learn EAGAIN;
 *  - SSL_write and SSL_do_handshake never wait for room: what the socket did not take is kept as `unsent`, so
 *    a read that has to write (KeyUpdate, alerts) needs no state of its own;
 *  - SIGPIPE can't be raised. */
#include "net/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls_context_internal.h"

enum {
    RECORD_MAX = SSL3_RT_MAX_PLAIN_LENGTH + 512, /* one sealed record, generously */
    SEAL_SIZE = 4 * RECORD_MAX,
    ERROR_MAX = 256,
};

enum tls_state { TLS_HANDSHAKE, TLS_OPEN, TLS_FAILED };

struct stream_tls {
    struct stream stream;
    SSL *ssl;
    enum tls_state state;
    bool drained;   /* the last read from the socket was short: nothing more until epoll says so */
    bool sock_end;  /* the socket's end was seen */
    int read_end;   /* what the next read returns, behind bytes already given out: 1 none, 0 end, -errno */
    bool goodbye;   /* close_notify is sealed */
    bool more;      /* stream_pending: the last read stopped at the caller's capacity, or before `read_end` */
    int sock_error; /* errno of the socket's last failure, 0 none */
    uint8_t *unsent;
    size_t unsent_begin, unsent_end;
    char *server_name; /* of a connecting stream */
    char *error;
};

/* Sealed bytes of the stream that is being worked on: filled and emptied within one call of this file. */
static _Thread_local uint8_t seal[SEAL_SIZE];
static _Thread_local size_t seal_length;

static struct stream_tls *tls_of(struct stream *stream) {
    return (struct stream_tls *)stream;
}

static const struct stream_tls *tls_of_const(const struct stream *stream) {
    return (const struct stream_tls *)stream;
}

/* --- the BIO ---------------------------------------------------------------------------------------------- */

static int bio_read(BIO *bio, char *out, size_t capacity, size_t *ret_length) {
    struct stream_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->drained && !tls->sock_end) {
        BIO_set_retry_read(bio);
        return -1;
    }
    ssize_t n;
    do {
        n = recv(tls->stream.fd, out, capacity, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        tls->drained = (size_t)n < capacity;
        *ret_length = (size_t)n;
        return 1;
    }
    if (n == 0) {
        tls->sock_end = true;
        return 0;
    }
    if (errno == EAGAIN) {
        tls->drained = true;
        BIO_set_retry_read(bio);
        return -1;
    }
    tls->sock_error = errno;
    return 0;
}

static int bio_write(BIO *bio, const char *bytes, size_t length, size_t *ret_length) {
    BIO_clear_retry_flags(bio);
    if (SEAL_SIZE == seal_length) {
        BIO_set_retry_write(bio);
        return -1;
    }
    size_t room = SEAL_SIZE - seal_length;
    size_t taken = length < room ? length : room;
    memcpy(seal + seal_length, bytes, taken);
    seal_length += taken;
    *ret_length = taken;
    return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)number;
    (void)pointer;
    const struct stream_tls *tls = BIO_get_data(bio);
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return tls && tls->sock_end;
    default:
        return 0;
    }
}

static BIO_METHOD *bio_method;

static void bio_method_make(void) {
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "daffi socket");
    if (!bio_method) {
        return;
    }
    BIO_meth_set_read_ex(bio_method, bio_read);
    BIO_meth_set_write_ex(bio_method, bio_write);
    BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

/* --- sending ---------------------------------------------------------------------------------------------- */

/* Bytes the socket took (fewer than `length`: it is full), or -errno. */
static ssize_t send_some(int fd, const uint8_t *bytes, size_t length) {
    size_t sent = 0;
    while (sent < length) {
        ssize_t n = send(fd, bytes + sent, length - sent, MSG_NOSIGNAL);
        if (n >= 0) {
            sent += (size_t)n;
            if (sent < length) {
                break;
            }
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return (ssize_t)sent;
}

static int keep_unsent(struct stream_tls *tls, const uint8_t *bytes, size_t length) {
    size_t have = tls->unsent_end - tls->unsent_begin;
    if (have > 0) {
        memmove(tls->unsent, tls->unsent + tls->unsent_begin, have);
    }
    uint8_t *grown = realloc(tls->unsent, have + length);
    if (!grown) {
        return -ENOMEM;
    }
    memcpy(grown + have, bytes, length);
    tls->unsent = grown;
    tls->unsent_begin = 0;
    tls->unsent_end = have + length;
    return 0;
}

/* Sends what was unsent, then what is sealed; keeps the rest. 0: all has left; -EAGAIN: some is unsent; -errno. */
static int tls_send(struct stream_tls *tls) {
    size_t length = seal_length;
    seal_length = 0;
    if (tls->unsent) {
        ssize_t n =
            send_some(tls->stream.fd, tls->unsent + tls->unsent_begin, tls->unsent_end - tls->unsent_begin);
        if (n < 0) {
            return (int)n;
        }
        tls->unsent_begin += (size_t)n;
        if (tls->unsent_begin < tls->unsent_end) {
            int r = length > 0 ? keep_unsent(tls, seal, length) : 0;
            return r < 0 ? r : -EAGAIN;
        }
        free(tls->unsent);
        tls->unsent = NULL;
        tls->unsent_begin = tls->unsent_end = 0;
    }
    if (length == 0) {
        return 0;
    }
    ssize_t n = send_some(tls->stream.fd, seal, length);
    if (n < 0) {
        return (int)n;
    }
    if ((size_t)n == length) {
        return 0;
    }
    int r = keep_unsent(tls, seal + n, length - (size_t)n);
    return r < 0 ? r : -EAGAIN;
}

/* --- failing ---------------------------------------------------------------------------------------------- */

static void set_error(struct stream_tls *tls, const char *text) {
    free(tls->error);
    tls->error = strdup(text);
}

static unsigned peer_port(int fd) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getpeername(fd, (struct sockaddr *)&address, &size) < 0) {
        return 0;
    }
    if (address.ss_family == AF_INET) {
        return ntohs(((struct sockaddr_in *)&address)->sin_port);
    }
    return address.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&address)->sin6_port) : 0;
}

/* The error queue and the verification as a sentence. */
static void describe_failure(struct stream_tls *tls) {
    char text[ERROR_MAX];
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
    long verify = SSL_get_verify_result(tls->ssl);
    if (tls->server_name && verify != X509_V_OK) {
        unsigned port = peer_port(tls->stream.fd);
        const char *why = X509_verify_cert_error_string(verify);
        if (port && strchr(tls->server_name, ':')) {
            snprintf(text, sizeof text, "certificate of [%s]:%u not trusted: %s", tls->server_name, port,
                     why);
        } else if (port) {
            snprintf(text, sizeof text, "certificate of %s:%u not trusted: %s", tls->server_name, port, why);
        } else {
            snprintf(text, sizeof text, "certificate of %s not trusted: %s", tls->server_name, why);
        }
    } else if (reason == SSL_R_HTTP_REQUEST) {
        snprintf(text, sizeof text, "the peer spoke plain HTTP where TLS is expected");
    } else if (reason == SSL_R_WRONG_VERSION_NUMBER) {
        snprintf(text, sizeof text, "the peer did not speak TLS");
    } else if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION) {
        snprintf(text, sizeof text, "the peer has no TLS version in common (1.2 or 1.3 is expected)");
    } else if (tls->sock_end) {
        snprintf(text, sizeof text, "the peer hung up in the TLS handshake");
    } else {
        snprintf(text, sizeof text, "TLS failed: %s", tls_error_reason());
    }
    ERR_clear_error();
    set_error(tls, text);
}

/* After a failed call: sends the alert that may be sealed, and says what went wrong. */
static int tls_fail(struct stream_tls *tls) {
    tls->state = TLS_FAILED;
    (void)tls_send(tls);
    if (tls->sock_error) {
        ERR_clear_error();
        return -tls->sock_error;
    }
    describe_failure(tls);
    return -EPROTO;
}

/* --- the operations --------------------------------------------------------------------------------------- */

static int tls_handshake(struct stream *stream) {
    struct stream_tls *tls = tls_of(stream);
    switch (tls->state) {
    case TLS_OPEN:
        return 0;
    case TLS_FAILED:
        return -EPROTO;
    case TLS_HANDSHAKE:
        break;
    }
    tls->drained = false;
    for (;;) {
        ERR_clear_error();
        int r = SSL_do_handshake(tls->ssl);
        if (r == 1) {
            int sent = tls_send(tls);
            if (sent < 0 && sent != -EAGAIN) {
                tls->state = TLS_FAILED;
                return sent;
            }
            tls->state = TLS_OPEN;
            tls->more = SSL_has_pending(tls->ssl) || !tls->drained;
            return 0;
        }
        int error = SSL_get_error(tls->ssl, r);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
            return tls_fail(tls);
        }
        int sent = tls_send(tls);
        if (sent < 0 && sent != -EAGAIN) {
            tls->state = TLS_FAILED;
            return sent;
        }
        if (error == SSL_ERROR_WANT_READ) {
            stream->wants = sent == 0 ? EPOLLIN : EPOLLIN | EPOLLOUT;
            return -EAGAIN;
        }
        /* WANT_WRITE: the sealing buffer was full, and is empty again. */
    }
}

/* Decrypts into `out`; sets read_end where the run of bytes ends. */
static size_t read_records(struct stream_tls *tls, uint8_t *out, size_t capacity) {
    size_t length = 0;
    while (length < capacity) {
        if (length > 0 && tls->drained && !SSL_has_pending(tls->ssl)) {
            break;
        }
        ERR_clear_error();
        size_t n = 0;
        if (SSL_read_ex(tls->ssl, out + length, capacity - length, &n) == 1) {
            length += n;
            continue;
        }
        int error = SSL_get_error(tls->ssl, 0);
        if (error == SSL_ERROR_WANT_READ) {
            break;
        }
        if (error == SSL_ERROR_WANT_WRITE) { /* the answer to a KeyUpdate found the sealing buffer full */
            int sent = tls_send(tls);
            if (sent == 0 || sent == -EAGAIN) {
                continue;
            }
            tls->read_end = sent;
            break;
        }
        if (error == SSL_ERROR_ZERO_RETURN) {
            /* The socket's end was met only if no close_notify came before it. Many peers end so, and the layers
             * above, whose messages have lengths, see by themselves whether something is missing. */
            tls->stream.truncated = tls->sock_end;
            tls->read_end = 0;
        } else {
            tls->read_end = tls_fail(tls);
        }
        break;
    }
    return length;
}

static ssize_t tls_read(struct stream *stream, void *out, size_t capacity) {
    struct stream_tls *tls = tls_of(stream);
    if (tls->read_end > 0) {
        if (tls->state != TLS_OPEN) {
            return -EPROTO;
        }
        tls->drained = false;
        size_t length = read_records(tls, out, capacity);
        tls->more = length > 0 && (tls->read_end <= 0 ||
                                   (length == capacity && (SSL_has_pending(tls->ssl) || !tls->drained)));
        if (seal_length > 0) {
            int sent = tls_send(tls);
            if (sent < 0 && sent != -EAGAIN && tls->read_end > 0) {
                tls->read_end = sent;
                tls->more = length > 0;
            }
        }
        if (length > 0) {
            return (ssize_t)length;
        }
        if (tls->read_end > 0) {
            stream->wants = EPOLLIN;
            return -EAGAIN;
        }
    }
    tls->more = false;
    return tls->read_end;
}

static ssize_t tls_write(struct stream *stream, const void *bytes, size_t length) {
    struct stream_tls *tls = tls_of(stream);
    stream->wants = EPOLLOUT;
    int sent = tls_send(tls);
    if (sent < 0 || length == 0) {
        return sent;
    }
    if (tls->state != TLS_OPEN) {
        return -EPIPE;
    }
    size_t taken = 0;
    while (taken < length && !tls->unsent) {
        ERR_clear_error();
        size_t n = 0;
        int r = SSL_write_ex(tls->ssl, (const uint8_t *)bytes + taken, length - taken, &n);
        if (r == 1) {
            taken += n;
        } else if (SSL_get_error(tls->ssl, 0) != SSL_ERROR_WANT_WRITE) {
            return tls_fail(tls);
        }
        if (r != 1 || taken == length || SEAL_SIZE - seal_length < RECORD_MAX) {
            sent = tls_send(tls);
            if (sent < 0 && sent != -EAGAIN) {
                return sent;
            }
        }
    }
    return (ssize_t)taken;
}

static int tls_shutdown(struct stream *stream) {
    struct stream_tls *tls = tls_of(stream);
    if (!tls->goodbye) {
        tls->goodbye = true;
        if (tls->state == TLS_OPEN) {
            ERR_clear_error();
            (void)SSL_shutdown(tls->ssl);
            ERR_clear_error();
        }
    }
    stream->wants = EPOLLOUT;
    int sent = tls_send(tls);
    if (sent < 0) {
        return sent;
    }
    return shutdown(stream->fd, SHUT_WR) == 0 || errno == ENOTCONN ? 0 : -errno;
}

static size_t tls_pending(const struct stream *stream) {
    return tls_of_const(stream)->more ? 1 : 0;
}

static size_t tls_unsent(const struct stream *stream) {
    const struct stream_tls *tls = tls_of_const(stream);
    return tls->unsent_end - tls->unsent_begin;
}

static const char *tls_error(const struct stream *stream) {
    const struct stream_tls *tls = tls_of_const(stream);
    return tls->error ? tls->error : "TLS failed";
}

static void tls_free(struct stream_tls *tls) {
    if (!tls) {
        return;
    }
    SSL_free(tls->ssl);
    free(tls->unsent);
    free(tls->server_name);
    free(tls->error);
    free(tls);
}

static void tls_close(struct stream *stream) {
    close(stream->fd);
    tls_free(tls_of(stream));
}

static const struct stream_operations tls_operations = {
    .handshake = tls_handshake,
    .read = tls_read,
    .write = tls_write,
    .shutdown = tls_shutdown,
    .pending = tls_pending,
    .unsent = tls_unsent,
    .error = tls_error,
    .close = tls_close,
};

/* 0, -ENOMEM, -EPROTO. */
static int tls_new(struct tls_context *context, int fd, struct stream_tls **ret_tls) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, bio_method_make);
    if (!bio_method) {
        return -ENOMEM;
    }
    struct stream_tls *tls = calloc(1, sizeof *tls);
    if (!tls) {
        return -ENOMEM;
    }
    tls->stream = (struct stream){.operations = &tls_operations, .fd = fd};
    tls->read_end = 1;
    tls->ssl = SSL_new(context->ssl_ctx);
    BIO *bio = BIO_new(bio_method);
    if (!tls->ssl || !bio) {
        BIO_free(bio);
        tls_free(tls);
        return -ENOMEM;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    *ret_tls = tls;
    return 0;
}

int stream_tls_accept(struct tls_context *context, int fd, struct stream **ret_stream) {
    struct stream_tls *tls = NULL;
    int r = tls_new(context, fd, &tls);
    if (r < 0) {
        return r;
    }
    SSL_set_accept_state(tls->ssl);
    *ret_stream = &tls->stream;
    return 0;
}

/* 0, -ENOMEM, -EPROTO. */
static int expect_name(struct stream_tls *tls, const char *server_name) {
    tls->server_name = strdup(server_name);
    if (!tls->server_name) {
        return -ENOMEM;
    }
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, server_name, address) == 1 || inet_pton(AF_INET6, server_name, address) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), server_name) == 1 ? 0 : -EPROTO;
    }
    SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(tls->ssl, server_name) == 1 && SSL_set_tlsext_host_name(tls->ssl, server_name) == 1
               ? 0
               : -EPROTO;
}

int stream_tls_connect(struct tls_context *context, int fd, const char *server_name,
                       struct stream **ret_stream) {
    struct stream_tls *tls = NULL;
    int r = tls_new(context, fd, &tls);
    if (r < 0) {
        return r;
    }
    SSL_set_connect_state(tls->ssl);
    r = expect_name(tls, server_name);
    if (r < 0) {
        tls_free(tls);
        return r;
    }
    *ret_stream = &tls->stream;
    return 0;
}
