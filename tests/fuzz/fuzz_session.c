/* A whole session, fed on both legs. Whatever comes, what goes up is well formed, of the session's name, decodable and
 * allowed by the session's policy; what goes down to a page is never PICKLE, and names nobody that it may not call;
 * nothing is sent before it is attached or after its end.
 *
 * The first byte says who the peer is; then come steps: a byte of what, two of length, and that many bytes. */
#include <errno.h>
#include <stdlib.h>

#include "bridge/members/unanswered.h"
#include "bridge/session/session.h"
#include "config/config_patterns.h"
#include "daffi/payload.h"
#include "ops/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum step {
    STEP_PEER,
    STEP_BACKEND,
    STEP_OVERSIZE,
    STEP_ATTACH, /* a good handshake and a good answer: most of what is to be found lies behind them */
    STEP_TIME,
    STEP_CONGEST,
    STEP_LOSE,
    STEP_GONE,
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
    struct session *session;
    enum guard_kind kind;
    struct policy policy;
    uint64_t now;
    bool attached, closed, congested, paused;
} house;

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

/* What was sent, as whoever gets it reads it. */
static void reread(struct daffi_span head, struct daffi_span payload,
                   void (*check)(const struct daffi_message *)) {
    uint8_t *bytes = malloc(head.length + payload.length + 1);
    require(bytes != NULL);
    memcpy(bytes, head.data, head.length);
    if (payload.length > 0) {
        memcpy(bytes + head.length, payload.data, payload.length);
    }
    struct daffi_message message;
    struct daffi_fault fault;
    size_t size = 0;
    require(daffi_message_decode(daffi_span_of(bytes, head.length + payload.length), &message, &size,
                                 &fault) == 0);
    require(size == head.length + payload.length);
    check(&message);
    free(bytes);
}

static bool may_know(const char *name) {
    const struct daffi_span span = daffi_span_text(name);
    return house.kind == GUARD_NATIVE || strcmp(name, "page") == 0 ||
           policy_shows_member(&house.policy, span);
}

static void check_news(const struct daffi_message *message) {
    struct daffi_handshake *handshake = NULL;
    struct daffi_event event;
    struct daffi_fault fault;
    if (message->flag == DAFFI_EVENTS) {
        require(daffi_event_parse(message->payload, &event, &fault) == 0 && may_know(event.member));
        return;
    }
    if (daffi_handshake_parse_server(message->payload, &handshake, &fault) < 0) {
        return; /* the bridge's refusal of a native peer's names all it has */
    }
    for (size_t i = 0; i < handshake->members_count; i++) {
        const struct daffi_member *member = &handshake->members[i];
        require(may_know(member->name));
        for (size_t j = 0;
             house.kind == GUARD_BROWSER && member->methods != NULL && j < member->methods_count; j++) {
            require(strcmp(member->name, "page") == 0 ||
                    policy_allows_function(&house.policy, daffi_span_text(member->methods[j])));
        }
    }
    daffi_handshake_free(handshake);
}

static void check_down(const struct daffi_message *message) {
    if (house.kind == GUARD_BROWSER) {
        require(message->decoder != DAFFI_PICKLE);
        require(message->flag != DAFFI_REQUEST);
    }
    if (message->flag == DAFFI_HANDSHAKE || message->flag == DAFFI_EVENTS) {
        struct daffi_fault fault;
        require(message->decoder == DAFFI_JSON);
        require(daffi_payload_check(message, DAFFI_NESTING_MAX, &fault) == 0);
        check_news(message);
    }
}

static void check_up(const struct daffi_message *message) {
    struct daffi_fault fault;
    require(daffi_span_equal(message->transmitter, daffi_span_text("page")));
    require(message->flag == DAFFI_REQUEST || message->flag == DAFFI_RESPONSE ||
            message->flag == DAFFI_ERROR);
    require(daffi_payload_check(message, DAFFI_NESTING_MAX, &fault) == 0);
    if (house.kind == GUARD_BROWSER) {
        require(message->decoder != DAFFI_PICKLE);
        bool is_probe = daffi_span_equal(message->receiver, message->transmitter);
        require(message->flag != DAFFI_RESPONSE || is_probe);
        require(message->flag != DAFFI_REQUEST || policy_check(&house.policy, message) == POLICY_ALLOWED);
    }
}

