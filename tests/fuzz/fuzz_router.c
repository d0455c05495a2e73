/* A router of two branches and the sessions of six peers, fed with whole messages, well-formed ones and any others. Whatever
 * they say, each call is answered at most once, by the member that was called; none is lost in silence: as its caller
 * leaves, a call that was not answered is one of a member that is there, whatever it exposes by then. Nothing is sent to a
 * peer after its end, and in the end nothing is left.
 *
 * The first byte says who leaves first; then come steps: a byte of what, one of whom, one of length, and that many bytes. */
#include <stdio.h>
#include <stdlib.h>

#include "bridge/router/router.h"
#include "bridge/router/router_branch.h"
#include "bridge/session/own_message.h"
#include "config/config_patterns.h"
#include "ops/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    BRANCHES = 2,
    PEERS = 6,
    CALLS_MAX = 48,
    CHANGES_MAX = 8,
    CHANGE_ID = 999,
    ASKED_MAX = 16,
    BYTES_MAX = 512,
    NAME_BYTES = 256,
    HOPS = 4
};

enum step {
    STEP_JOIN,   /* name, functions */
    STEP_CALL,   /* id, receiver, function, whether it waits for an answer */
    STEP_ANSWER, /* which of those it was asked, RESPONSE or ERROR */
    STEP_FORGE,  /* id, to whom: an answer that nobody asked for, perhaps */
    STEP_RAW,    /* any message */
    STEP_TURN,
    STEP_TIME,
    STEP_LEAVE,
    STEP_FILL,   /* its queue is full, or empty again */
    STEP_CHANGE, /* functions: of a page */
    STEPS,
};

struct made_call {
    uint16_t uuid;
    bool answered, given_up; /* its caller has given its id to another */
    char receiver[NAME_BYTES];
};

struct asked {
    uint16_t uuid;
    char caller[NAME_BYTES];
};

struct peer {
    struct session *session; /* NULL: nobody is there */
    bool closed, opened, full;
    char name[NAME_BYTES];
    struct made_call calls[CALLS_MAX];
    size_t calls_count;
    uint16_t changes[CHANGES_MAX]; /* of its functions, of a page: their answers are to come */
    size_t changes_count;
    struct asked asked[ASKED_MAX]; /* the latest ones */
    size_t asked_count;
};

static struct house {
    struct config *config;
    struct memory_budget memory;
    struct router *router;
    struct bridge bridges[BRANCHES];
    struct backend *backends[BRANCHES];
    struct peer peers[PEERS];
    size_t memory_at_rest;
    uint64_t now;
} house;

static struct config_policy exposing;
static const char *const names[] = {"a", "w1", "w2", "page", "w3", "nobody"};
static const char *const functions[] = {"add", "sub", "mul"};
static const char *const methods[] = {"null", "[]", "[\"add\"]", "[\"add\",\"sub\"]"};

#define PICK(table, byte) ((table)[(byte) % (sizeof(table) / sizeof *(table))])

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static bool is_page(const struct peer *peer) {
    return (peer - house.peers) % 3 == 2;
}

static void copy_name(char *out, struct daffi_span name) {
    require(name.length < NAME_BYTES);
    if (name.length > 0) {
        memcpy(out, name.data, name.length);
    }
    out[name.length] = '\0';
}

/* -- what its peer gets -- */

static void take_answer(struct peer *peer, const struct daffi_message *answer) {
    for (size_t i = 0; i < peer->calls_count; i++) {
        struct made_call *call = &peer->calls[i];
        if (call->uuid == answer->uuid && !call->answered) {
            call->answered = true;
            require(answer->flag == DAFFI_ERROR || call->given_up ||
                    daffi_span_equal(answer->transmitter, daffi_span_text(call->receiver)));
            return;
        }
    }
    require(false); /* to no call of it, or a second time */
}

/* Whether it was the answer to one. */
static bool take_change(struct peer *peer, uint16_t uuid) {
    for (size_t i = 0; i < peer->changes_count; i++) {
        if (peer->changes[i] == uuid) {
            peer->changes[i] = peer->changes[--peer->changes_count];
            return true;
        }
    }
    return false;
}

