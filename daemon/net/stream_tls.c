/* TLS over a socket: what OpenSSL says, put into the words of stream.h. Its bytes go by tls_wire.h. */
#include "net/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls_context_internal.h"
#include "net/tls_pem.h"
#include "net/tls_plain.h"
#include "net/tls_wire.h"

enum { ERROR_MAX = 256, READ_ON = 1 };

enum tls_state { TLS_HANDSHAKE, TLS_OPEN, TLS_FAILED };

struct stream_tls {
    struct stream stream;
    struct tls_wire wire;
    SSL *ssl;
    enum tls_state state;
    int read_end; /* what the next read returns, behind bytes already given out: READ_ON, 0 the end, -errno */
    bool goodbye; /* close_notify is sealed */
    bool more;    /* stream_pending: the last read stopped at the caller's capacity, or before `read_end` */
    char *server_name; /* of a connecting stream */
    char *error;
};

static struct stream_tls *tls_of(struct stream *stream) {
    return (struct stream_tls *)stream;
}

static const struct stream_tls *tls_of_const(const struct stream *stream) {
    return (const struct stream_tls *)stream;
}

/* As tls_wire_send: nothing else changes what is unsent. */
static int send_sealed(struct stream_tls *tls) {
    int r = tls_wire_send(&tls->wire);
    tls->stream.unsent = tls_wire_unsent(&tls->wire);
    return r;
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
    } else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        snprintf(text, sizeof text,
                 "the peer showed no certificate; one that client_ca has signed is expected");
    } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        snprintf(text, sizeof text, "the peer's certificate is not trusted: %s",
                 X509_verify_cert_error_string(verify));
    } else if (reason == SSL_R_HTTP_REQUEST) {
        snprintf(text, sizeof text, "the peer spoke plain HTTP where TLS is expected");
        if (!tls->server_name) {
            tls_plain_refuse(tls->stream.fd);
        }
    } else if (reason == SSL_R_WRONG_VERSION_NUMBER) {
        snprintf(text, sizeof text, "the peer did not speak TLS");
    } else if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION) {
        snprintf(text, sizeof text, "the peer has no TLS version in common (1.2 or 1.3 is expected)");
    } else if (tls->wire.ended) {
        snprintf(text, sizeof text, "the peer hung up in the TLS handshake");
    } else {
        snprintf(text, sizeof text, "TLS failed: %s", tls_error_reason());
    }
    ERR_clear_error();
    set_error(tls, text);
}

/* Before a call that SSL_get_error is asked about: what earlier ones left is not its doing. ERR_clear_error goes through all
 * sixteen places of the thread's queue, empty ones too: 1,700 instructions, for each read and each write. */
static void forget_errors(void) {
    if (ERR_peek_error() != 0) {
        ERR_clear_error();
    }
}

/* After a failed call: sends the alert that may be sealed, and says what went wrong. */
static int tls_fail(struct stream_tls *tls) {
    tls->state = TLS_FAILED;
    (void)send_sealed(tls);
    if (tls->wire.error) {
        ERR_clear_error();
        return -tls->wire.error;
    }
    describe_failure(tls);
    return -EPROTO;
}

/* Sends what a read made TLS answer. 0, or -errno as a read returns it. */
static int send_answer(struct stream_tls *tls) {
    int sent = tls_wire_sealed() > 0 ? send_sealed(tls) : 0;
    if (sent == -ENOBUFS) {
        set_error(tls, "TLS failed: the peer asks for new keys on and on, and reads none of the answers");
        return -EPROTO;
    }
    return sent == -EAGAIN ? 0 : sent;
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
    tls->wire.drained = false;
    for (;;) {
        forget_errors();
        int r = SSL_do_handshake(tls->ssl);
        if (r == 1) {
            int sent = send_sealed(tls);
            if (sent < 0 && sent != -EAGAIN) {
                tls->state = TLS_FAILED;
                return sent;
            }
            tls->state = TLS_OPEN;
            tls->more = SSL_has_pending(tls->ssl) || !tls->wire.drained;
            return 0;
        }
        int error = SSL_get_error(tls->ssl, r);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
            return tls_fail(tls);
        }
        int sent = send_sealed(tls);
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
        if (length > 0 && tls->wire.drained && !SSL_has_pending(tls->ssl)) {
            break;
        }
        forget_errors();
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
            int sent = send_answer(tls);
            if (sent == 0) {
                continue;
            }
            tls->read_end = sent;
            break;
        }
        if (error == SSL_ERROR_ZERO_RETURN) {
            /* The socket's end was met only if no close_notify came before it. Many peers end so, and the layers
             * above, whose messages have lengths, see by themselves whether something is missing. */
            tls->stream.truncated = tls->wire.ended;
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
    if (tls->read_end == READ_ON) {
        if (tls->state != TLS_OPEN) {
            return -EPROTO;
        }
        tls->wire.drained = false;
        size_t length = read_records(tls, out, capacity);
        tls->more = length > 0 && (tls->read_end != READ_ON ||
                                   (length == capacity && (SSL_has_pending(tls->ssl) || !tls->wire.drained)));
        int sent = send_answer(tls);
        if (sent < 0 && tls->read_end == READ_ON) {
            tls->read_end = sent;
            tls->more = length > 0;
        }
        if (length > 0) {
            return (ssize_t)length;
        }
        if (tls->read_end == READ_ON) {
            stream->wants = EPOLLIN;
            return -EAGAIN;
        }
    }
    tls->more = false;
    return tls->read_end;
}

