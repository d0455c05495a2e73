#include "net/tls_wire.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    SEAL_SIZE = 4 * TLS_WIRE_RECORD_MAX,
    UNSENT_MAX =
        2 * SEAL_SIZE, /* writing stops at the first unsent byte: only answers of TLS's own get here */
};

/* Sealed bytes of the wire that is being worked on: filled by OpenSSL, emptied by tls_wire_send. Made by the first
 * that a thread seals, and freed with the thread: as an array here it would lie in the stack of every thread of the
 * program, civetweb's small ones too. */
static _Thread_local uint8_t *seal;
static _Thread_local size_t seal_length;
static pthread_key_t seal_key;

static bool have_seal(void) {
    if (seal == NULL) {
        seal = malloc(SEAL_SIZE);
        if (seal != NULL && pthread_setspecific(seal_key, seal) != 0) {
            free(seal);
            seal = NULL;
        }
    }
    return seal != NULL;
}

/* --- the BIO ---------------------------------------------------------------------------------------------- */

static int bio_read(BIO *bio, char *out, size_t capacity, size_t *ret_length) {
    struct tls_wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (wire->drained && !wire->ended) {
        BIO_set_retry_read(bio);
        return -1;
    }
    ssize_t n;
    do {
        n = recv(wire->fd, out, capacity, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        wire->drained = (size_t)n < capacity;
        *ret_length = (size_t)n;
        return 1;
    }
    if (n == 0) {
        wire->ended = true;
        return 0;
    }
    if (errno == EAGAIN) {
        wire->drained = true;
        BIO_set_retry_read(bio);
        return -1;
    }
    wire->error = errno;
    return 0;
}

static int bio_write(BIO *bio, const char *bytes, size_t length, size_t *ret_length) {
    BIO_clear_retry_flags(bio);
    if (!have_seal()) {
        struct tls_wire *wire = BIO_get_data(bio);
        wire->error = ENOMEM;
        return -1;
    }
    size_t room = SEAL_SIZE - seal_length;
    if (room == 0) {
        BIO_set_retry_write(bio);
        return -1;
    }
    size_t taken = length < room ? length : room;
    memcpy(seal + seal_length, bytes, taken);
    seal_length += taken;
    *ret_length = taken;
    return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF) {
        const struct tls_wire *wire = BIO_get_data(bio);
        return wire && wire->ended;
    }
    return command == BIO_CTRL_FLUSH; /* of others, a dozen a message, OpenSSL asks in vain */
}

static BIO_METHOD *bio_method;

static void make_bio_method(void) {
    if (pthread_key_create(&seal_key, free) != 0) {
        return;
    }
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "daffi wire");
    if (!bio_method) {
        return;
    }
    BIO_meth_set_read_ex(bio_method, bio_read);
    BIO_meth_set_write_ex(bio_method, bio_write);
    BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

BIO *tls_wire_bio(struct tls_wire *wire) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_bio_method);
    BIO *bio = bio_method ? BIO_new(bio_method) : NULL;
    if (bio) {
        BIO_set_data(bio, wire);
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* --- sending ---------------------------------------------------------------------------------------------- */

/* Bytes the socket took (fewer than `length`: it is full), or -errno. */
static ssize_t send_some(int fd, const uint8_t *bytes, size_t length) {
    ssize_t n;
    do {
        n = send(fd, bytes, length, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EAGAIN ? 0 : -errno;
    }
    return n;
}

/* -EAGAIN, as some is unsent now; -ENOBUFS; -ENOMEM. */
static int keep_unsent(struct tls_wire *wire, const uint8_t *bytes, size_t length) {
    size_t have = tls_wire_unsent(wire);
    if (have + length > UNSENT_MAX) {
        return -ENOBUFS;
    }
    uint8_t *kept = malloc(have + length);
    if (!kept) {
        return -ENOMEM;
    }
    if (wire->unsent) {
        memcpy(kept, wire->unsent + wire->unsent_begin, have);
        free(wire->unsent);
    }
    memcpy(kept + have, bytes, length);
    wire->unsent = kept;
    wire->unsent_begin = 0;
    wire->unsent_end = have + length;
    return -EAGAIN;
}

size_t tls_wire_sealed(void) {
    return seal_length;
}

bool tls_wire_has_room(void) {
    return SEAL_SIZE - seal_length >= TLS_WIRE_RECORD_MAX;
}

int tls_wire_send(struct tls_wire *wire) {
    size_t length = seal_length;
    seal_length = 0;
    if (wire->unsent) {
        ssize_t n = send_some(wire->fd, wire->unsent + wire->unsent_begin, tls_wire_unsent(wire));
        if (n < 0) {
            return (int)n;
        }
        wire->unsent_begin += (size_t)n;
        if (tls_wire_unsent(wire) > 0) {
            return length > 0 ? keep_unsent(wire, seal, length) : -EAGAIN;
        }
        tls_wire_clear(wire);
    }
    if (length == 0) {
        return 0;
    }
    ssize_t n = send_some(wire->fd, seal, length);
    if (n < 0) {
        return (int)n;
    }
    return (size_t)n == length ? 0 : keep_unsent(wire, seal + n, length - (size_t)n);
}

size_t tls_wire_unsent(const struct tls_wire *wire) {
    return wire->unsent_end - wire->unsent_begin;
}

void tls_wire_clear(struct tls_wire *wire) {
    free(wire->unsent);
    wire->unsent = NULL;
    wire->unsent_begin = wire->unsent_end = 0;
}
