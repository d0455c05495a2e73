/* tls_context.h: every sentence an administrator may meet, and what a certificate is good for. */
#include "tls_fixture.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "net/stream.h"
#include "net/tls_context.h"
#include "net/tls_context_internal.h"
#include "net/tls_tickets.h"

static char error[512];

static time_t ends_of(const struct tls_context *context) {
    time_t begins = -1, ends = -1;
    tls_context_validity(context, 0, &begins, &ends);
    assert_true(ends == 0 ? begins == 0 : begins < ends);
    return ends;
}

static int group_setup(void **state) {
    fixture_make(state);
    fixture_write("empty", "");
    fixture_write("words", "this is not a certificate\n");
    fixture_write("broken.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    return 0;
}

static void refused(const char *cert, const char *key, int code, const char *words) {
    struct tls_context *context = NULL;
    char cert_path[256], key_path[256];
    snprintf(cert_path, sizeof cert_path, "%s", fixture_path(cert));
    snprintf(key_path, sizeof key_path, "%s", fixture_path(key));
    assert_int_equal(tls_context_new_server(cert_path, key_path, &context, error, sizeof error), code);
    assert_null(context);
    if (!strstr(error, words) || strchr(error, '\n')) {
        fail_msg("%s", error);
    }
    assert_true(strstr(error, cert_path) || strstr(error, key_path));
}

static void test_server_refusals(void **state) {
    (void)state;
    refused("nowhere.pem", "key.pem", -ENOENT, "cannot be read: No such file or directory");
    refused("chain.pem", "nowhere.pem", -ENOENT, "cannot be read: No such file or directory");
    refused("", "key.pem", -EINVAL, "is not a file");
    refused("empty", "key.pem", -EINVAL, "no certificate in it; a PEM certificate");
    refused("words", "key.pem", -EINVAL, "no certificate in it");
    refused("key.pem", "key.pem", -EINVAL, "no certificate in it");
    refused("broken.pem", "key.pem", -EINVAL, "broken.pem: ");
    refused("chain.pem", "chain.pem", -EINVAL, "no private key in it");
    refused("chain.pem", "empty", -EINVAL, "no private key in it");
    refused("chain.pem", "locked-key.pem", -EINVAL, "is encrypted; a key without passphrase is expected");
    refused("chain.pem", "self-key.pem", -EINVAL, "does not match certificate");
    assert_non_null(strstr(error, "self-key.pem"));
    assert_non_null(strstr(error, "chain.pem"));
}

static void test_unreadable(void **state) {
    (void)state;
    bool root = geteuid() == 0; /* who reads everything */
    assert_int_equal(chmod(fixture_path("self-key.pem"), 0), 0);
    assert_int_equal(root ? chmod(fixture_path(""), 0755) : 0, 0);
    assert_int_equal(root ? seteuid(65534) : 0, 0);
    refused("self.pem", "self-key.pem", -EACCES, "cannot be read: Permission denied");
    assert_int_equal(root ? seteuid(0) : 0, 0);
    assert_int_equal(chmod(fixture_path("self-key.pem"), 0600), 0);
}

static void test_broken_chain(void **state) {
    (void)state;
    FILE *from = fopen(fixture_path("self.pem"), "r");
    FILE *to = fopen(fixture_path("bad-chain.pem"), "w");
    char line[256];
    while (fgets(line, sizeof line, from)) {
        fputs(line, to);
    }
    fputs("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", to);
    fclose(from);
    fclose(to);
    refused("bad-chain.pem", "self-key.pem", -EINVAL, "its chain cannot be read");
}

static void test_client_refusals(void **state) {
    (void)state;
    struct tls_context *context = NULL;
    assert_int_equal(tls_context_new_client(fixture_path("nowhere.pem"), &context, error, sizeof error),
                     -ENOENT);
    assert_non_null(strstr(error, "nowhere.pem cannot be read: No such file"));
    assert_int_equal(tls_context_new_client(fixture_path("words"), &context, error, sizeof error), -EINVAL);
    assert_non_null(strstr(error, "no certificate in it"));
    assert_null(context);
    assert_int_equal(tls_context_new_client(NULL, &context, error, sizeof error), 0);
    assert_int_equal(ends_of(context), 0);
    assert_false(tls_context_names_host(context, "localhost"));
    tls_context_free(context);
    tls_context_free(NULL);
}

static struct tls_context *load(const char *cert, const char *key) {
    struct tls_context *context = NULL;
    if (tls_context_new_server(fixture_path(cert), fixture_path(key), &context, error, sizeof error) < 0) {
        fail_msg("%s", error);
    }
    return context;
}

static void test_names(void **state) {
    (void)state;
    struct tls_context *context = load("chain.pem", "key.pem");
    static const char *const own[] = {"localhost", "a.example.org", "127.0.0.1", "::1"};
    static const char *const foreign[] = {
        "",          "example.org", "a.b.example.org", "localhost.evil.test",
        "127.0.0.2", "::2",         "*.example.org.x", "named.only.in.subject"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        assert_true(tls_context_names_host(context, own[i]));
    }
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        assert_false(tls_context_names_host(context, foreign[i]));
    }
    tls_context_free(context);
}

