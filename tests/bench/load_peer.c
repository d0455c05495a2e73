#include "load_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "daffi/message.h"
#include "ws/ws_frame.h"
#include "ws/ws_reader.h"

enum peer_state { PEER_CONNECTING, PEER_UPGRADING, PEER_GREETING, PEER_CALLING, PEER_DONE };

struct load_peer {
    struct load *load;
    struct connection *connection;
    enum peer_state state;
    struct ws_reader reader;
    char name[32];
    uint16_t next_uuid;
    unsigned turn; /* whose it is to answer the next call */
    /* ns, by uuid modulo its length; 0: not in flight. Several receivers do not answer in the order of the calls: then each
     * uuid has a place of its own. */
    size_t started_length;
    uint64_t started[];
};

static uint64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void fail(struct load_peer *peer, const char *why) {
    struct load *load = peer->load;
    if (load->failure[0] == '\0') {
        snprintf(load->failure, sizeof load->failure, "%s: %s", peer->name, why);
    }
    connection_abort(peer->connection, -EPROTO, why);
}

/* The header of a masked frame (RFC 6455 section 5.3: a client masks; the mask 0 leaves the bytes as they are and costs the
 * generator nothing). Its size. */
static size_t encode_frame(enum ws_opcode opcode, size_t length, uint8_t *out) {
    struct ws_frame_header frame = {.final = true, .opcode = opcode, .masked = true, .length = length};
    return ws_frame_encode(&frame, out);
}

static void send_frame(struct load_peer *peer, enum ws_opcode opcode, const uint8_t *bytes, size_t length) {
    uint8_t header[WS_HEADER_MAX];
    if (connection_write(peer->connection, header, encode_frame(opcode, length, header)) == 0) {
        connection_write(peer->connection, bytes, length);
    }
}

static void send_batch(struct load_peer *peer) {
    struct load *load = peer->load;
    if (load->batch.length > 0) {
        send_frame(peer, WS_BINARY, load->batch.bytes, load->batch.length);
        load->batch.length = 0;
    }
}

/* False: it is too large for a batch. */
static bool add_to_batch(struct load_peer *peer, const uint8_t *head, size_t head_size,
                         struct daffi_span payload) {
    struct load *load = peer->load;
    if (head_size + payload.length > sizeof load->batch.bytes - load->batch.length) {
        send_batch(peer);
    }
    if (head_size + payload.length > sizeof load->batch.bytes) {
        return false;
    }
    memcpy(load->batch.bytes + load->batch.length, head, head_size);
    memcpy(load->batch.bytes + load->batch.length + head_size, payload.data, payload.length);
    load->batch.length += head_size + payload.length;
    return true;
}

/* Sends one daffi message, in a frame where the peer speaks WebSocket. */
static void send_message(struct load_peer *peer, const struct daffi_message *message) {
    uint8_t head[WS_HEADER_MAX + DAFFI_HEAD_MAX];
    uint8_t daffi_head[DAFFI_HEAD_MAX];
    int head_size = daffi_message_encode_head(message, daffi_head, sizeof daffi_head);
    if (head_size < 0) {
        fail(peer, "message does not fit the wire");
        return;
    }
    if (peer->load->batches && add_to_batch(peer, daffi_head, (size_t)head_size, message->payload)) {
        return;
    }
    size_t size = 0;
    if (peer->load->path != NULL) {
        size = encode_frame(WS_BINARY, (size_t)head_size + message->payload.length, head);
    }
    memcpy(head + size, daffi_head, (size_t)head_size);
    size += (size_t)head_size;
    if (connection_write(peer->connection, head, size) == 0 && message->payload.length > 0) {
        connection_write(peer->connection, message->payload.data, message->payload.length);
    }
}

static void send_call(struct load_peer *peer) {
    struct load *load = peer->load;
    uint16_t uuid = peer->next_uuid;
    char receiver[64];
    unsigned turn = peer->turn++ % load->receivers;
    snprintf(receiver, sizeof receiver, turn == 0 ? "%s" : "%s-%u", load->receiver, turn);
    peer->next_uuid = uuid == UINT16_MAX ? 1 : (uint16_t)(uuid + 1);
    peer->started[uuid % peer->started_length] = clock_ns();
    struct daffi_message call = {.uuid = uuid,
                                 .flag = DAFFI_REQUEST,
                                 .decoder = DAFFI_OPAQUE,
                                 .is_bytes = true,
                                 .return_result = true,
                                 .transmitter = daffi_span_text(peer->name),
                                 .receiver = daffi_span_text(receiver),
                                 .function = daffi_span_text("echo"),
                                 .payload = daffi_span_of(load->payload, load->payload_size)};
    send_message(peer, &call);
}

