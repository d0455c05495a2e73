/* bench_relay: TLS on one side, TCP or a Unix socket on the other, bytes in, bytes out. No HTTP, no WebSocket, no check, no queue beyond what was read
 * last: the floor of what passing messages on costs in this way of working (epoll, OpenSSL, a thread a core). For benchmarks alone.
 *
 *     bench_relay CERT KEY UPSTREAM     prints `ready PORT`; ends when its standard input ends
 *
 * UPSTREAM is a port of the loopback or the path of a Unix socket. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CHUNK = 65536, EVENTS_MAX = 64, BACKLOG = 1024 };

struct pair;

/* One socket of a pair; what epoll gives back. */
struct side {
    struct pair *pair;
    int fd;
};

struct pair {
    struct side client, upstream;
    SSL *ssl;
    char *to_upstream, *to_client; /* what could not be written yet; NULL: nothing */
    size_t up_at, up_end, down_at, down_end;
    bool closed;
};

struct relay {
    SSL_CTX *context;
    int listener;
    union {
        struct sockaddr any;
        struct sockaddr_in tcp;
        struct sockaddr_un local;
    } upstream;
    socklen_t upstream_size;
};

static int watch(int epoll, int operation, struct side *side, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = side};
    return epoll_ctl(epoll, operation, side->fd, &event);
}

static void update(int epoll, struct pair *pair) {
    (void)watch(epoll, EPOLL_CTL_MOD, &pair->client,
                (pair->to_upstream == NULL ? EPOLLIN : 0U) | (pair->to_client != NULL ? EPOLLOUT : 0U));
    (void)watch(epoll, EPOLL_CTL_MOD, &pair->upstream,
                (pair->to_client == NULL ? EPOLLIN : 0U) | (pair->to_upstream != NULL ? EPOLLOUT : 0U));
}

static void end(struct pair *pair) {
    if (!pair->closed) {
        pair->closed = true;
        SSL_free(pair->ssl);
        close(pair->client.fd);
        close(pair->upstream.fd);
        free(pair->to_upstream);
        free(pair->to_client);
    }
}

/* Keeps what is left of `bytes` for later. */
static char *keep(const char *bytes, size_t length, size_t *ret_at, size_t *ret_end) {
    char *kept = malloc(length);
    if (kept != NULL) {
        memcpy(kept, bytes, length);
        *ret_at = 0;
        *ret_end = length;
    }
    return kept;
}