static void test_expiry(void **state) {
    (void)state;
    struct tls_context *context = load("chain.pem", "key.pem");
    const time_t day = 86400;
    time_t left = ends_of(context) - time(NULL);
    assert_true(left > 10 * day - 60 && left <= 10 * day);
    tls_context_free(context);
    context =
        load("expired.pem", "expired-key.pem"); /* loads: better an expired certificate than no service */
    assert_true(ends_of(context) < time(NULL));
    tls_context_free(context);
}

/* A bare OpenSSL client, as a browser or any other peer would set itself up, against our server side. */
struct meeting {
    SSL *ssl;
    struct stream *server;
    int result; /* of the server's handshake */
};

static struct meeting meet_as(struct tls_context *server, SSL_CTX *ctx, SSL_SESSION *session,
                              const unsigned char *alpn, unsigned alpn_length, const char *asked) {
    int fds[2];
    struct meeting meeting = {.ssl = SSL_new(ctx), .result = -EAGAIN};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(stream_tls_accept(server, fds[0], &meeting.server), 0);
    SSL_set_fd(meeting.ssl, fds[1]);
    SSL_set_connect_state(meeting.ssl);
    if (session) {
        SSL_set_session(meeting.ssl, session);
    }
    if (alpn) {
        SSL_set_alpn_protos(meeting.ssl, alpn, alpn_length);
    }
    if (asked) {
        SSL_set_tlsext_host_name(meeting.ssl, asked);
    }
    for (int i = 0; i < 10 && meeting.result == -EAGAIN; i++) {
        SSL_do_handshake(meeting.ssl);
        meeting.result = stream_handshake(meeting.server);
    }
    char byte;
    SSL_read(meeting.ssl, &byte, 1); /* takes the ticket in */
    return meeting;
}

static struct meeting meet(struct tls_context *server, SSL_CTX *ctx, SSL_SESSION *session,
                           const unsigned char *alpn, unsigned alpn_length) {
    return meet_as(server, ctx, session, alpn, alpn_length, NULL);
}

static void part(struct meeting *meeting) {
    int fd = SSL_get_fd(meeting->ssl);
    stream_close(meeting->server);
    SSL_set_shutdown(meeting->ssl,
                     SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* else its session is spoilt */
    SSL_free(meeting->ssl);
    close(fd);
}

static SSL_CTX *bare_client(int version) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    return ctx;
}

