/* A page from its socket up: frames, batches, signs of life, session. Whatever comes, in whatever pieces: what goes up is
 * well formed, of the page's name and decodable; what goes down is whole frames, and in each whole messages, one alone
 * for all but our own client, and no more bytes of several than it was told of; nothing comes behind a close frame.
 *
 * The first byte says who the page is; then come steps: a byte of what, two of length, and that many bytes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge/peer/ws_peer.h"
#include "bridge/session/session.h"
#include "daffi/payload.h"
#include "ops/log.h"
#include "ws/ws_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGE_BYTES = 4096, BATCH_BYTES = 600, CUTS_MAX = 64, OUT_MAX = 1 << 20 };

enum step {
    STEP_RAW,    /* bytes as they are */
    STEP_FRAME,  /* in one binary frame */
    STEP_PIECES, /* likewise, but the first byte says how large the pieces are that it comes in */
    STEP_BACKEND,
    STEP_GREET, /* a good handshake and a good answer */
    STEP_TIME,
    STEP_CONGEST,
    STEPS,
};

struct attachment {
    int unused;
};

static struct house {
    struct config *config;
    struct memory_budget memory;
    struct bridge bridge;
    struct backend backend;
    struct attachment attachment;
    struct session *session; /* while attached */
    uint64_t now;
    bool congested, own_client, closed;
    int page; /* its end of the socket pair; -1: it has gone */
    uint8_t out[OUT_MAX];
    size_t out_length;
} house;

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

/* -- above: the backend -- */

static int backend_attach(struct backend *backend, struct session *session,
                          const struct daffi_handshake *handshake, uint16_t uuid,
                          struct attachment **ret_attachment) {
    (void)backend;
    (void)uuid;
    require(house.session == NULL && handshake->members_count == 1);
    if (strcmp(handshake->members[0].name, "page") != 0) {
        return -ECONNREFUSED;
    }
    house.session = session;
    *ret_attachment = &house.attachment;
    return 0;
}

static int backend_send(struct attachment *attachment, struct daffi_span head, struct daffi_span payload) {
    require(attachment == &house.attachment && house.session != NULL);
    size_t length = head.length + payload.length;
    require(length <= MESSAGE_BYTES);
    uint8_t bytes[MESSAGE_BYTES];
    memcpy(bytes, head.data, head.length);
    if (payload.length > 0) {
        memcpy(bytes + head.length, payload.data, payload.length);
    }
    struct daffi_message message;
    struct daffi_fault fault;
    size_t size = 0;
    require(daffi_message_decode(daffi_span_of(bytes, length), &message, &size, &fault) == 0);
    require(size == length && message.decoder != DAFFI_PICKLE && message.flag != DAFFI_HANDSHAKE);
    require(daffi_span_equal(message.transmitter, daffi_span_text("page")));
    require(daffi_payload_check(&message, DAFFI_NESTING_MAX, &fault) == 0);
    return house.congested ? -EBUSY : 0;
}

static void backend_detach(struct attachment *attachment, enum backend_leaving how,
                           struct names_entry *claim) {
    (void)claim;
    (void)how;
    require(attachment == &house.attachment && house.session != NULL);
    house.session = NULL;
}

static bool backend_is_congested(const struct attachment *attachment) {
    (void)attachment;
    return house.congested;
}

static const struct backend_operations operations = {.attach = backend_attach,
                                                     .send = backend_send,
                                                     .detach = backend_detach,
                                                     .is_congested = backend_is_congested};

/* -- below: the page -- */

