/* bench_echo_peer: a daffi Service named "echo" that gives every REQUEST's payload back, over daffi's own framing and over
 * WebSocket on the same port, as the real server does; there also several messages in one of WebSocket's, answered in the same way,
 * for a caller that says so in its path as daffi.js does: what batches are worth without a bridge. It stands behind every server that is measured, so that what
 * differs is that server. It trusts its peers: for benchmarks alone.
 *
 * With --connect it is a worker instead: a member called "echo" of the Router on that port; with --members, N members:
 * "echo", "echo-1", "echo-2", ...
 *
 * Prints `ready ADDRESS` once it listens or is a member; ends when its standard input ends. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daffi/message.h"
#include "http/request_head.h"
#include "net/connection.h"
#include "net/listener.h"
#include "ws/ws_frame.h"
#include "ws/ws_reader.h"
#include "ws/ws_upgrade.h"

static const char echo_name[] = "echo";
static const char usage[] = "bench_echo_peer [--port N | --unix PATH | --connect N [--members N]]\n";
enum { NAME_MAX_BYTES = 16 };

/* CALLER_ROUTER: the other end is the Router we work for, and news of members is no call. */
enum caller_state { CALLER_NEW, CALLER_NATIVE, CALLER_WEBSOCKET, CALLER_ROUTER };

struct caller {
    struct connection *connection;
    enum caller_state state;
    struct ws_reader reader;
    bool batches;              /* several daffi messages in one of WebSocket's, both ways */
    char name[NAME_MAX_BYTES]; /* what it answers as */
};

static struct reactor *reactor;
static const char *router_port;
static unsigned members_wanted = 1, members_joined;

static int join_router(void);

/* Answers to what came in one WebSocket message. */
static struct {
    uint8_t bytes[65536];
    size_t length;
} batch;

static void send_frame(struct caller *caller, const uint8_t *head, size_t head_size,
                       struct daffi_span payload) {
    uint8_t frame[WS_HEADER_MAX];
    const struct ws_frame_header header = {
        .final = true, .opcode = WS_BINARY, .length = (uint64_t)head_size + payload.length};
    const struct stream_piece pieces[] = {
        {frame, ws_frame_encode(&header, frame)}, {head, head_size}, {payload.data, payload.length}};
    connection_write_pieces(caller->connection, pieces, 3);
}

static void send_batch(struct caller *caller) {
    if (batch.length > 0) {
        send_frame(caller, batch.bytes, batch.length, (struct daffi_span){0});
        batch.length = 0;
    }
}

static void add_to_batch(struct caller *caller, const uint8_t *head, size_t head_size,
                         struct daffi_span payload) {
    size_t length = head_size + payload.length;
    if (length > sizeof batch.bytes - batch.length) {
        send_batch(caller);
    }
    if (length > sizeof batch.bytes) {
        send_frame(caller, head, head_size, payload);
        return;
    }
    memcpy(batch.bytes + batch.length, head, head_size);
    memcpy(batch.bytes + batch.length + head_size, payload.data, payload.length);
    batch.length += length;
}

static void answer(struct caller *caller, const struct daffi_message *message) {
    uint8_t head[DAFFI_HEAD_MAX];
    int head_size = daffi_message_encode_head(message, head, sizeof head);
    if (head_size < 0) {
        connection_abort(caller->connection, head_size, "answer does not fit the wire");
        return;
    }
    if (caller->batches) {
        add_to_batch(caller, head, (size_t)head_size, message->payload);
    } else if (caller->state == CALLER_WEBSOCKET) {
        send_frame(caller, head, (size_t)head_size, message->payload);
    } else {
        const struct stream_piece pieces[] = {{head, (size_t)head_size},
                                              {message->payload.data, message->payload.length}};
        connection_write_pieces(caller->connection, pieces, 2);
    }
}

static void on_message(struct caller *caller, const struct daffi_message *message) {
    struct daffi_message reply = *message;
    char json[512];
    reply.return_result = false;
    if (caller->state == CALLER_ROUTER && message->flag == DAFFI_HANDSHAKE) {
        if (!daffi_span_equal(message->transmitter, daffi_span_text(caller->name))) {
            return;
        }
        if (++members_joined < members_wanted) {
            if (join_router() < 0) {
                reactor_stop(reactor);
            }
        } else {
            printf("ready router\n");
            fflush(stdout);
        }
    } else if (message->flag == DAFFI_HANDSHAKE) {
        int length =
            snprintf(json, sizeof json,
                     "{\"meta\":{\"type\":\"service\",\"error\":null},\"members\":[{\"name\":\"%s\","
                     "\"methods\":[\"echo\"]},{\"name\":\"%.*s\",\"methods\":null}]}",
                     echo_name, (int)message->transmitter.length, (const char *)message->transmitter.data);
        reply.return_result = true;
        reply.payload = daffi_span_of(json, (size_t)length);
        answer(caller, &reply);
    } else if (message->flag == DAFFI_REQUEST && message->return_result) {
        reply.flag = DAFFI_RESPONSE;
        reply.transmitter = daffi_span_text(caller->name);
        reply.receiver = message->transmitter;
        answer(caller, &reply);
    }
}