static void test_versions(void **state) {
    (void)state;
    struct tls_context *server = load("chain.pem", "key.pem");
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int i = 0; i < 2; i++) {
        SSL_CTX *ctx = bare_client(versions[i]);
        struct meeting meeting = meet(server, ctx, NULL, NULL, 0); /* no SNI, no ALPN: a native TLS client */
        assert_int_equal(meeting.result, 0);
        assert_int_equal(SSL_version(meeting.ssl), versions[i]);
        assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(meeting.ssl)), 2); /* the chain is sent */
        const SSL_CIPHER *cipher = SSL_get_current_cipher(meeting.ssl);
        assert_true(SSL_CIPHER_is_aead(cipher));
        assert_null(SSL_get_current_compression(meeting.ssl));
        part(&meeting);
        SSL_CTX_free(ctx);
    }
    SSL_CTX *ctx = bare_client(TLS1_1_VERSION);
    struct meeting meeting = meet(server, ctx, NULL, NULL, 0);
    assert_int_equal(meeting.result, -EPROTO);
    assert_string_equal(stream_error(meeting.server),
                        "the peer has no TLS version in common (1.2 or 1.3 is expected)");
    part(&meeting);
    SSL_CTX_free(ctx);
    tls_context_free(server);
}

/* What both offer first is taken; AES comes before ChaCha20 unless the peer, who then has no AES in hardware, would rather have that. */
static void test_ciphers(void **state) {
    (void)state;
    static const struct {
        int version;
        const char *offered, *taken;
    } cases[] = {
        {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
         "TLS_AES_128_GCM_SHA256"},
        {TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
         "TLS_CHACHA20_POLY1305_SHA256"},
        {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256",
         "ECDHE-ECDSA-AES128-GCM-SHA256"},
        {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256",
         "ECDHE-ECDSA-CHACHA20-POLY1305"},
        {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
    };
    struct tls_context *server = load("chain.pem", "key.pem");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SSL_CTX *ctx = bare_client(cases[i].version);
        assert_int_equal(cases[i].version == TLS1_3_VERSION ? SSL_CTX_set_ciphersuites(ctx, cases[i].offered)
                                                            : SSL_CTX_set_cipher_list(ctx, cases[i].offered),
                         1);
        struct meeting meeting = meet(server, ctx, NULL, NULL, 0);
        assert_int_equal(meeting.result, 0);
        assert_string_equal(SSL_get_cipher_name(meeting.ssl), cases[i].taken);
        part(&meeting);
        SSL_CTX_free(ctx);
    }
    tls_context_free(server);
}

static void test_alpn(void **state) {
    (void)state;
    struct tls_context *server = load("chain.pem", "key.pem");
    SSL_CTX *ctx = bare_client(TLS1_3_VERSION);
    static const unsigned char browser[] = "\x02h2\x08http/1.1", only_h2[] = "\x02h2";
    const unsigned char *chosen = NULL;
    unsigned length = 0;
    struct meeting meeting = meet(server, ctx, NULL, browser, sizeof browser - 1);
    assert_int_equal(meeting.result, 0);
    SSL_get0_alpn_selected(meeting.ssl, &chosen, &length);
    assert_int_equal(length, 8);
    assert_memory_equal(chosen, "http/1.1", 8);
    part(&meeting);
    meeting = meet(server, ctx, NULL, only_h2, sizeof only_h2 - 1);
    assert_int_equal(meeting.result, -EPROTO);
    part(&meeting);
    SSL_CTX_free(ctx);
    tls_context_free(server);
}

static SSL_SESSION *ticket;