static void check_frame(const struct ws_frame_header *header, struct daffi_span payload) {
    require(header->final && !header->masked && !house.closed);
    house.closed = header->opcode == WS_CLOSE;
    if (header->opcode != WS_BINARY) {
        require(header->opcode >= WS_CLOSE);
        return;
    }
    require(payload.length > 0 || house.own_client);
    size_t count = 0;
    for (size_t at = 0; at < payload.length; count++) {
        struct daffi_message message;
        struct daffi_fault fault;
        size_t size = 0;
        struct daffi_span rest = daffi_span_of(payload.data + at, payload.length - at);
        require(daffi_message_decode(rest, &message, &size, &fault) == 0);
        require(message.decoder != DAFFI_PICKLE);
        at += size;
    }
    require(count <= 1 || (house.own_client && payload.length <= BATCH_BYTES));
}

/* Reads what the bridge has sent, until it sends no more. */
static void read_page(void) {
    ssize_t n = 0;
    while (house.page >= 0 &&
           (n = read(house.page, house.out + house.out_length, OUT_MAX - house.out_length)) > 0) {
        house.out_length += (size_t)n;
        size_t at = 0;
        for (;;) {
            struct ws_frame_header header;
            struct daffi_fault fault;
            int size = ws_frame_decode(daffi_span_of(house.out + at, house.out_length - at), &header, &fault);
            if (size == -EAGAIN || (size > 0 && header.length > house.out_length - at - (size_t)size)) {
                break;
            }
            require(size > 0);
            check_frame(&header, daffi_span_of(house.out + at + size, (size_t)header.length));
            at += (size_t)size + (size_t)header.length;
        }
        memmove(house.out, house.out + at, house.out_length - at);
        house.out_length -= at;
    }
}

static void turn(void) {
    require(reactor_turn(house.bridge.reactor, 0) == 0);
    read_page();
}

/* What the socket does not take is lost: the stream is broken then, which must do no harm either. */
static void send_bytes(const uint8_t *bytes, size_t length, size_t piece) {
    for (size_t cuts = 0; length > 0 && house.page >= 0; cuts++) {
        size_t part = piece < length && cuts < CUTS_MAX ? piece : length;
        if (send(house.page, bytes, part, MSG_NOSIGNAL) < 0) {
            return;
        }
        bytes += part;
        length -= part;
        turn();
    }
}

static void send_frame(struct daffi_span payload, size_t piece) {
    const struct ws_frame_header header = {
        .final = true, .opcode = WS_BINARY, .masked = true, .length = payload.length};
    uint8_t *bytes = malloc(WS_HEADER_MAX + payload.length);
    require(bytes != NULL);
    size_t head = ws_frame_encode(&header, bytes); /* the mask is zero */
    if (payload.length > 0) {
        memcpy(bytes + head, payload.data, payload.length);
    }
    send_bytes(bytes, head + payload.length, piece);
    free(bytes);
}

/* -- steps -- */

static void feed_backend(struct daffi_span bytes) {
    struct daffi_message message;
    struct daffi_fault fault;
    size_t size = 0;
    while (house.session != NULL && daffi_message_decode(bytes, &message, &size, &fault) == 0) {
        session_on_backend_message(house.session, &message, daffi_span_of(bytes.data, size));
        bytes = daffi_span_of(bytes.data + size, bytes.length - size);
    }
    turn();
}

static struct daffi_span handshake(uint8_t *bytes, size_t capacity, const char *payload) {
    const struct daffi_message message = {
        .uuid = 1,
        .flag = DAFFI_HANDSHAKE,
        .decoder = DAFFI_JSON,
        .return_result = true,
        .transmitter = daffi_span_text("page"),
        .payload = daffi_span_text(payload),
    };
    int head = daffi_message_encode_head(&message, bytes, capacity);
    require(head > 0 && (size_t)head + message.payload.length <= capacity);
    memcpy(bytes + head, message.payload.data, message.payload.length);
    return daffi_span_of(bytes, (size_t)head + message.payload.length);
}

static void greet(void) {
    uint8_t bytes[512];
    send_frame(
        handshake(bytes, sizeof bytes,
                  "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"page\",\"methods\":null}]}"),
        SIZE_MAX);
    feed_backend(handshake(bytes, sizeof bytes,
                           "{\"meta\":{\"type\":\"router\",\"error\":null},\"members\":[{\"name\":\"w1\","
                           "\"methods\":[\"echo\"]}]}"));
}

