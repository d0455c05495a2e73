/* The router under threads: a reactor each, members that come, go, change, are evicted, call, answer late or never. No call is
 * lost in silence: whoever stays hears of each of its calls exactly once. For ThreadSanitizer above all. */
#include <pthread.h>

#include "router_fixture.h"

/* cmocka's assertions are for its own thread. */
#define CHECK(what)                                                                                          \
    do {                                                                                                     \
        if (!(what)) {                                                                                       \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                                       \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

enum { ACTORS = 12, NAMES = 20, TURNS = 400, UUIDS = 4096, HELD_MAX = 64, ROUNDS = 4 };

struct held { /* a call that waits for its answer here */
    uint16_t uuid;
    char caller[16];
};

struct actor {
    struct session session;
    struct floor *floor;
    bool open; /* it has been welcomed */
    uint16_t next;
    bool waits[UUIDS];
    size_t waiting;
    struct held held[HELD_MAX];
    size_t held_count;
};

struct floor {
    size_t branch;
    uint32_t random;
    int turns;
    size_t answered;
    struct actor actors[ACTORS];
};

static struct floor *floors;
static atomic_size_t arrived;

static uint32_t draw(struct floor *floor, uint32_t below) {
    floor->random = floor->random * 1664525U + 1013904223U;
    return (floor->random >> 8) % below;
}

static void answer(struct actor *actor, const struct held *held) {
    const struct daffi_message message =
        message_of(&actor->session, DAFFI_RESPONSE, held->uuid, held->caller, "[3]");
    session_say(&actor->session, &message);
}

static void on_message(struct session *session, const struct daffi_message *message) {
    struct actor *actor = (struct actor *)(void *)session;
    if (message->flag == DAFFI_REQUEST) {
        struct held held = {.uuid = message->uuid};
        snprintf(held.caller, sizeof held.caller, "%.*s", SPAN(message->transmitter));
        if (actor->held_count < HELD_MAX && draw(actor->floor, 3) == 0) {
            actor->held[actor->held_count++] = held;
        } else {
            answer(actor, &held);
        }
    } else if (message->flag == DAFFI_HANDSHAKE) {
        actor->open = actor->open || message->uuid == 77;
    } else if (message->flag == DAFFI_RESPONSE || message->flag == DAFFI_ERROR) {
        CHECK(actor->waits[message->uuid]); /* once, and only what was asked */
        actor->waits[message->uuid] = false;
        actor->waiting--;
        actor->floor->answered++;
    }
}

static void come(struct actor *actor) {
    static const char *const methods[] = {"add", NULL};
    char name[16];
    struct floor *floor = actor->floor;
    snprintf(name, sizeof name, "n%u", draw(floor, NAMES));
    *actor = (struct actor){.floor = floor, .session.on_message = on_message};
    assert_int_equal(session_attach(&actor->session, floor->branch,
                                    draw(floor, 4) == 0 ? GUARD_BROWSER : GUARD_NATIVE, name, methods),
                     0);
}

static void call(struct actor *actor) {
    char receiver[16];
    snprintf(receiver, sizeof receiver, "n%u", draw(actor->floor, NAMES));
    if (actor->next + 1 >= UUIDS) {
        return;
    }
    actor->next++;
    const struct daffi_message message =
        message_of(&actor->session, DAFFI_REQUEST, actor->next, receiver, "[1]");
    actor->waits[actor->next] = true;
    actor->waiting++;
    CHECK(session_say(&actor->session, &message) == 0);
}

static void change(struct actor *actor) {
    static const char *const lists[][3] = {{NULL}, {"add", NULL}, {"add", "mul", NULL}};
    int status = session_shake(&actor->session, 78, lists[draw(actor->floor, 3)]);
    CHECK(status == 0 || status == -EBUSY);
}

static void act(void *argument) {
    struct floor *floor = argument;
    for (size_t i = 0; i < 16; i++) {
        struct actor *actor = &floor->actors[draw(floor, ACTORS)];
        if (actor->session.attachment == NULL) {
            come(actor);
        } else if (draw(floor, 24) == 0) {
            session_leave(&actor->session, draw(floor, 2) == 0 ? BACKEND_EVICTED : BACKEND_DISCONNECTED);
        } else if (!actor->open) {
            continue;
        } else if (draw(floor, 24) == 0) {
            change(actor);
        } else if (actor->held_count > 0 && draw(floor, 2) == 0) {
            answer(actor, &actor->held[--actor->held_count]);
        } else {
            call(actor);
        }
    }
    if (floor->turns++ < TURNS) {
        CHECK(reactor_post(house.bridges[floor->branch].reactor, act, floor) == 0);
    } else {
        atomic_fetch_add(&arrived, 1);
    }
}

static void answer_all(void *argument) {
    struct floor *floor = argument;
    for (size_t i = 0; i < ACTORS; i++) {
        struct actor *actor = &floor->actors[i];
        while (actor->session.attachment != NULL && actor->held_count > 0) {
            answer(actor, &actor->held[--actor->held_count]);
        }
    }
    atomic_fetch_add(&arrived, 1);
}

static void pass(void *argument) {
    (void)argument;
    atomic_fetch_add(&arrived, 1);
}

static void leave_all(void *argument) {
    struct floor *floor = argument;
    for (size_t i = 0; i < ACTORS; i++) {
        struct actor *actor = &floor->actors[i];
        if (actor->session.attachment != NULL) {
            CHECK(actor->waiting == 0);
            session_detach(&actor->session);
        }
    }
    atomic_fetch_add(&arrived, 1);
}

static void *run(void *argument) {
    reactor_run(argument);
    return NULL;
}

/* On all floors, and waits for them. */
static void on_all_floors(void (*what)(void *argument)) {
    atomic_store(&arrived, 0);
    for (size_t i = 0; i < BRANCHES; i++) {
        assert_int_equal(reactor_post(house.bridges[i].reactor, what, &floors[i]), 0);
    }
    while (atomic_load(&arrived) < BRANCHES) {
        sched_yield();
    }
}

static void no_call_is_lost(void **state) {
    (void)state;
    pthread_t threads[BRANCHES];
    floors = calloc(BRANCHES, sizeof *floors);
    assert_non_null(floors);
    for (size_t i = 0; i < BRANCHES; i++) {
        floors[i].branch = i;
        floors[i].random = (uint32_t)i + 7;
        for (size_t k = 0; k < ACTORS; k++) {
            floors[i].actors[k].floor = &floors[i];
        }
        assert_int_equal(pthread_create(&threads[i], NULL, run, house.bridges[i].reactor), 0);
    }
    on_all_floors(act);
    /* What is answered may be answered on the other floor, and what is on its way be held there. */
    for (int round = 0; round < ROUNDS; round++) {
        on_all_floors(answer_all);
        on_all_floors(pass);
        on_all_floors(pass);
    }
    on_all_floors(leave_all);
    size_t answered = 0;
    for (size_t i = 0; i < BRANCHES; i++) {
        reactor_stop(house.bridges[i].reactor);
        pthread_join(threads[i], NULL);
        answered += floors[i].answered;
    }
    assert_true(answered > TURNS);
    free(floors);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(no_call_is_lost, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