static int keep_ticket(SSL *ssl, SSL_SESSION *session) {
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

/* A ticket of one context is taken by another of the same process: reactors have a context each. Under TLS 1.3, where clients use
 * a ticket once (RFC 8446, C.4), it brings the next one; under TLS 1.2 it stays good. */
static void test_tickets(void **state) {
    (void)state;
    struct tls_context *one = load("chain.pem", "key.pem"), *other = load("chain.pem", "key.pem");
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int i = 0; i < 2; i++) {
        SSL_CTX *ctx = bare_client(versions[i]);
        SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
        struct meeting meeting = meet(one, ctx, NULL, NULL, 0);
        assert_int_equal(meeting.result, 0);
        assert_false(SSL_session_reused(meeting.ssl));
        assert_non_null(ticket);
        assert_true(SSL_SESSION_has_ticket(ticket));
        part(&meeting);
        SSL_SESSION *session = ticket;
        ticket = NULL;
        meeting = meet(other, ctx, session, NULL, 0);
        assert_int_equal(meeting.result, 0);
        assert_true(SSL_session_reused(meeting.ssl));
        assert_int_equal(ticket != NULL, versions[i] == TLS1_3_VERSION);
        part(&meeting);
        SSL_SESSION_free(session);
        SSL_SESSION_free(ticket);
        ticket = NULL;
        SSL_CTX_free(ctx);
    }
    assert_int_equal(SSL_CTX_sess_number(one->ssl_ctx), 0); /* no cache that peers could fill */
    tls_context_free(one);
    tls_context_free(other);
}

/* What a client finds that shows `session`: whether it was resumed; the ticket it got is in `ticket`. */
static bool resumes(struct tls_context *server, SSL_CTX *ctx, SSL_SESSION *session) {
    struct meeting meeting = meet(server, ctx, session, NULL, 0);
    assert_int_equal(meeting.result, 0);
    bool reused = SSL_session_reused(meeting.ssl) == 1;
    if (!ticket) { /* TLS 1.2 tells of a first one only */
        ticket = SSL_get1_session(meeting.ssl);
    }
    part(&meeting);
    return reused;
}

/* A key opens until the second rotation after it; what comes of a resumption is sealed with the present one. */
static void test_tickets_rotate(void **state) {
    (void)state;
    struct tls_context *one = load("chain.pem", "key.pem"), *other = load("chain.pem", "key.pem");
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int i = 0; i < 2; i++) {
        SSL_CTX *ctx = bare_client(versions[i]);
        SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
        assert_false(resumes(one, ctx, NULL));
        SSL_SESSION *first = ticket;
        ticket = NULL;
        assert_int_equal(tls_tickets_rotate(), 0);
        assert_true(resumes(other, ctx, first));
        SSL_SESSION *second = ticket; /* a new one was given */
        ticket = NULL;
        assert_non_null(second);
        assert_int_equal(tls_tickets_rotate(), 0);
        assert_false(resumes(one, ctx, first));
        assert_true(resumes(other, ctx, second));
        SSL_SESSION_free(first);
        SSL_SESSION_free(second);
        SSL_SESSION_free(ticket);
        ticket = NULL;
        SSL_CTX_free(ctx);
    }
    tls_context_free(one);
    tls_context_free(other);
}

/* The name in the certificate that a client gets which asks for `name`. */
static void shown(struct tls_context *server, const char *name, const char *wanted) {
    static const unsigned char http11[] = "\x08http/1.1";
    SSL_CTX *ctx = bare_client(TLS1_3_VERSION);
    struct meeting meeting = meet_as(server, ctx, NULL, http11, sizeof http11 - 1, name);
    char found[64] = "";
    const unsigned char *chosen = NULL;
    unsigned length = 0;
    assert_int_equal(meeting.result, 0);
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(meeting.ssl)), NID_commonName,
                              found, sizeof found);
    assert_string_equal(found, wanted);
    SSL_get0_alpn_selected(meeting.ssl, &chosen, &length);
    assert_int_equal(length, 8); /* whichever it is, the rest is the same */
    part(&meeting);
    SSL_CTX_free(ctx);
}

