/* What is between OpenSSL and a socket. OpenSSL never touches the socket: a BIO of our own reads and writes it, so
 * that
 *  - records are sealed into one buffer of the thread and leave in one system call, however many they are;
 *  - a short read is known to have emptied the socket, and no call is made only to learn EAGAIN;
 *  - OpenSSL never waits for room: what the socket did not take is kept as unsent, so that a read that has to
 *    write (KeyUpdate, alerts) needs no state of its own;
 *  - SIGPIPE can't be raised. */
#ifndef TLS_WIRE_H
#define TLS_WIRE_H

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TLS_WIRE_RECORD_MAX = SSL3_RT_MAX_PLAIN_LENGTH + 512 }; /* one sealed record, generously */

struct tls_wire {
    int fd;
    /* the last read was short: nothing more until epoll says so; cleared by whoever reads anew */
    bool drained;
    bool ended; /* the socket's end was met */
    int error;  /* errno of the failure of reading, 0 none */
    uint8_t *unsent;
    size_t unsent_begin, unsent_end;
};

/* A BIO over `wire`, which must outlive it. NULL without memory. */
BIO *tls_wire_bio(struct tls_wire *wire);

size_t tls_wire_sealed(void); /* bytes OpenSSL has sealed in this thread since the last tls_wire_send */

/* True while a record more fits into the thread's sealing buffer. */
bool tls_wire_has_room(void);

/* Sends what was unsent, then what is sealed (also nothing); keeps the rest. To be called before the thread turns to
 * another wire. 0: all has left; -EAGAIN: some is unsent; -ENOBUFS: the peer asks for ever more and reads
 * nothing; another -errno. */
int tls_wire_send(struct tls_wire *wire);

size_t tls_wire_unsent(const struct tls_wire *wire);
void tls_wire_clear(struct tls_wire *wire); /* frees what is unsent; does not close the socket */

#endif
