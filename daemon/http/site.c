#include "http/site.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/clock.h"

enum { KNOCK_INTERVAL_MS = 10 };

struct site {
    struct mg_context *context;
    struct pages pages;
    char secret[SITE_SECRET_LENGTH + 1];
    unsigned port;
};

static int write_to_door(void *owner, const void *bytes, size_t length) {
    return mg_write(owner, bytes, length) == (int)length ? 0 : -EPIPE;
}

static bool knows_secret(const struct site *site, const struct mg_connection *connection) {
    const char *secret = mg_get_header(connection, SITE_SECRET_FIELD);
    return secret != NULL && strlen(secret) == SITE_SECRET_LENGTH &&
           CRYPTO_memcmp(secret, site->secret, SITE_SECRET_LENGTH) == 0;
}

static void add_field(struct request_head *head, const struct mg_connection *connection, const char *name) {
    const char *value = mg_get_header(connection, name);
    if (value != NULL) {
        head->headers[head->headers_count++] =
            (struct request_header){daffi_span_text(name), daffi_span_text(value)};
    }
}

/* Called for every request, before civetweb looks at its path. A result other than 0 says that it is dealt with:
 * civetweb does nothing more with it, so that its handling of files and forms is out of reach. */
static int on_request(struct mg_connection *connection) {
    const struct mg_request_info *info = mg_get_request_info(connection);
    const struct site *site = info->user_data;
    if (!knows_secret(site, connection)) {
        return 403; /* nothing is written: it closes */
    }
    bool is_head = strcmp(info->request_method, "HEAD") == 0;
    if ((!is_head && strcmp(info->request_method, "GET") != 0) || info->request_uri == NULL) {
        return 405;
    }
    struct request_head head;
    head.method = is_head ? REQUEST_HEAD : REQUEST_GET;
    head.minor_version = 1;
    head.headers_count = 0;
    head.path = daffi_span_text(info->request_uri);
    head.target = head.path;
    head.query = (struct daffi_span){0};
    add_field(&head, connection, "If-None-Match");
    add_field(&head, connection, "Accept-Encoding");
    const struct response_sink sink = {.write = write_to_door, .owner = connection};
    (void)pages_answer(&site->pages, &head, &sink); /* a door that has gone away can't be told */
    return 200;
}

static int on_error(struct mg_connection *connection, int status, const char *message) {
    (void)connection;
    (void)status;
    (void)message;
    return 0; /* dealt with: no page of civetweb's own */
}

static int on_log(const struct mg_connection *connection, const char *message) {
    (void)connection;
    (void)message;
    return 1; /* not to standard error: the door tells what went wrong */
}

static int make_secret(char out[SITE_SECRET_LENGTH + 1]) {
    uint8_t bytes[SITE_SECRET_LENGTH / 2];
    if (RAND_bytes(bytes, sizeof bytes) != 1) {
        return -EIO;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    }
    OPENSSL_cleanse(bytes, sizeof bytes);
    return 0;
}

int site_start(const struct pages *pages, struct site **ret_site, char *ret_error, size_t error_size) {
    static const char *const options[] = {"listening_ports",
                                          "127.0.0.1:0",
                                          "access_control_list",
                                          "-0.0.0.0/0,+127.0.0.1/32",
                                          "num_threads",
                                          "2",
                                          "enable_keep_alive",
                                          "no",
                                          "enable_directory_listing",
                                          "no",
                                          "enable_auth_domain_check",
                                          "no",
                                          "decode_url",
                                          "no",
                                          "request_timeout_ms",
                                          "2000",
                                          "max_request_size",
                                          "4096",
                                          NULL};
    static const struct mg_callbacks callbacks = {
        .begin_request = on_request, .http_error = on_error, .log_message = on_log};
    struct mg_server_port port;
    int r = -ENOMEM;
    struct site *site = calloc(1, sizeof *site);
    if (site == NULL) {
        snprintf(ret_error, error_size, "no memory for the site's server");
        return r;
    }
    site->pages = *pages;
    r = make_secret(site->secret);
    if (r < 0) {
        snprintf(ret_error, error_size, "no random bytes for the site's secret");
        goto fail;
    }
    r = -EADDRNOTAVAIL;
    mg_init_library(0);
    site->context = mg_start(&callbacks, site, (const char **)(uintptr_t)options);
    if (site->context == NULL) {
        mg_exit_library();
        snprintf(ret_error, error_size, "the site's server could not listen on 127.0.0.1 (any port)");
        goto fail;
    }
    if (mg_get_server_ports(site->context, 1, &port) != 1 || port.port <= 0) {
        snprintf(ret_error, error_size, "the site's server does not tell its port");
        goto fail;
    }
    site->port = (unsigned)port.port;
    *ret_site = site;
    return 0;
fail:
    site_stop(site);
    return r;
}

static void *run_stop(void *context) {
    mg_stop(context);
    return NULL;
}

/* A connection that says nothing: whoever waits for one wakes up. */
static void knock(const struct site *site) {
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)site->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
        (void)connect(fd, (const struct sockaddr *)&address, sizeof address);
        close(fd);
    }
}

/* civetweb looks whether it is to stop only when a connection comes, or every two seconds: it is made to look, until
 * it has stopped. */
static void stop_server(struct site *site) {
    pthread_t stopper;
    if (pthread_create(&stopper, NULL, run_stop, site->context) != 0) {
        mg_stop(site->context);
        return;
    }
    struct timespec until;
    do {
        knock(site);
        until = clock_in_ms(CLOCK_REALTIME, KNOCK_INTERVAL_MS);
    } while (pthread_timedjoin_np(stopper, NULL, &until) == ETIMEDOUT);
}

void site_stop(struct site *site) {
    if (site == NULL) {
        return;
    }
    if (site->context != NULL) {
        stop_server(site);
        mg_exit_library();
    }
    OPENSSL_cleanse(site->secret, sizeof site->secret);
    free(site);
}

unsigned site_port(const struct site *site) {
    return site->port;
}

const char *site_secret(const struct site *site) {
    return site->secret;
}