static void test_several_certificates(void **state) {
    (void)state;
    char paths[6][256];
    static const char *const files[] = {"chain.pem",     "key.pem",  "other.pem",
                                        "other-key.pem", "wild.pem", "wild-key.pem"};
    struct fixture_pair other = fixture_issue("other", "DNS:other.example.org,DNS:bridge.test", -1, 10, NULL);
    struct fixture_pair wild = fixture_issue("wild", "DNS:*.bridge.test", -1, 10, NULL);
    fixture_save_certificates("other.pem", other.certificate, NULL);
    fixture_save_key("other-key.pem", other.key, NULL);
    fixture_save_certificates("wild.pem", wild.certificate, NULL);
    fixture_save_key("wild-key.pem", wild.key, NULL);
    for (size_t i = 0; i < 6; i++) {
        snprintf(paths[i], sizeof paths[i], "%s", fixture_path(files[i]));
    }
    struct tls_key_pair pairs[] = {{paths[0], paths[1]}, {paths[2], paths[3]}, {paths[4], paths[5]}};
    const struct tls_server_setup setup = {.pairs = pairs, .pairs_count = 3};
    struct tls_context *context = NULL;
    assert_int_equal(tls_context_new(&setup, &context, error, sizeof error), 0);
    shown(context, NULL, "named.only.in.subject");
    shown(context, "localhost", "named.only.in.subject");
    shown(context, "other.example.org", "named.only.in.subject"); /* the first that has it */
    shown(context, "BRIDGE.test", "other");
    shown(context, "a.bridge.test", "wild");
    shown(context, "a.b.bridge.test", "named.only.in.subject");
    assert_true(tls_context_names_host(context, "bridge.test"));
    assert_true(tls_context_names_host(context, "x.bridge.test"));
    tls_context_free(context);
    context = NULL;
    pairs[2].key = paths[3];
    assert_int_equal(tls_context_new(&setup, &context, error, sizeof error), -EINVAL);
    assert_null(context);
    assert_non_null(strstr(error, "wild.pem"));
    fixture_pair_free(&other);
    fixture_pair_free(&wild);
}

static int meets_with(struct tls_context *server, SSL_CTX *ctx, SSL_SESSION *session, const char *name,
                      const char *words) {
    struct meeting meeting = meet(server, ctx, session, NULL, 0);
    char found[256];
    int result = meeting.result;
    if (result == 0) {
        assert_int_equal(stream_tls_peer_name(meeting.server, found, sizeof found), name[0] != '\0');
        assert_string_equal(found, name);
        assert_false(stream_tls_peer_name(meeting.server, found, strlen(name)));
        assert_string_equal(found, "");
    } else {
        assert_non_null(strstr(stream_error(meeting.server), words));
    }
    part(&meeting);
    return result;
}

