/* bench_handshakes: connects with TLS 1.3, and disconnects, over and over; with --resume, each time by the ticket that the
 * connection before it brought, which the server has to take. */
#include <getopt.h>
#include <stdio.h>

#include "crew.h"

static const char usage[] =
    "bench_handshakes --port N --tls CA_FILE [--connections N] [--seconds S] [--warmup S] [--resume]\n";

static bool resumes;

/* OpenSSL's: a ticket came. The newest is kept; 1: the reference is ours now. */
static int on_session(SSL *ssl, SSL_SESSION *session) {
    struct crew_member *member = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION_free(member->state);
    member->state = session;
    return 1;
}

static void ask_for_tickets(struct crew_member *member) {
    SSL_CTX_set_app_data(member->context, member);
    SSL_CTX_set_session_cache_mode(member->context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(member->context, on_session);
}

static int64_t shake_hands(struct crew_member *member) {
    SSL_SESSION *session = NULL;
    if (resumes && member->state == NULL) {
        ask_for_tickets(member);
    } else if (resumes) {
        session = SSL_SESSION_dup(
            member->state); /* OpenSSL uses one once, and not every server gives a new ticket */
    }
    const uint64_t began = crew_clock_ns();
    SSL *ssl = crew_connect(member, session);
    const uint64_t took = crew_clock_ns() - began;
    SSL_SESSION_free(session);
    if (ssl == NULL) {
        return -1;
    }
    bool as_asked = SSL_session_reused(ssl) == (session != NULL);
    if (!crew_disconnect(member, ssl)) {
        return -1;
    }
    if (!as_asked || (resumes && member->state == NULL)) {
        snprintf(member->failure, sizeof member->failure, "the server %s",
                 as_asked ? "gave no ticket" : "did not resume the session of its ticket");
        return -1;
    }
    return (int64_t)took;
}

static void forget(struct crew_member *member) {
    SSL_SESSION_free(member->state);
    member->state = NULL;
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"tls", required_argument, NULL, 't'},
        {"connections", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 'd'},
        {"warmup", required_argument, NULL, 'W'},
        {"resume", no_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    static struct crew crew = {.unit = "handshakes",
                               .work = shake_hands,
                               .end = forget,
                               .connections = 4,
                               .seconds = 3,
                               .warmup = 0.5};
    int letter = 0;
    bool sound = true;
    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (letter == 'r') {
            resumes = true;
        } else {
            sound = sound && crew_option(&crew, letter, optarg);
        }
    }
    if (!sound || crew.port == 0 || crew.ca == NULL) {
        fputs(usage, stderr);
        return 2;
    }
    return crew_run(&crew);
}