static int transport_send(void *owner, struct daffi_span head, struct daffi_span payload) {
    (void)owner;
    require(!house.closed);
    reread(head, payload, check_down);
    return 0;
}

static void transport_close(void *owner, uint16_t code, const char *reason) {
    (void)owner;
    require(!house.closed && !house.attached);
    require(code >= 1001 && code <= 1013 && reason[0] != '\0');
    house.closed = true;
}

static void transport_pause(void *owner) {
    (void)owner;
    require(!house.paused);
    house.paused = true;
}

static void transport_resume(void *owner) {
    (void)owner;
    require(house.paused);
    house.paused = false;
}

static bool transport_is_congested(const void *owner) {
    (void)owner;
    return house.congested;
}

static void transport_on_open(void *owner) {
    (void)owner;
    require(house.attached && !house.closed);
}

static size_t transport_queued(const void *owner) {
    (void)owner;
    return 0;
}

static void transport_ping(void *owner) {
    (void)owner;
}

static const struct session_transport transport = {transport_send,
                                                   transport_close,
                                                   transport_pause,
                                                   transport_resume,
                                                   transport_is_congested,
                                                   transport_on_open,
                                                   transport_queued,
                                                   transport_ping,
                                                   NULL,
                                                   NULL};

static int backend_attach(struct backend *backend, struct session *session,
                          const struct daffi_handshake *handshake, uint16_t uuid,
                          struct attachment **ret_attachment) {
    (void)backend;
    (void)uuid;
    require(session == house.session && !house.attached && handshake->members_count == 1);
    if (strcmp(handshake->members[0].name, "page") != 0) {
        return -ECONNREFUSED;
    }
    house.attached = true;
    *ret_attachment = &house.attachment;
    return 0;
}

static int backend_send(struct attachment *attachment, struct daffi_span head, struct daffi_span payload) {
    require(attachment == &house.attachment && house.attached);
    reread(head, payload, check_up);
    return house.congested ? -EBUSY : 0;
}

static void backend_detach(struct attachment *attachment, enum backend_leaving how,
                           struct names_entry *claim) {
    (void)claim;
    (void)how;
    require(attachment == &house.attachment && house.attached);
    house.attached = false;
}

static bool backend_is_congested(const struct attachment *attachment) {
    (void)attachment;
    return false;
}

static const struct backend_operations operations = {.attach = backend_attach,
                                                     .send = backend_send,
                                                     .detach = backend_detach,
                                                     .is_congested = backend_is_congested};

static uint64_t clock_of_house(void *argument) {
    (void)argument;
    return house.now;
}

static void feed(struct daffi_span bytes, bool from_peer) {
    struct daffi_message message;
    struct daffi_fault fault;
    size_t size = 0;
    int status = daffi_message_decode(bytes, &message, &size, &fault);
    if (status < 0 || size != bytes.length) {
        if (from_peer) {
            session_on_malformed(house.session, "not one message");
        }
        return;
    }
    if (from_peer) {
        session_on_message(house.session, &message, bytes);
    } else if (house.attached) {
        session_on_backend_message(house.session, &message, bytes);
    }
}

static void say(bool from_peer, const char *payload) {
    uint8_t bytes[512];
    const struct daffi_message message = {
        .uuid = 1,
        .flag = DAFFI_HANDSHAKE,
        .decoder = DAFFI_JSON,
        .return_result = true,
        .transmitter = daffi_span_text("page"),
        .payload = daffi_span_text(payload),
    };
    int head = daffi_message_encode_head(&message, bytes, sizeof bytes);
    require(head > 0);
    memcpy(bytes + head, message.payload.data, message.payload.length);
    feed(daffi_span_of(bytes, (size_t)head + message.payload.length), from_peer);
}

static void take_oversize(struct daffi_span bytes) {
    struct daffi_message message;
    struct daffi_fault fault;
    size_t size = 0;
    if (daffi_message_decode_head(bytes, &message, &size, &fault) == 0) {
        session_on_oversize(house.session, &message, size);
    }
}