static void take_request(struct peer *peer, const struct daffi_message *request) {
    require(daffi_span_equal(request->receiver, daffi_span_text(peer->name)));
    struct asked *asked = &peer->asked[peer->asked_count++ % ASKED_MAX];
    asked->uuid = request->uuid;
    copy_name(asked->caller, request->transmitter);
}

static void take_message(struct peer *peer, const struct daffi_message *message) {
    if (message->flag == DAFFI_REQUEST) {
        take_request(peer, message);
    } else if (!peer->opened) {
        require(message->flag == DAFFI_HANDSHAKE ||
                message->flag == DAFFI_ERROR); /* the latter refuses a page */
    } else if (message->flag == DAFFI_HANDSHAKE && message->uuid != 0) {
        require(take_change(peer, message->uuid));
    } else if (message->flag == DAFFI_ERROR && take_change(peer, message->uuid)) {
        require(is_page(peer)); /* it was refused */
    } else if (own_message_is_receipt(message, daffi_span_text(peer->name))) {
        require(!is_page(peer)); /* it has asked for it */
    } else if (message->flag == DAFFI_RESPONSE || message->flag == DAFFI_ERROR) {
        take_answer(peer, message);
    }
}

/* A page is sent one message at a time; a native peer may get the news of several members at once. */
static int transport_send(void *owner, struct daffi_span head, struct daffi_span payload) {
    struct peer *peer = owner;
    require(!peer->closed);
    const size_t length = head.length + payload.length;
    uint8_t *bytes = malloc(length + 1);
    require(bytes != NULL);
    memcpy(bytes, head.data, head.length);
    if (payload.length > 0) {
        memcpy(bytes + head.length, payload.data, payload.length);
    }
    size_t at = 0;
    do {
        struct daffi_message message;
        struct daffi_fault fault;
        size_t size = 0;
        require(daffi_message_decode(daffi_span_of(bytes + at, length - at), &message, &size, &fault) == 0);
        take_message(peer, &message);
        at += size;
    } while (at < length && !is_page(peer));
    require(at == length);
    free(bytes);
    return 0;
}

static void transport_close(void *owner, uint16_t code, const char *reason) {
    struct peer *peer = owner;
    require(!peer->closed && code >= 1001 && code <= 1013 && reason[0] != '\0');
    peer->closed = true;
}

static void transport_ignore(void *owner) {
    (void)owner;
}

static bool transport_is_congested(const void *owner) {
    (void)owner;
    return false;
}

static void transport_on_open(void *owner) {
    struct peer *peer = owner;
    require(!peer->opened && !peer->closed);
    peer->opened = true;
}

static size_t transport_queued(const void *owner) {
    const struct peer *peer = owner;
    return peer->full ? house.config->limits.queue_bytes : 0;
}

static const struct session_transport transport = {transport_send,
                                                   transport_close,
                                                   transport_ignore,
                                                   transport_ignore,
                                                   transport_is_congested,
                                                   transport_on_open,
                                                   transport_queued,
                                                   transport_ignore,
                                                   NULL,
                                                   NULL};

/* -- what its peer does -- */

/* What a transport does once its session has closed it. */
static void bury_closed(void) {
    for (size_t i = 0; i < PEERS; i++) {
        struct peer *peer = &house.peers[i];
        if (peer->session != NULL && peer->closed) {
            session_on_closed(peer->session, "closed");
            peer->session = NULL;
        }
    }
}

static void turn(size_t branch) {
    require(reactor_turn(house.bridges[branch].reactor, 0) == 0);
    bury_closed();
}

static void settle(void) {
    for (size_t i = 0; i < (size_t)HOPS * BRANCHES; i++) {
        turn(i % BRANCHES);
    }
}

/* Notes a change of functions before it is asked for; not with the id of a call, whose answer could not be told from it. */
static bool note_change(struct peer *peer, uint16_t uuid) {
    bool is_clear = uuid != 0 && peer->changes_count < CHANGES_MAX;
    for (size_t i = 0; i < peer->calls_count; i++) {
        is_clear = is_clear && (peer->calls[i].uuid != uuid || peer->calls[i].answered);
    }
    if (is_clear) {
        peer->changes[peer->changes_count++] = uuid;
    }
    return is_clear;
}

