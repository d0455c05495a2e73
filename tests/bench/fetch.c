/* bench_fetch: GETs one file over https on connections that stay, and compares every byte with the file itself. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crew.h"

static const char usage[] = "bench_fetch --port N --tls CA_FILE --path /NAME --file FILE [--connections N] "
                            "[--seconds S] [--warmup S]\n";

enum { ANSWER_MAX = 1 << 22 };

static char request[512];
static char *expected;
static size_t expected_size;

struct visit {
    SSL *ssl;
    char *answer; /* ANSWER_MAX bytes */
};

static int64_t fail(struct crew_member *member, const char *what) {
    snprintf(member->failure, sizeof member->failure, "%s", what);
    return -1;
}

static bool begin(struct crew_member *member) {
    struct visit *visit = calloc(1, sizeof *visit);
    if (visit == NULL || (visit->answer = malloc(ANSWER_MAX)) == NULL) {
        free(visit);
        fail(member, "out of memory");
        return false;
    }
    member->state = visit;
    visit->ssl = crew_connect(member, NULL);
    return visit->ssl != NULL;
}

/* The size of the head of the answer in the first `length` bytes, which is NUL-terminated; 0: not all of it has come. */
static size_t head_size(const char *answer) {
    const char *end = strstr(answer, "\r\n\r\n");
    return end == NULL ? 0 : (size_t)(end + 4 - answer);
}

static int64_t fetch(struct crew_member *member) {
    if (member->state == NULL && !begin(member)) {
        return -1;
    }
    struct visit *visit = member->state;
    const uint64_t began = crew_clock_ns();
    size_t length = 0;
    size_t head = 0;
    if (SSL_write(visit->ssl, request, (int)strlen(request)) <= 0) {
        return fail(member, "the request could not be sent");
    }
    while (head == 0 || length < head + expected_size) {
        int got = SSL_read(visit->ssl, visit->answer + length, (int)(ANSWER_MAX - 1 - length));
        if (got <= 0) {
            return fail(member, "the server ended the connection");
        }
        length += (size_t)got;
        visit->answer[length] = '\0';
        head = head != 0 ? head : head_size(visit->answer);
    }
    const uint64_t took = crew_clock_ns() - began;
    if (strncmp(visit->answer, "HTTP/1.1 200 ", 13) != 0 || length != head + expected_size ||
        memcmp(visit->answer + head, expected, expected_size) != 0) {
        return fail(member, "the answer is not the file");
    }
    return (int64_t)took;
}

static void leave(struct crew_member *member) {
    struct visit *visit = member->state;
    if (visit != NULL) {
        if (visit->ssl != NULL) {
            crew_disconnect(member, visit->ssl);
        }
        free(visit->answer);
        free(visit);
    }
}

static bool load_file(const char *path) {
    FILE *file = fopen(path, "rb");
    expected = malloc(ANSWER_MAX);
    if (file == NULL || expected == NULL) {
        perror(path);
        return false;
    }
    expected_size = fread(expected, 1, ANSWER_MAX, file);
    fclose(file);
    return expected_size > 0 && expected_size < ANSWER_MAX / 2;
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},        {"tls", required_argument, NULL, 't'},
        {"connections", required_argument, NULL, 'c'}, {"seconds", required_argument, NULL, 'd'},
        {"warmup", required_argument, NULL, 'W'},      {"path", required_argument, NULL, 'P'},
        {"file", required_argument, NULL, 'f'},        {NULL, 0, NULL, 0},
    };
    static struct crew crew = {
        .unit = "requests", .work = fetch, .end = leave, .connections = 8, .seconds = 3, .warmup = 0.5};
    const char *path = NULL;
    const char *file = NULL;
    int letter = 0;
    bool sound = true;
    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (letter == 'P') {
            path = optarg;
        } else if (letter == 'f') {
            file = optarg;
        } else {
            sound = sound && crew_option(&crew, letter, optarg);
        }
    }
    if (!sound || crew.port == 0 || crew.ca == NULL || path == NULL || file == NULL) {
        fputs(usage, stderr);
        return 2;
    }
    if (!load_file(file)) {
        return 1;
    }
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: bench_fetch\r\nAccept: */*\r\n\r\n", path,
             crew.port);
    int status = crew_run(&crew);
    free(expected);
    return status;
}