static void send_greeting(struct load_peer *peer) {
    char json[160];
    int length = snprintf(json, sizeof json,
                          "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"%s\",\"methods\":null}]}",
                          peer->name);
    struct daffi_message greeting = {.uuid = 1,
                                     .flag = DAFFI_HANDSHAKE,
                                     .decoder = DAFFI_JSON,
                                     .return_result = true,
                                     .transmitter = daffi_span_text(peer->name),
                                     .payload = daffi_span_of(json, (size_t)length)};
    peer->state = PEER_GREETING;
    send_message(peer, &greeting);
}

static void on_greeting_answered(struct load_peer *peer) {
    struct load *load = peer->load;
    peer->state = PEER_CALLING;
    load->greeted++;
    if (load->measuring) {
        load->connects++;
    }
    load->on_greeted(load);
    if (load->mode == LOAD_CALLS) {
        for (unsigned i = 0; i < load->in_flight; i++) {
            send_call(peer);
        }
    } else if (load->mode == LOAD_CONNECTS) {
        /* the Python Router does not end its side: it is not waited for long */
        connection_close(peer->connection, 100);
    }
}

static void on_answer(struct load_peer *peer, const struct daffi_message *message) {
    struct load *load = peer->load;
    uint64_t *started = &peer->started[message->uuid % peer->started_length];
    if (message->flag != DAFFI_RESPONSE || *started == 0 ||
        !daffi_span_equal(message->payload, daffi_span_of(load->payload, load->payload_size))) {
        char what[96];
        snprintf(what, sizeof what, "an answer is not the echo of its call: flag %d, id %u, %zu bytes%s",
                 (int)message->flag, message->uuid, message->payload.length,
                 *started == 0 ? ", of no call" : "");
        fail(peer, what);
        return;
    }
    if (load->measuring) {
        load->calls++;
        histogram_add(&load->latency, clock_ns() - *started);
    }
    *started = 0;
    if (load->stopping) {
        connection_close(peer->connection, 1000);
    } else {
        send_call(peer);
    }
}

static void on_message(struct load_peer *peer, const struct daffi_message *message) {
    if (message->flag == DAFFI_EVENTS ||
        (message->flag == DAFFI_HANDSHAKE && message->transmitter.length == 0)) {
        return; /* news of other members */
    }
    if (peer->state == PEER_GREETING) {
        if (message->flag != DAFFI_HANDSHAKE) {
            fail(peer, "the handshake was refused");
        } else if (daffi_span_equal(message->transmitter, daffi_span_text(peer->name))) {
            on_greeting_answered(peer);
        }
    } else if (message->flag != DAFFI_HANDSHAKE) {
        on_answer(peer, message);
    }
}