/* Notes a call before it is made: its answer may come at once. */
static bool note_call(struct peer *peer, const struct daffi_message *message) {
    if (message->flag == DAFFI_HANDSHAKE && peer->opened) {
        return note_change(peer, message->uuid);
    }
    if (message->flag != DAFFI_REQUEST || !message->return_result) {
        return true;
    }
    if (peer->calls_count == CALLS_MAX || message->receiver.length >= NAME_BYTES) {
        return false;
    }
    for (size_t i = 0; i < peer->calls_count; i++) {
        peer->calls[i].given_up |= peer->calls[i].uuid == message->uuid;
    }
    struct made_call *call = &peer->calls[peer->calls_count++];
    *call = (struct made_call){.uuid = message->uuid};
    for (size_t i = 0; i + 1 < peer->calls_count; i++) {
        call->given_up |= peer->calls[i].uuid == message->uuid && !peer->calls[i].answered;
    }
    copy_name(call->receiver, message->receiver);
    return true;
}

static void feed(struct peer *peer, struct daffi_span bytes) {
    struct daffi_message message;
    struct daffi_fault fault;
    size_t size = 0;
    if (peer->session == NULL) {
        return;
    }
    if (daffi_message_decode(bytes, &message, &size, &fault) < 0 || size != bytes.length) {
        session_on_malformed(peer->session, "not one message");
    } else if (note_call(peer, &message)) {
        session_on_message(peer->session, &message, bytes);
    }
    bury_closed();
}

static void say(struct peer *peer, enum daffi_flag flag, uint16_t uuid, bool waits, const char *receiver,
                const char *function, const char *payload) {
    uint8_t bytes[BYTES_MAX * 2];
    const struct daffi_message message = {
        .uuid = uuid,
        .flag = flag,
        .decoder = DAFFI_JSON,
        .return_result = waits,
        .transmitter = daffi_span_text(peer->name),
        .receiver = daffi_span_text(receiver),
        .function = daffi_span_text(function),
        .payload = daffi_span_text(payload),
    };
    int head = daffi_message_encode_head(&message, bytes, sizeof bytes);
    require(head > 0 && (size_t)head + message.payload.length <= sizeof bytes);
    memcpy(bytes + head, message.payload.data, message.payload.length);
    feed(peer, daffi_span_of(bytes, (size_t)head + message.payload.length));
}

static void leave(struct peer *peer) {
    if (peer->session != NULL) {
        peer->closed = true;
        session_on_closed(peer->session, "it left");
        peer->session = NULL;
    }
}

static void shake(struct peer *peer, uint16_t uuid, const char *told) {
    char payload[BYTES_MAX];
    snprintf(payload, sizeof payload,
             "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"%s\",\"methods\":%s}]}", peer->name,
             told);
    say(peer, DAFFI_HANDSHAKE, uuid, true, "", "", payload);
}

static void join(struct peer *peer, const char *name, const char *told) {
    size_t branch = (size_t)(peer - house.peers) % BRANCHES;
    leave(peer);
    *peer = (struct peer){0};
    copy_name(peer->name, daffi_span_text(name));
    const struct session_setup setup = {
        .bridge = &house.bridges[branch],
        .kind = is_page(peer) ? GUARD_BROWSER : GUARD_NATIVE,
        .policy = {.parts = {&exposing}, .count = 1},
        .backend = house.backends[branch],
        .address = "192.0.2.1",
        .transport = &transport,
        .transport_owner = peer,
    };
    require(session_new(&setup, &peer->session) == 0);
    shake(peer, 1, told);
}

static void answer(struct peer *peer, uint8_t which, bool is_error) {
    size_t kept = peer->asked_count < ASKED_MAX ? peer->asked_count : ASKED_MAX;
    if (kept > 0) {
        const struct asked *asked = &peer->asked[which % kept];
        say(peer, is_error ? DAFFI_ERROR : DAFFI_RESPONSE, asked->uuid, false, asked->caller, "add",
            is_error ? "{\"args\":[[\"E\",\"m\",\"t\",null]],\"kwargs\":{}}"
                     : "{\"args\":[1],\"kwargs\":{}}");
    }
}