static ssize_t write_client(struct pair *pair, const char *bytes, size_t length) {
    int n = SSL_write(pair->ssl, bytes, (int)length);
    if (n > 0) {
        return n;
    }
    return SSL_get_error(pair->ssl, n) == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t write_upstream(struct pair *pair, const char *bytes, size_t length) {
    ssize_t n = send(pair->upstream.fd, bytes, length, MSG_NOSIGNAL);
    return n >= 0 ? n : errno == EAGAIN ? 0 : -1;
}

/* False: the pair has ended. *ret_changed: epoll has to be told. */
static bool from_client(struct pair *pair, char *chunk, bool *ret_changed) {
    int n = 0;
    while (pair->to_upstream == NULL && (n = SSL_read(pair->ssl, chunk, CHUNK)) > 0) {
        ssize_t written = write_upstream(pair, chunk, (size_t)n);
        if (written < 0) {
            return false;
        }
        if (written < n) {
            pair->to_upstream = keep(chunk + written, (size_t)(n - written), &pair->up_at, &pair->up_end);
            *ret_changed = true;
            return pair->to_upstream != NULL;
        }
        if (SSL_pending(pair->ssl) == 0 && n < CHUNK) {
            return true;
        }
    }
    int error = pair->to_upstream != NULL ? SSL_ERROR_WANT_READ : SSL_get_error(pair->ssl, n);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static bool from_upstream(struct pair *pair, char *chunk, bool *ret_changed) {
    ssize_t n = recv(pair->upstream.fd, chunk, CHUNK, 0);
    if (n <= 0) {
        return n < 0 && errno == EAGAIN;
    }
    ssize_t written = write_client(pair, chunk, (size_t)n);
    if (written < 0) {
        return false;
    }
    if (written < n) {
        pair->to_client = keep(chunk + written, (size_t)(n - written), &pair->down_at, &pair->down_end);
        *ret_changed = true;
        return pair->to_client != NULL;
    }
    return true;
}

/* Goes on with what was kept. */
static bool flush(struct pair *pair, bool *ret_changed) {
    if (pair->to_upstream != NULL) {
        ssize_t n = write_upstream(pair, pair->to_upstream + pair->up_at, pair->up_end - pair->up_at);
        if (n < 0) {
            return false;
        }
        pair->up_at += (size_t)n;
        if (pair->up_at == pair->up_end) {
            free(pair->to_upstream);
            pair->to_upstream = NULL;
            *ret_changed = true;
        }
    }
    if (pair->to_client != NULL) {
        ssize_t n = write_client(pair, pair->to_client + pair->down_at, pair->down_end - pair->down_at);
        if (n < 0) {
            return false;
        }
        pair->down_at += (size_t)n;
        if (pair->down_at == pair->down_end) {
            free(pair->to_client);
            pair->to_client = NULL;
            *ret_changed = true;
        }
    }
    return true;
}

static int set_up_socket(int fd) {
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a Unix socket has none */
    return fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void accept_one(const struct relay *relay, int epoll) {
    int client = accept(relay->listener, NULL, NULL);
    if (client < 0) {
        return;
    }
    int upstream = socket(relay->upstream.any.sa_family, SOCK_STREAM, 0);
    struct pair *pair = calloc(1, sizeof *pair);
    SSL *ssl = SSL_new(relay->context);
    if (upstream < 0 || pair == NULL || ssl == NULL ||
        connect(upstream, &relay->upstream.any, relay->upstream_size) < 0 || set_up_socket(upstream) < 0 ||
        set_up_socket(client) < 0 || SSL_set_fd(ssl, client) != 1) {
        fputs("bench_relay: a connection could not be made\n", stderr);
        _exit(1);
    }
    SSL_set_accept_state(ssl);
    *pair = (struct pair){.client = {pair, client}, .upstream = {pair, upstream}, .ssl = ssl};
    (void)watch(epoll, EPOLL_CTL_ADD, &pair->client, EPOLLIN);
    (void)watch(epoll, EPOLL_CTL_ADD, &pair->upstream, EPOLLIN);
}

static void serve(struct side *side, int epoll, char *chunk) {
    struct pair *pair = side->pair;
    bool changed = false;
    if (pair->closed) {
        return;
    }
    bool goes_on = flush(pair, &changed) && (side == &pair->client ? from_client(pair, chunk, &changed)
                                                                   : from_upstream(pair, chunk, &changed));
    if (!goes_on) {
        end(pair);
    } else if (changed) {
        update(epoll, pair);
    }
}

static void *run(void *argument) {
    struct relay *relay = argument;
    int epoll = epoll_create1(0);
    char *chunk = malloc(CHUNK);
    struct side listener = {.fd = relay->listener};
    struct epoll_event events[EVENTS_MAX];
    if (epoll < 0 || chunk == NULL || watch(epoll, EPOLL_CTL_ADD, &listener, EPOLLIN | EPOLLEXCLUSIVE) < 0) {
        _exit(1);
    }
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            struct side *side = events[i].data.ptr;
            if (side == &listener) {
                accept_one(relay, epoll);
            } else {
                serve(side, epoll, chunk);
            }
        }
    }
    return NULL;
}

static SSL_CTX *load(const char *cert, const char *key) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || SSL_CTX_use_certificate_chain_file(context, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        fputs("bench_relay: the certificate or its key can't be read\n", stderr);
        exit(1);
    }
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}

/* A port of the loopback, or the path of a Unix socket. */
static void name_upstream(struct relay *relay, const char *where) {
    if (strchr(where, '/') == NULL) {
        relay->upstream.tcp = (struct sockaddr_in){.sin_family = AF_INET,
                                                   .sin_port = htons((uint16_t)strtoul(where, NULL, 10)),
                                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        relay->upstream_size = sizeof relay->upstream.tcp;
        return;
    }
    relay->upstream.local = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(relay->upstream.local.sun_path, sizeof relay->upstream.local.sun_path, "%s", where);
    relay->upstream_size = sizeof relay->upstream.local;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fputs("bench_relay CERT KEY UPSTREAM-PORT|UPSTREAM-PATH\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    static struct relay relays[64];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, BACKLOG) < 0 || getsockname(listener, (struct sockaddr *)&address, &size) < 0) {
        perror("bench_relay");
        return 1;
    }
    for (long i = 0; i < cores && i < 64; i++) {
        pthread_t thread;
        relays[i] = (struct relay){
            .context = load(argv[1], argv[2]), /* one a thread: OpenSSL 3.0 contends within one */
            .listener = listener};
        name_upstream(&relays[i], argv[3]);
        if (pthread_create(&thread, NULL, run, &relays[i]) != 0) {
            return 1;
        }
    }
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
    while (getchar() != EOF) {
    }
    return 0;
}