static void take_step(enum step step, struct daffi_span bytes) {
    switch (step) {
    case STEP_RAW:
        send_bytes(bytes.data, bytes.length, SIZE_MAX);
        break;
    case STEP_FRAME:
        send_frame(bytes, SIZE_MAX);
        break;
    case STEP_PIECES:
        if (bytes.length > 0) {
            send_frame(daffi_span_of(bytes.data + 1, bytes.length - 1), (size_t)bytes.data[0] + 1);
        }
        break;
    case STEP_BACKEND:
        feed_backend(bytes);
        break;
    case STEP_GREET:
        greet();
        break;
    case STEP_TIME:
        house.now += bytes.length * 100;
        turn();
        break;
    case STEP_CONGEST:
        house.congested = !house.congested;
        if (house.session != NULL) {
            session_on_backend_drained(house.session);
        }
        turn();
        break;
    case STEPS:
        break;
    }
}

/* -- one run -- */

static uint64_t clock_of_house(void *argument) {
    (void)argument;
    return house.now;
}

static void start(void) {
    log_start(CONFIG_LOG_ERROR, CONFIG_LOG_TEXT);
    house.config = config_new();
    house.memory.limit = 64 << 20;
    require(house.config != NULL && reactor_new(&house.memory, &house.bridge.reactor) == 0);
    house.config->limits.message_bytes = MESSAGE_BYTES;
    house.config->limits.batch_bytes = BATCH_BYTES;
    reactor_set_clock(house.bridge.reactor, clock_of_house, NULL);
    house.bridge.config = house.config;
    house.backend = (struct backend){.operations = &operations, .name = "default"};
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the handler's type */
static ssize_t ignore_input(void *owner, uint8_t *bytes, size_t length) {
    (void)owner;
    (void)bytes;
    (void)length;
    return 0;
}

static void ignore_end(void *owner, int reason, const char *detail) {
    (void)owner;
    (void)reason;
    (void)detail;
}

static void let_in(void) {
    static const struct connection_handler before = {.on_input = ignore_input, .on_closed = ignore_end};
    int ends[2];
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    house.page = ends[0];
    struct stream *stream = NULL;
    struct visitor visitor = {.address = "192.0.2.1"};
    const struct connection_limits limits = bridge_connection_limits(house.config, 1000, 0);
    require(stream_tcp_new(ends[1], &stream) == 0);
    require(connection_new(house.bridge.reactor, stream, &limits, &before, NULL, &visitor.connection) == 0);
    house.bridge.connections++;
    turn();
    const struct ws_peer_setup setup = {.bridge = &house.bridge,
                                        .backend = &house.backend,
                                        .no_backend = "there is none",
                                        .wants_offer = house.own_client};
    require(ws_peer_new(&setup, &visitor) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    if (house.config == NULL) {
        start();
    }
    house.own_client = (data[0] & 1) != 0;
    house.congested = house.closed = false;
    house.out_length = 0;
    let_in();
    for (size_t at = 1; size - at >= 3;) {
        enum step step = data[at] % STEPS;
        size_t length = (size_t)data[at + 1] | (size_t)data[at + 2] << 8;
        at += 3;
        length = length < size - at ? length : size - at;
        take_step(step, daffi_span_of(data + at, length));
        at += length;
    }
    read_page();
    if (house
            .congested) { /* who is paused for an upstream's sake waits for that: here it drains, or it would be lost */
        take_step(STEP_CONGEST, daffi_span_of(NULL, 0));
    }
    close(house.page);
    house.page = -1;
    for (int turns = 0; house.bridge.connections > 0; turns++) {
        require(turns < 100);
        house.now += 10000; /* every deadline passes */
        turn();
    }
    require(house.session == NULL && house.bridge.sessions == NULL);
    return 0;
}