static ssize_t read_first(struct caller *caller, const uint8_t *bytes, size_t length) {
    if (length < DAFFI_PROBE_BYTES) {
        return 0;
    }
    if (bytes[0] == DAFFI_PROBE) {
        caller->state = CALLER_NATIVE;
        return DAFFI_PROBE_BYTES;
    }
    static const struct request_limits limits = {.head_bytes = 16384, .headers = 100};
    static const struct ws_reader_limits reader_limits = {
        .limit = DAFFI_MESSAGE_MAX, .wire_limit = DAFFI_MESSAGE_MAX, .oversize_head = DAFFI_HEAD_MAX};
    struct request_head head;
    struct request_refusal refusal;
    size_t size = 0;
    char accept[WS_ACCEPT_MAX];
    int result = request_head_parse(daffi_span_of(bytes, length), &limits, &head, &size, &refusal);
    if (result == -EAGAIN) {
        return 0;
    }
    if (result < 0 || ws_upgrade_check(&head, accept, &refusal) < 0) {
        return -EPROTO;
    }
    char response[256];
    int response_size =
        snprintf(response, sizeof response,
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: %s\r\n\r\n",
                 accept);
    connection_write(caller->connection, response, (size_t)response_size);
    caller->state = CALLER_WEBSOCKET;
    caller->batches = daffi_span_equal(head.query, daffi_span_text("daffi-bridge=1"));
    ws_reader_init(&caller->reader, WS_SERVER, &reader_limits);
    return (ssize_t)size;
}

static ssize_t read_native(struct caller *caller, uint8_t *bytes, size_t length) {
    struct daffi_message message;
    struct daffi_fault fault;
    size_t size = 0;
    int result = daffi_message_decode(daffi_span_of(bytes, length), &message, &size, &fault);
    if (result == -EAGAIN) {
        connection_expect(caller->connection, size);
        return 0;
    }
    if (result < 0) {
        return result;
    }
    on_message(caller, &message);
    return (ssize_t)size;
}

static ssize_t read_websocket(struct caller *caller, uint8_t *bytes, size_t length) {
    struct daffi_message message;
    struct daffi_fault fault;
    struct ws_event event;
    size_t consumed = 0;
    size_t needed = 0;
    size_t size = 0;
    uint16_t code = 0;
    int result = ws_reader_next(&caller->reader, bytes, length, &event, &consumed, &needed, &code, &fault);
    if (result == 0) {
        connection_expect(caller->connection, needed);
        return (ssize_t)consumed;
    }
    if (result < 0) {
        return result;
    }
    if (event.type == WS_EVENT_CLOSE) {
        uint8_t frame[WS_HEADER_MAX];
        struct ws_frame_header header = {.final = true, .opcode = WS_CLOSE};
        connection_write(caller->connection, frame, ws_frame_encode(&header, frame));
        connection_close(caller->connection, 1000);
    } else if (event.type == WS_EVENT_MESSAGE) {
        struct daffi_span data = event.data;
        do {
            if (daffi_message_decode(data, &message, &size, &fault) < 0) {
                return -EPROTO;
            }
            on_message(caller, &message);
            data = daffi_span_of(data.data + size, data.length - size);
        } while (data.length > 0);
        send_batch(caller);
    }
    return (ssize_t)consumed;
}

static ssize_t caller_on_input(void *owner, uint8_t *bytes, size_t length) {
    struct caller *caller = owner;
    size_t used = 0;
    while (used < length) {
        ssize_t taken = 0;
        switch (caller->state) {
        case CALLER_NEW:
            taken = read_first(caller, bytes + used, length - used);
            break;
        case CALLER_NATIVE:
        case CALLER_ROUTER:
            taken = read_native(caller, bytes + used, length - used);
            break;
        case CALLER_WEBSOCKET:
            taken = read_websocket(caller, bytes + used, length - used);
            break;
        }
        if (taken < 0) {
            return taken;
        }
        if (taken == 0) {
            break;
        }
        used += (size_t)taken;
    }
    return (ssize_t)used;
}