static void take_step(enum step step, struct daffi_span bytes) {
    switch (step) {
    case STEP_PEER:
    case STEP_BACKEND:
        feed(bytes, step == STEP_PEER);
        break;
    case STEP_OVERSIZE:
        take_oversize(bytes);
        break;
    case STEP_ATTACH:
        say(true, "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"page\",\"methods\":null}]}");
        say(false, "{\"meta\":{\"type\":\"router\",\"error\":null},\"members\":[{\"name\":\"w1\",\"methods\":"
                   "[\"add\",\"ad\",\"b\",\"p\"]},{\"name\":\"w2\",\"methods\":[\"add\"]},{\"name\":\"v\","
                   "\"methods\":null}]}");
        break;
    case STEP_TIME:
        house.now += bytes.length * 100;
        require(reactor_turn(house.bridge.reactor, 0) == 0);
        break;
    case STEP_CONGEST:
        house.congested = !house.congested;
        if (!house.closed) {
            session_on_drained(house.session);
        }
        break;
    case STEP_LOSE:
        if (house.attached) {
            session_on_backend_lost(house.session, 1012, "lost");
        }
        break;
    case STEP_GONE:
    case STEPS:
        break;
    }
}

/* One that names something of every kind. */
static struct config_policy narrow;

static void add(struct config_patterns *patterns, const char *text) {
    require(config_patterns_add(patterns, text) == 0);
}

static void make_policy(void) {
    static char pinned[] = "p*";
    static struct config_pin pin = {.function = pinned, .serdes = 1U << CONFIG_RAW};
    add(&narrow.allow_functions, "a*");
    add(&narrow.allow_functions, "p*");
    add(&narrow.deny_functions, "ad");
    add(&narrow.allow_receivers, "w*");
    add(&narrow.deny_receivers, "w2");
    add(&narrow.visible, "w*");
    add(&narrow.visible, "*x");
    narrow.pins = &pin;
    narrow.pins_count = 1;
    narrow.calls_per_second = narrow.calls_burst = 50;
    narrow.bytes_per_second = narrow.bytes_burst = 20000;
    narrow.calls_in_flight = 3;
}

static void start(void) {
    make_policy();
    log_start(CONFIG_LOG_ERROR, CONFIG_LOG_TEXT);
    house.config = config_new();
    house.memory.limit = 1 << 20;
    require(house.config != NULL && reactor_new(&house.memory, &house.bridge.reactor) == 0);
    reactor_set_clock(house.bridge.reactor, clock_of_house, NULL);
    house.bridge.config = house.config;
    house.backend = (struct backend){.operations = &operations, .name = "default"};
}

/* The page before this one has left calls without their answers: this one's ids are shifted. */
static void leave_calls(void) {
    static const uint16_t left[] = {2, 3, 258, 9999};
    require(unanswered_new(&house.bridge.unanswered) == 0);
    unanswered_put(house.bridge.unanswered, house.backend.place, daffi_span_text("page"), left, 4, house.now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    if (house.config == NULL) {
        start();
    }
    house.kind = data[0] & 1 ? GUARD_NATIVE : GUARD_BROWSER;
    house.policy = (struct policy){0};
    if (data[0] & 8) {
        policy_add(&house.policy, &narrow);
    }
    house.backend.answers = (data[0] & 16) != 0;
    if (data[0] & 32) {
        leave_calls();
    }
    house.attached = house.closed = house.congested = house.paused = false;
    const struct session_setup setup = {
        .bridge = &house.bridge,
        .kind = house.kind,
        .backend = data[0] & 4 ? NULL : &house.backend,
        .no_backend = "there is none",
        .policy = house.policy,
        .wants_offer = (data[0] & 2) != 0,
        .address = "192.0.2.1",
        .transport = &transport,
        .transport_owner = &house,
    };
    require(session_new(&setup, &house.session) == 0);
    for (size_t at = 1; size - at >= 3;) {
        enum step step = data[at] % STEPS;
        size_t length = (size_t)data[at + 1] | (size_t)data[at + 2] << 8;
        at += 3;
        length = length < size - at ? length : size - at;
        if (step == STEP_GONE) {
            break;
        }
        take_step(step, daffi_span_of(data + at, length));
        at += length;
    }
    session_on_closed(house.session, "the input ended");
    require(!house.attached && house.bridge.sessions == NULL);
    require(house.bridge.call_table.count == 0 && house.bridge.roster.count == 0);
    require(reactor_turn(house.bridge.reactor, 0) == 0);
    unanswered_free(house.bridge.unanswered);
    house.bridge.unanswered = NULL;
    return 0;
}
