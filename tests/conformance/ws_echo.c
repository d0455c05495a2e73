/* ws_echo: gives every WebSocket message back, text as text. Its rooms are the daemon's own (net, http, ws), as ws_peer.c
 * uses them, so that what is found to conform here conforms there.                                       (RFC 6455)
 *
 * Prints `ready ADDRESS` once it listens on a free port of the loopback; ends when its standard input ends. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "http/request_head.h"
#include "http/response.h"
#include "net/connection.h"
#include "net/listener.h"
#include "ws/ws_reader.h"
#include "ws/ws_upgrade.h"

enum { MESSAGE_MAX = 32 << 20, CLOSE_MS = 1000 };

enum guest_state { GUEST_NEW, GUEST_UPGRADED, GUEST_ENDING };

struct guest {
    struct connection *connection;
    enum guest_state state;
    struct ws_reader reader;
};

static struct reactor *reactor;

static void send_frame(struct guest *guest, enum ws_opcode opcode, struct daffi_span payload) {
    const struct ws_frame_header header = {.final = true, .opcode = opcode, .length = payload.length};
    uint8_t bytes[WS_HEADER_MAX];
    (void)connection_write(guest->connection, bytes, ws_frame_encode(&header, bytes));
    if (payload.length > 0) {
        (void)connection_write(guest->connection, payload.data, payload.length);
    }
}

static void end(struct guest *guest, uint16_t code) {
    const uint8_t bytes[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    send_frame(guest, WS_CLOSE, daffi_span_of(bytes, code == WS_CODE_NONE ? 0 : sizeof bytes));
    guest->state = GUEST_ENDING;
    connection_close(guest->connection, CLOSE_MS);
}

static int sink_write(void *owner, const void *bytes, size_t length) {
    return connection_write(owner, bytes, length);
}

/* Bytes dealt with; 0: the head is not whole. */
static size_t take_head(struct guest *guest, struct daffi_span in) {
    static const struct request_limits limits = {.head_bytes = 16384, .headers = REQUEST_HEADERS_MAX};
    static const struct ws_reader_limits reader_limits = {.limit = MESSAGE_MAX, .wire_limit = MESSAGE_MAX};
    const struct response_sink sink = {.write = sink_write, .owner = guest->connection};
    struct request_head head;
    struct request_refusal refusal;
    char accept[WS_ACCEPT_MAX];
    size_t size = 0;
    int status = request_head_parse(in, &limits, &head, &size, &refusal);
    if (status == -EAGAIN) {
        return 0;
    }
    if (status == 0) {
        status = ws_upgrade_check(&head, accept, &refusal);
    }
    if (status < 0) {
        (void)response_refuse(&refusal, false, &sink);
        guest->state = GUEST_ENDING;
        connection_close(guest->connection, CLOSE_MS);
        return in.length;
    }
    (void)response_switch_protocols(accept, &sink);
    ws_reader_init(&guest->reader, WS_SERVER, &reader_limits);
    guest->state = GUEST_UPGRADED;
    return size;
}

static void take_event(struct guest *guest, const struct ws_event *event) {
    switch (event->type) {
    case WS_EVENT_MESSAGE:
        send_frame(guest, event->text ? WS_TEXT : WS_BINARY, event->data);
        break;
    case WS_EVENT_OVERSIZE:
        end(guest, WS_CODE_TOO_LARGE);
        break;
    case WS_EVENT_PING:
        send_frame(guest, WS_PONG, event->data);
        break;
    case WS_EVENT_PONG:
        break;
    case WS_EVENT_CLOSE:
        end(guest, event->code);
        break;
    }
}

static ssize_t on_input(void *owner, uint8_t *bytes, size_t length) {
    struct guest *guest = owner;
    size_t at = 0;
    if (guest->state == GUEST_NEW) {
        at = take_head(guest, daffi_span_of(bytes, length));
        if (at == 0) {
            return 0;
        }
    }
    while (guest->state == GUEST_UPGRADED) {
        struct ws_event event;
        size_t consumed = 0;
        size_t needed = 0;
        uint16_t code = 0;
        struct daffi_fault fault;
        int status = ws_reader_next(&guest->reader, bytes + at, length - at, &event, &consumed, &needed,
                                    &code, &fault);
        if (status < 0) {
            end(guest, code);
            break;
        }
        if (status == 1) {
            take_event(guest, &event);
        }
        at += consumed;
        if (status == 0) {
            connection_expect(guest->connection, needed);
            return (ssize_t)at;
        }
    }
    return (ssize_t)length;
}

static void on_closed(void *owner, int reason, const char *detail) {
    (void)reason;
    (void)detail;
    free(owner);
}

static void on_accept(void *owner, int fd, const char *peer) {
    static const struct connection_handler handler = {.on_input = on_input, .on_closed = on_closed};
    static const struct connection_limits limits = {.queue_high = MESSAGE_MAX,
                                                    .queue_bytes = 8UL * MESSAGE_MAX,
                                                    .slow_consumer_ms = 30000,
                                                    .open_ms = 30000};
    (void)owner;
    (void)peer;
    struct stream *stream = NULL;
    struct guest *guest = calloc(1, sizeof *guest);
    if (guest == NULL || stream_tcp_new(fd, &stream) < 0) {
        close(fd);
        free(guest);
        return;
    }
    if (connection_new(reactor, stream, &limits, &handler, guest, &guest->connection) < 0) {
        free(guest);
    }
}

static void on_stdin(struct reactor_source *source, uint32_t events) {
    (void)events;
    char ignored[64];
    if (read(source->fd, ignored, sizeof ignored) <= 0) {
        reactor_stop(reactor);
    }
}

int main(void) {
    static struct memory_budget memory = {.limit = (size_t)4 << 30};
    static struct reactor_source input = {.fd = STDIN_FILENO, .on_ready = on_stdin};
    static struct listener_socket socket;
    struct listener *listener = NULL;
    char error[256] = "out of memory";
    signal(SIGPIPE, SIG_IGN);
    if (reactor_new(&memory, &reactor) < 0 ||
        listener_socket_open("127.0.0.1", "0", NULL, 0, &socket, error, sizeof error) < 0 ||
        listener_new(reactor, &socket, on_accept, NULL, &listener) < 0 ||
        reactor_watch(reactor, &input, EPOLLIN) < 0) {
        fprintf(stderr, "ws_echo: %s\n", error);
        return 1;
    }
    printf("ready %s\n", socket.address);
    fflush(stdout);
    int status = reactor_run(reactor);
    (void)reactor_watch(reactor, &input, 0);
    listener_free(listener);
    connection_abort_all(reactor, -ECANCELED, "the echo ends");
    (void)reactor_turn(reactor, 0);
    reactor_free(reactor);
    listener_socket_close(&socket);
    return status < 0 ? 1 : 0;
}