static void caller_on_closed(void *owner, int reason, const char *detail) {
    struct caller *caller = owner;
    (void)reason;
    if (caller->state == CALLER_ROUTER) {
        fprintf(stderr, "bench_echo_peer: the Router closed: %s\n", detail);
        reactor_stop(reactor);
    }
    free(caller);
}

/* Takes `fd` over. NULL without memory. */
static struct caller *start_caller(int fd, enum caller_state state) {
    static const struct connection_handler handler = {.on_input = caller_on_input,
                                                      .on_closed = caller_on_closed};
    static const struct connection_limits limits = {
        .queue_high = 64U << 20, .queue_bytes = 512U << 20, .slow_consumer_ms = 30000, .open_ms = 30000};
    struct stream *stream = NULL;
    struct caller *caller = calloc(1, sizeof *caller);
    if (caller == NULL || stream_tcp_new(fd, &stream) < 0) {
        free(caller);
        close(fd);
        return NULL;
    }
    caller->state = state;
    snprintf(caller->name, sizeof caller->name, members_joined == 0 ? "%s" : "%s-%u", echo_name,
             members_joined);
    if (connection_new(reactor, stream, &limits, &handler, caller, &caller->connection) < 0) {
        free(caller);
        return NULL;
    }
    return caller;
}

static void on_accept(void *owner, int fd, const char *peer) {
    (void)owner;
    (void)peer;
    start_caller(fd, CALLER_NEW);
}

/* Becomes one member more of the Router on the loopback. 0, or -1 with the reason said. */
static int join_router(void) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(router_port, NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        perror("bench_echo_peer: cannot connect");
        return -1;
    }
    struct caller *caller = start_caller(fd, CALLER_ROUTER);
    if (caller == NULL) {
        fputs("bench_echo_peer: out of memory\n", stderr);
        return -1;
    }
    char greeting[128];
    snprintf(greeting, sizeof greeting,
             "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"%s\",\"methods\":[\"echo\"]}]}",
             caller->name);
    struct daffi_message message = {.uuid = 1,
                                    .flag = DAFFI_HANDSHAKE,
                                    .decoder = DAFFI_JSON,
                                    .return_result = true,
                                    .transmitter = daffi_span_text(caller->name),
                                    .payload = daffi_span_text(greeting)};
    uint8_t probe[DAFFI_PROBE_BYTES];
    memset(probe, DAFFI_PROBE, sizeof probe);
    connection_write(caller->connection, probe, sizeof probe);
    answer(caller, &message);
    return 0;
}

static int open_listener(const char *port, const char *path) {
    static struct listener_socket socket;
    struct listener *listener = NULL;
    char error[256];
    if (listener_socket_open(path != NULL ? NULL : "127.0.0.1", port, path, 0, &socket, error, sizeof error) <
        0) {
        fprintf(stderr, "bench_echo_peer: %s\n", error);
        return -1;
    }
    if (listener_new(reactor, &socket, on_accept, NULL, &listener) < 0) {
        fputs("bench_echo_peer: out of memory\n", stderr);
        return -1;
    }
    printf("ready %s\n", socket.address);
    fflush(stdout);
    return 0;
}

static void on_stdin(struct reactor_source *source, uint32_t events) {
    (void)events;
    char ignored[64];
    if (read(source->fd, ignored, sizeof ignored) <= 0) {
        reactor_stop(reactor);
    }
}

int main(int argc, char **argv) {
    static struct memory_budget memory = {.limit = (size_t)8 << 30};
    static struct reactor_source input = {.fd = STDIN_FILENO, .on_ready = on_stdin};
    const char *option = argc > 2 ? argv[1] : "--port";
    const char *value = argc > 2 ? argv[2] : "0";
    bool has_members = argc == 5 && strcmp(argv[3], "--members") == 0;
    signal(SIGPIPE, SIG_IGN);
    if ((argc != 1 && argc != 3 && !has_members) || reactor_new(&memory, &reactor) < 0) {
        fputs(usage, stderr);
        return 2;
    }
    int result = -1;
    if (strcmp(option, "--connect") == 0) {
        router_port = value;
        members_wanted = has_members ? (unsigned)strtoul(argv[4], NULL, 10) : 1;
        result = join_router();
    } else if (strcmp(option, "--unix") == 0) {
        result = open_listener(NULL, value);
    } else if (strcmp(option, "--port") == 0) {
        result = open_listener(value, NULL);
    } else {
        fputs(usage, stderr);
    }
    if (result < 0) {
        return 1;
    }
    reactor_watch(reactor, &input, EPOLLIN);
    reactor_run(reactor);
    return 0;
}
