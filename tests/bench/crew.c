#include "crew.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "browser_tls.h"

enum { THREADS_MAX = 64, PATIENCE_S = 10 };

uint64_t crew_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

bool crew_option(struct crew *crew, int letter, const char *value) {
    switch (letter) {
    case 'p':
        crew->port = (uint16_t)strtoul(value, NULL, 10);
        return crew->port != 0;
    case 't':
        crew->ca = value;
        return true;
    case 'c':
        crew->connections = (unsigned)strtoul(value, NULL, 10);
        return crew->connections >= 1 && crew->connections <= THREADS_MAX;
    case 'd':
        crew->seconds = strtod(value, NULL);
        return crew->seconds > 0;
    case 'W':
        crew->warmup = strtod(value, NULL);
        return crew->warmup >= 0;
    default:
        return false;
    }
}

static void say_failure(struct crew_member *member, const char *what) {
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(member->failure, sizeof member->failure, "%s%s%s", what, reason != NULL ? ": " : "",
             reason != NULL ? reason : "");
    ERR_clear_error();
}

/* A socket that waits for nothing longer than PATIENCE_S. -1 on failure. */
static int open_socket(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
                    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ||
                    connect(fd, (struct sockaddr *)&address, sizeof address) < 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

SSL *crew_connect(struct crew_member *member, SSL_SESSION *session) {
    int fd = open_socket(member->crew->port);
    SSL *ssl = fd >= 0 ? SSL_new(member->context) : NULL;
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || (session != NULL && SSL_set_session(ssl, session) != 1)) {
        say_failure(member, "cannot connect");
    } else if (SSL_connect(ssl) != 1) {
        say_failure(member, "the TLS handshake failed");
    } else {
        return ssl;
    }
    SSL_free(ssl);
    if (fd >= 0) {
        close(fd);
    }
    return NULL;
}

bool crew_disconnect(struct crew_member *member, SSL *ssl) {
    char rest[4096];
    int fd = SSL_get_fd(ssl);
    int got = 0;
    (void)SSL_shutdown(ssl);
    shutdown(fd, SHUT_WR);
    do {
        got = SSL_read(ssl, rest, sizeof rest);
    } while (got > 0);
    /* Servers differ in whether they say goodbye; the end is what counts, not having waited for it in vain. */
    bool ended = SSL_get_error(ssl, got) != SSL_ERROR_WANT_READ;
    if (!ended) {
        say_failure(member, "the server did not end the connection");
    }
    ERR_clear_error();
    SSL_free(ssl);
    close(fd);
    return ended;
}

static SSL_CTX *new_context(const char *ca) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context != NULL && (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
                            SSL_CTX_set_ciphersuites(context, browser_ciphersuites) != 1 ||
                            SSL_CTX_load_verify_locations(context, ca, NULL) != 1)) {
        SSL_CTX_free(context);
        context = NULL;
    }
    if (context != NULL) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    }
    return context;
}

static void *run_member(void *argument) {
    struct crew_member *member = argument;
    struct crew *crew = member->crew;
    while (!crew->stopping) {
        int64_t took = crew->work(member);
        if (took < 0) {
            break;
        }
        if (crew->measuring) {
            histogram_add(&member->latency, (uint64_t)took);
            member->done++;
        }
    }
    if (crew->end != NULL) {
        crew->end(member);
    }
    return NULL;
}

static void wait_for(double seconds) {
    struct timespec left = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) < 0) {
    }
}

static void say_phase(const char *phase) {
    puts(phase);
    fflush(stdout);
}

static void add_up(struct histogram *all, const struct histogram *one) {
    all->count += one->count;
    all->largest = one->largest > all->largest ? one->largest : all->largest;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        all->buckets[i] += one->buckets[i];
    }
}

int crew_run(struct crew *crew) {
    static struct crew_member members[THREADS_MAX];
    static struct histogram latency;
    pthread_t threads[THREADS_MAX];
    uint64_t done = 0;
    int status = 0;
    signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; i < crew->connections; i++) {
        members[i].crew = crew;
        members[i].context = new_context(crew->ca);
        if (members[i].context == NULL || pthread_create(&threads[i], NULL, run_member, &members[i]) != 0) {
            fprintf(stderr, "%s cannot be read, or there is no memory for %u threads\n", crew->ca,
                    crew->connections);
            exit(1);
        }
    }
    wait_for(crew->warmup);
    crew->measuring = true;
    say_phase("measuring");
    wait_for(crew->seconds);
    crew->measuring = false;
    say_phase("measured");
    crew->stopping = true;
    for (unsigned i = 0; i < crew->connections; i++) {
        pthread_join(threads[i], NULL);
        if (members[i].failure[0] != '\0') {
            fprintf(stderr, "%s\n", members[i].failure);
            status = 1;
        }
        add_up(&latency, &members[i].latency);
        done += members[i].done;
        SSL_CTX_free(members[i].context);
    }
    if (status == 0) {
        printf(
            "{\"%s\": %llu, \"%s_per_second\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
            crew->unit, (unsigned long long)done, crew->unit, (double)done / crew->seconds,
            (double)histogram_quantile(&latency, 0.5) / 1000.0,
            (double)histogram_quantile(&latency, 0.99) / 1000.0, (double)latency.largest / 1000.0);
    }
    return status;
}
