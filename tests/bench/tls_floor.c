/* bench_tls_floor: the TLS 1.3 handshake of OpenSSL alone, both ends in one thread's memory: no socket, no loop, no server. What
 * any server that uses it pays at least. Prints the server's side of it as JSON: µs of CPU of a full and of a resumed handshake, and
 * the bytes that a connection holds afterwards, its record buffers let go.
 *
 *     bench_tls_floor CERT KEY COUNT */
#include <malloc.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "browser_tls.h"

enum { KEPT = 200 };

static SSL_SESSION *ticket;

static double cpu_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int on_session(SSL *ssl, SSL_SESSION *session) {
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

/* One handshake; the CPU time of the server's part, or a negative number. The server's end is freed, or given, without its BIOs. */
static double shake_hands(SSL_CTX *server_context, SSL_CTX *client_context, bool resumed, SSL **ret_server) {
    SSL *client = SSL_new(client_context);
    BIO *up = BIO_new(BIO_s_mem());
    BIO *down = BIO_new(BIO_s_mem());
    double spent = -1;
    if (client != NULL && up != NULL && down != NULL && BIO_up_ref(up) == 1 && BIO_up_ref(down) == 1) {
        char byte;
        SSL_set_bio(client, down, up);
        SSL_set_connect_state(client);
        if (resumed) {
            SSL_set_session(client, ticket);
        }
        SSL_do_handshake(client);
        double began = cpu_us();
        SSL *server = SSL_new(server_context);
        if (server == NULL) {
            exit(1);
        }
        SSL_set_bio(server, up, down);
        SSL_set_accept_state(server);
        SSL_do_handshake(server);
        spent = cpu_us() - began;
        SSL_do_handshake(client);
        began = cpu_us();
        bool done = SSL_do_handshake(server) == 1;
        spent += cpu_us() - began;
        SSL_read(client, &byte, 1); /* the ticket */
        done = done && SSL_is_init_finished(client) && SSL_session_reused(client) == resumed;
        SSL_set_shutdown(server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* a ticket must not be void */
        SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        began = cpu_us();
        if (ret_server != NULL) {
            SSL_set_bio(server, NULL, NULL);
            *ret_server = server;
        } else {
            SSL_free(server);
        }
        spent = done ? spent + cpu_us() - began : -1;
    }
    SSL_free(client);
    return spent;
}

/* Of the heap, for a connection that is there; negative on failure. */
static double idle_bytes(SSL_CTX *server, SSL_CTX *client) {
    SSL *kept[KEPT] = {NULL};
    bool done = true;
    size_t before = mallinfo2().uordblks;
    for (size_t i = 0; i < KEPT; i++) {
        done = shake_hands(server, client, false, &kept[i]) >= 0 && done;
    }
    size_t held = mallinfo2().uordblks - before;
    for (size_t i = 0; i < KEPT; i++) {
        SSL_free(kept[i]);
    }
    return done ? (double)held / KEPT : -1;
}

static int print_costs(SSL_CTX *server, SSL_CTX *client, unsigned long count) {
    double sums[2] = {0, 0};
    for (unsigned long i = 0; i < 2 * count; i++) { /* in turn: a machine that slows down slows both */
        double spent = shake_hands(server, client, i % 2 == 1, NULL);
        if (spent < 0) {
            fputs("bench_tls_floor: a handshake failed\n", stderr);
            return 1;
        }
        sums[i % 2] += spent;
    }
    double idle = idle_bytes(server, client);
    if (idle < 0) {
        fputs("bench_tls_floor: a handshake failed\n", stderr);
        return 1;
    }
    printf("{\"full_us\": %.1f, \"resumed_us\": %.1f, \"idle_bytes\": %.0f}\n", sums[0] / (double)count,
           sums[1] / (double)count, idle);
    return 0;
}

int main(int argc, char **argv) {
    unsigned long count = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    if (count == 0) {
        fputs("bench_tls_floor CERT KEY COUNT\n", stderr);
        return 2;
    }
    SSL_CTX *server = SSL_CTX_new(TLS_server_method());
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    if (server == NULL || client == NULL || SSL_CTX_set_ciphersuites(client, browser_ciphersuites) != 1 ||
        SSL_CTX_use_certificate_chain_file(server, argv[1]) != 1 ||
        SSL_CTX_use_PrivateKey_file(server, argv[2], SSL_FILETYPE_PEM) != 1) {
        fputs("bench_tls_floor: the certificate or its key can't be read\n", stderr);
        return 1;
    }
    SSL_CTX_set_num_tickets(server, 1);
    SSL_CTX_set_mode(server, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client, on_session);
    int status = print_costs(server, client, count);
    SSL_SESSION_free(ticket);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    return status;
}