/* Reads the head of the upgrade's answer; only its status is looked at. Returns its size, or 0. */
static ssize_t read_upgrade_answer(struct load_peer *peer, const uint8_t *bytes, size_t length) {
    const uint8_t *end = memmem(bytes, length, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    if (length < 12 || memcmp(bytes, "HTTP/1.1 101", 12) != 0) {
        fail(peer, "the upgrade was refused");
        return 0;
    }
    send_greeting(peer);
    return end + 4 - bytes;
}

/* What a WebSocket message holds: one daffi message, or several from a bridge that we told we can take them. From such a bridge
 * also nothing at all (a sign of life) or four bytes (the size of what comes next). 0 or a negative errno. */
static int read_websocket_message(struct load_peer *peer, struct daffi_span data) {
    struct daffi_message message;
    struct daffi_fault fault;
    size_t size = 0;
    if (data.length == 0 || (peer->load->batches && data.length == 4)) {
        return 0;
    }
    do {
        if (daffi_message_decode(data, &message, &size, &fault) < 0) {
            return -EPROTO;
        }
        on_message(peer, &message);
        data = daffi_span_of(data.data + size, data.length - size);
    } while (data.length > 0);
    return 0;
}

/* Reads one message at the front: its size with framing, 0 for more bytes, or a negative errno. */
static ssize_t read_one(struct load_peer *peer, uint8_t *bytes, size_t length) {
    struct daffi_message message;
    struct daffi_fault fault;
    size_t size = 0;
    if (peer->load->path == NULL) {
        int result = daffi_message_decode(daffi_span_of(bytes, length), &message, &size, &fault);
        if (result == -EAGAIN) {
            connection_expect(peer->connection, size);
            return 0;
        }
        if (result < 0) {
            return result;
        }
        on_message(peer, &message);
        return (ssize_t)size;
    }
    struct ws_event event;
    size_t consumed = 0;
    size_t needed = 0;
    uint16_t code = 0;
    int result = ws_reader_next(&peer->reader, bytes, length, &event, &consumed, &needed, &code, &fault);
    if (result < 0) {
        return result;
    }
    if (result == 0) {
        connection_expect(peer->connection, needed);
        return (ssize_t)consumed;
    }
    if (event.type == WS_EVENT_CLOSE) {
        connection_close(peer->connection, 1000);
    } else if (event.type == WS_EVENT_PING) {
        send_frame(peer, WS_PONG, event.data.data, event.data.length);
    } else if (event.type == WS_EVENT_MESSAGE) {
        result = read_websocket_message(peer, event.data);
        if (result < 0) {
            return result;
        }
    }
    return (ssize_t)consumed;
}

static ssize_t peer_on_input(void *owner, uint8_t *bytes, size_t length) {
    struct load_peer *peer = owner;
    size_t used = 0;
    while (used < length) {
        ssize_t taken = peer->state == PEER_UPGRADING ? read_upgrade_answer(peer, bytes + used, length - used)
                                                      : read_one(peer, bytes + used, length - used);
        if (taken < 0) {
            return taken;
        }
        if (taken == 0) {
            break;
        }
        used += (size_t)taken;
    }
    send_batch(peer);
    return (ssize_t)used;
}

static void peer_on_open(void *owner) {
    struct load_peer *peer = owner;
    if (peer->load->path == NULL) {
        uint8_t probe[DAFFI_PROBE_BYTES];
        memset(probe, DAFFI_PROBE, sizeof probe);
        connection_write(peer->connection, probe, sizeof probe);
        send_greeting(peer);
        return;
    }
    char request[512];
    int length =
        snprintf(request, sizeof request,
                 "GET %s%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                 peer->load->path, peer->load->batches ? "?daffi-bridge=1" : "", peer->load->port);
    peer->state = PEER_UPGRADING;
    connection_write(peer->connection, request, (size_t)length);
}

static void peer_on_closed(void *owner, int reason, const char *detail) {
    struct load_peer *peer = owner;
    struct load *load = peer->load;
    if (peer->state == PEER_CALLING) {
        load->greeted--;
    }
    bool early = peer->state != PEER_CALLING || (load->mode == LOAD_CALLS && !load->stopping);
    if (early && !load->stopping && load->failure[0] == '\0') {
        snprintf(load->failure, sizeof load->failure, "%s was closed: %s (%s)", peer->name, detail,
                 strerror(-reason));
    }
    peer->state = PEER_DONE;
    unsigned number = (unsigned)strtoul(strrchr(peer->name, '-') + 1, NULL, 10);
    free(peer);
    load->open--;
    if (load->mode == LOAD_CONNECTS && !load->stopping && load->failure[0] == '\0') {
        int result = load_peer_start(load, number);
        if (result < 0) {
            snprintf(load->failure, sizeof load->failure, "cannot connect again: %s", strerror(-result));
        }
    }
    if (load->open == 0 || load->failure[0] != '\0') {
        load->on_done(load);
    }
}

/* A connected, non-blocking socket. Connecting blocks: it is the loopback, and a full backlog should slow us. */
static int open_socket(const struct load *load) {
    int fd = socket(load->unix_path != NULL ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int result = 0;
    if (load->unix_path != NULL) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof address.sun_path, "%s", load->unix_path);
        result = connect(fd, (struct sockaddr *)&address, sizeof address);
    } else {
        struct sockaddr_in address = {
            .sin_family = AF_INET, .sin_port = htons(load->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        result = connect(fd, (struct sockaddr *)&address, sizeof address);
    }
    if (result < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        result = -errno;
        close(fd);
        return result;
    }
    return fd;
}

int load_peer_start(struct load *load, unsigned number) {
    static const struct connection_handler handler = {
        .on_open = peer_on_open, .on_input = peer_on_input, .on_closed = peer_on_closed};
    static const struct connection_limits limits = {
        .queue_high = 64U << 20, .queue_bytes = 512U << 20, .slow_consumer_ms = 30000, .open_ms = 30000};
    static const struct ws_reader_limits reader_limits = {
        .limit = DAFFI_MESSAGE_MAX, .wire_limit = DAFFI_MESSAGE_MAX, .oversize_head = DAFFI_HEAD_MAX};

    size_t ids = load->receivers > 1 ? UINT16_MAX + 1 : LOAD_IN_FLIGHT_MAX + 1;
    struct load_peer *peer = calloc(1, sizeof *peer + ids * sizeof peer->started[0]);
    if (peer == NULL) {
        return -ENOMEM;
    }
    peer->started_length = ids;
    peer->load = load;
    peer->next_uuid = 2;
    snprintf(peer->name, sizeof peer->name, "load-%d-%u", (int)getpid(), number);
    ws_reader_init(&peer->reader, WS_CLIENT, &reader_limits);

    int fd = open_socket(load);
    if (fd < 0) {
        free(peer);
        return fd;
    }
    struct stream *stream = NULL;
    int result = load->tls != NULL ? stream_tls_connect(load->tls, fd, "127.0.0.1", &stream)
                                   : stream_tcp_new(fd, &stream);
    if (result < 0) {
        close(fd);
        free(peer);
        return result;
    }
    result = connection_new(load->reactor, stream, &limits, &handler, peer, &peer->connection);
    if (result < 0) {
        free(peer);
        return result;
    }
    load->open++;
    return 0;
}