/* Seals as much of the piece as the socket has room for; what fits into the sealing buffer stays there. Bytes taken; -errno. */
static ssize_t seal_piece(struct stream_tls *tls, const struct stream_piece *piece) {
    size_t taken = 0;
    while (taken < piece->length && tls->stream.unsent == 0) {
        forget_errors();
        size_t n = 0;
        int r = SSL_write_ex(tls->ssl, (const uint8_t *)piece->bytes + taken, piece->length - taken, &n);
        if (r == 1) {
            taken += n;
        } else if (SSL_get_error(tls->ssl, 0) != SSL_ERROR_WANT_WRITE) {
            return tls_fail(tls);
        }
        if (r != 1 || !tls_wire_has_room()) {
            int sent = send_sealed(tls);
            if (sent < 0 && sent != -EAGAIN) {
                return sent;
            }
        }
    }
    return (ssize_t)taken;
}

static ssize_t tls_write(struct stream *stream, const struct stream_piece *pieces, size_t count) {
    struct stream_tls *tls = tls_of(stream);
    stream->wants = EPOLLOUT;
    int sent = send_sealed(tls);
    if (sent < 0) {
        return sent;
    }
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        if (tls->state != TLS_OPEN) {
            return -EPIPE;
        }
        ssize_t n = seal_piece(tls, &pieces[i]);
        if (n < 0) {
            return n;
        }
        taken += (size_t)n;
        if ((size_t)n < pieces[i].length) {
            break;
        }
    }
    sent = tls_wire_sealed() > 0 ? send_sealed(tls) : 0;
    return sent < 0 && sent != -EAGAIN ? sent : (ssize_t)taken;
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
    int sent = send_sealed(tls);
    if (sent < 0) {
        return sent;
    }
    return shutdown(stream->fd, SHUT_WR) == 0 || errno == ENOTCONN ? 0 : -errno;
}

static size_t tls_pending(const struct stream *stream) {
    return tls_of_const(stream)->more ? 1 : 0;
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
    tls_wire_clear(&tls->wire);
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
    .error = tls_error,
    .close = tls_close,
};

/* 0, -ENOMEM, -EPROTO. */
static int tls_new(struct tls_context *context, int fd, struct stream_tls **ret_tls) {
    struct stream_tls *tls = calloc(1, sizeof *tls);
    if (!tls) {
        return -ENOMEM;
    }
    tls->stream = (struct stream){.operations = &tls_operations, .fd = fd};
    tls->wire.fd = fd;
    tls->read_end = READ_ON;
    tls->ssl = SSL_new(context->ssl_ctx);
    BIO *bio = tls_wire_bio(&tls->wire);
    if (!tls->ssl || !bio) {
        BIO_free(bio);
        tls_free(tls);
        return -ENOMEM;
    }
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

bool stream_tls_peer_name(const struct stream *stream, char *out, size_t size) {
    out[0] = '\0';
    if (stream->operations != &tls_operations) {
        return false;
    }
    X509 *certificate = SSL_get1_peer_certificate(tls_of_const(stream)->ssl);
    const X509_NAME *subject = certificate ? X509_get_subject_name(certificate) : NULL;
    unsigned char *text = NULL;
    int place = subject ? X509_NAME_get_index_by_NID(subject, NID_commonName, -1) : -1;
    int length =
        place < 0 ? -1
                  : ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place)));
    bool fits = length > 0 && (size_t)length < size && memchr(text, 0, (size_t)length) == NULL;
    if (fits) {
        memcpy(out, text, (size_t)length);
        out[length] = '\0';
    }
    OPENSSL_free(text);
    X509_free(certificate);
    ERR_clear_error();
    return fits;
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