/* Clients need a certificate; a session that began without one, or under other CAs, is not resumed in its place. */
static void test_clients(void **state) {
    (void)state;
    char paths[3][256];
    struct fixture_pair ca = fixture_issue("clients' ca", NULL, -1, 30, NULL);
    struct fixture_pair own = fixture_issue("alice", "DNS:alice", -1, 10, &ca);
    struct fixture_pair old = fixture_issue("bob", "DNS:bob", -20, -10, &ca);
    struct fixture_pair foreign = fixture_issue("mallory", "DNS:mallory", -1, 10, NULL);
    fixture_save_certificates("clients.pem", ca.certificate, NULL);
    snprintf(paths[0], sizeof paths[0], "%s", fixture_path("chain.pem"));
    snprintf(paths[1], sizeof paths[1], "%s", fixture_path("key.pem"));
    snprintf(paths[2], sizeof paths[2], "%s", fixture_path("clients.pem"));
    const struct tls_key_pair pair = {paths[0], paths[1]};
    struct tls_server_setup setup = {.pairs = &pair, .pairs_count = 1, .client_ca = paths[2]};
    struct tls_context *strict = NULL, *open = load("chain.pem", "key.pem");
    assert_int_equal(tls_context_new(&setup, &strict, error, sizeof error), 0);
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int i = 0; i < 2; i++) {
        SSL_CTX *ctx = bare_client(versions[i]);
        SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
        assert_int_equal(meets_with(open, ctx, NULL, "", ""), 0);
        SSL_SESSION *session = ticket;
        ticket = NULL;
        assert_int_equal(meets_with(strict, ctx, NULL, "", "the peer showed no certificate"), -EPROTO);
        assert_int_equal(meets_with(strict, ctx, session, "", "the peer showed no certificate"), -EPROTO);
        assert_int_equal(SSL_CTX_use_certificate(ctx, own.certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(ctx, own.key), 1);
        assert_int_equal(meets_with(strict, ctx, NULL, "alice", ""), 0);
        SSL_SESSION_free(session);
        session = ticket;
        ticket = NULL;
        SSL_SESSION *again = SSL_SESSION_dup(session);                      /* OpenSSL uses one once */
        assert_int_equal(meets_with(strict, ctx, session, "alice", ""), 0); /* resumed, and still she */
        assert_null(ticket); /* or her certificate would outlive itself */
        assert_int_equal(tls_tickets_rotate(), 0);
        assert_int_equal(meets_with(strict, ctx, again, "alice", ""), 0);
        assert_true(versions[i] == TLS1_2_VERSION || ticket == NULL);
        SSL_SESSION_free(again);
        assert_int_equal(SSL_CTX_use_certificate(ctx, old.certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(ctx, old.key), 1);
        assert_int_equal(meets_with(strict, ctx, NULL, "", "not trusted: certificate has expired"), -EPROTO);
        assert_int_equal(SSL_CTX_use_certificate(ctx, foreign.certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(ctx, foreign.key), 1);
        assert_int_equal(meets_with(strict, ctx, NULL, "", "not trusted: self-signed certificate"), -EPROTO);
        SSL_SESSION_free(session);
        SSL_SESSION_free(ticket);
        ticket = NULL;
        SSL_CTX_free(ctx);
    }
    tls_context_free(strict);
    tls_context_free(open);
    static const struct {
        const char *file, *words;
    } wrong[] = {{"nowhere.pem", "cannot be read: No such file"},
                 {"empty", "no certificate in it"},
                 {"words", "no certificate in it"},
                 {"bad-chain.pem", "cannot be used"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct tls_context *none = NULL;
        setup.client_ca = fixture_path(wrong[i].file);
        assert_true(tls_context_new(&setup, &none, error, sizeof error) < 0);
        assert_null(none);
        assert_non_null(strstr(error, wrong[i].words));
        assert_non_null(strstr(error, "client_ca "));
    }
    fixture_pair_free(&ca);
    fixture_pair_free(&own);
    fixture_pair_free(&old);
    fixture_pair_free(&foreign);
}

/* Reading makes TLS write: the answers to KeyUpdate go out, and one that only asks is not answered without bound. */
static void test_key_updates(void **state) {
    (void)state;
    struct tls_context *server = load("chain.pem", "key.pem");
    SSL_CTX *ctx = bare_client(TLS1_3_VERSION);
    struct meeting meeting = meet(server, ctx, NULL, NULL, 0);
    char got[16];
    for (int i = 0; i < 20; i++) {
        assert_int_equal(SSL_key_update(meeting.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_write(meeting.ssl, "ask", 3), 3);
        assert_int_equal(stream_read(meeting.server, got, sizeof got), 3);
        assert_int_equal(stream_write(meeting.server, "answer", 6), 6);
        assert_int_equal(SSL_read(meeting.ssl, got, sizeof got), 6);
    }
    ssize_t n = 1;
    for (int i = 0; i < 20000 && n > 0; i++) {
        assert_int_equal(SSL_key_update(meeting.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_write(meeting.ssl, "x", 1), 1);
        n = stream_read(meeting.server, got, sizeof got);
        assert_true(meeting.server->unsent < 200000);
    }
    assert_int_equal(n, -EPROTO);
    assert_non_null(strstr(stream_error(meeting.server), "asks for new keys on and on"));
    part(&meeting);
    SSL_CTX_free(ctx);
    tls_context_free(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_refusals),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_broken_chain),
        cmocka_unit_test(test_client_refusals),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_ciphers),
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_key_updates),
        cmocka_unit_test(test_tickets_rotate),
        cmocka_unit_test(test_several_certificates),
        cmocka_unit_test(test_clients),
    };
    return cmocka_run_group_tests(tests, group_setup, fixture_remove);
}