static void take_step(enum step step, struct peer *peer, struct daffi_span bytes) {
    uint8_t said[4] = {0};
    if (bytes.length > 0) {
        memcpy(said, bytes.data, bytes.length < sizeof said ? bytes.length : sizeof said);
    }
    switch (step) {
    case STEP_JOIN:
        join(peer, PICK(names, said[0]), PICK(methods, said[1]));
        break;
    case STEP_CALL:
        say(peer, DAFFI_REQUEST, said[0], (said[3] & 1) == 0, PICK(names, said[1]), PICK(functions, said[2]),
            "{\"args\":[1],\"kwargs\":{}}");
        break;
    case STEP_ANSWER:
        answer(peer, said[0], (said[1] & 1) != 0);
        break;
    case STEP_FORGE:
        say(peer, DAFFI_RESPONSE, said[0], false, PICK(names, said[1]), "add",
            "{\"args\":[666],\"kwargs\":{}}");
        break;
    case STEP_RAW:
        feed(peer, bytes);
        break;
    case STEP_TURN:
        turn(said[0] % BRANCHES);
        break;
    case STEP_TIME:
        house.now += (uint64_t)said[0] * 1000;
        settle();
        break;
    case STEP_LEAVE:
        leave(peer);
        break;
    case STEP_CHANGE:
        shake(peer, CHANGE_ID, PICK(methods, said[0]));
        break;
    case STEP_FILL:
        peer->full = !peer->full;
        break;
    case STEPS:
        break;
    }
}

/* -- what must hold -- */

static bool is_there(const char *name) {
    for (size_t i = 0; i < PEERS; i++) {
        const struct peer *peer = &house.peers[i];
        if (peer->session != NULL && peer->opened && strcmp(peer->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void check_calls(const struct peer *peer) {
    for (size_t i = 0; peer->session != NULL && i < peer->calls_count; i++) {
        const struct made_call *call = &peer->calls[i];
        require(call->answered || call->given_up || is_there(call->receiver));
    }
}

static void start(void) {
    require(config_patterns_add(&exposing.expose, "*") == 0);
    log_start(CONFIG_LOG_ERROR, CONFIG_LOG_TEXT);
    house.config = config_new();
    house.memory.limit = 1 << 24;
    require(house.config != NULL && router_new("default", BRANCHES, &house.router) == 0);
    house.config->limits.calls_in_flight = 5;
    for (size_t i = 0; i < BRANCHES; i++) {
        struct bridge *bridge = &house.bridges[i];
        require(reactor_new(&house.memory, &bridge->reactor) == 0);
        bridge->config = house.config;
        require(router_add_branch(house.router, bridge, &house.backends[i]) == 0);
    }
    settle();
    house.memory_at_rest = atomic_load(&house.memory.used);
}

static void check_rest(void) {
    for (size_t i = 0; i < BRANCHES; i++) {
        const struct router_branch *branch =
            (const struct router_branch *)(const void *)((const char *)house.backends[i] -
                                                         offsetof(struct router_branch, backend));
        require(branch->first == NULL && branch->seats.count == 0 && branch->calls.count == 0);
        require(house.bridges[i].sessions == NULL && house.bridges[i].call_table.count == 0);
    }
    require(atomic_load(&house.memory.used) == house.memory_at_rest);
}

static uint64_t clock_of_house(void *argument) {
    (void)argument;
    return house.now;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    if (house.config == NULL) {
        start();
        for (size_t i = 0; i < BRANCHES; i++) {
            reactor_set_clock(house.bridges[i].reactor, clock_of_house, NULL);
        }
    }
    for (size_t i = 0; i < PEERS; i++) {
        house.peers[i] = (struct peer){0};
    }
    for (size_t at = 1; size - at >= 3;) {
        enum step step = data[at] % STEPS;
        struct peer *peer = &house.peers[data[at + 1] % PEERS];
        size_t length = data[at + 2];
        at += 3;
        length = length < size - at ? length : size - at;
        take_step(step, peer, daffi_span_of(data + at, length));
        at += length;
    }
    for (size_t i = 0; i < PEERS; i++) {
        settle();
        for (size_t j = 0; j < PEERS; j++) {
            check_calls(&house.peers[j]);
        }
        leave(&house.peers[(data[0] + i) % PEERS]);
    }
    settle();
    check_rest();
    return 0;
}
