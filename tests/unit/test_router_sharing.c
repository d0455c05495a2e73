/* What the router does once for all, and what it holds while it does it: news are encoded once, however many hear of them, and told
 * from the same bytes on each branch; messages take no lock of the router's, and no byte moves to a member under one. */
#include <pthread.h>

#include "bridge/session/own_message.h"
#include "router_fixture.h"

enum { CROWD = 40 };

static size_t encodings;
static size_t locks;
static size_t held; /* locks, just now */

int __real_own_message_event(const struct daffi_message *envelope, const struct daffi_event *event,
                             struct own_message *ret_message);
int __wrap_own_message_event(const struct daffi_message *envelope, const struct daffi_event *event,
                             struct own_message *ret_message);
int __wrap_own_message_event(const struct daffi_message *envelope, const struct daffi_event *event,
                             struct own_message *ret_message) {
    encodings++;
    return __real_own_message_event(envelope, event, ret_message);
}

int __real_own_message_handshake(const struct daffi_message *envelope,
                                 const struct daffi_handshake *handshake, struct own_message *ret_message);
int __wrap_own_message_handshake(const struct daffi_message *envelope,
                                 const struct daffi_handshake *handshake, struct own_message *ret_message);
int __wrap_own_message_handshake(const struct daffi_message *envelope,
                                 const struct daffi_handshake *handshake, struct own_message *ret_message) {
    encodings++;
    return __real_own_message_handshake(envelope, handshake, ret_message);
}

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex) {
    locks++;
    held++;
    return __real_pthread_mutex_lock(mutex);
}

int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex) {
    held--;
    return __real_pthread_mutex_unlock(mutex);
}

static const uint8_t *told_from[16]; /* where news stood */
static size_t told, places;          /* how often, and from how many places */

static void on_message(struct session *session, const struct daffi_message *message) {
    (void)session;
    assert_int_equal(held, 0);
    told++;
    size_t place = 0;
    while (place < places && told_from[place] != message->payload.data) {
        place++;
    }
    if (place == places && places < sizeof told_from / sizeof *told_from) {
        told_from[places++] = message->payload.data;
    }
}

static void forget_all(void) {
    encodings = locks = told = places = 0;
}

static struct session *listener_of(size_t number) {
    char name[16];
    snprintf(name, sizeof name, "m%zu", number);
    struct session *session = join(number % BRANCHES, GUARD_NATIVE, name, NULL);
    session->on_message = on_message;
    return session;
}

/* A newcomer's news are written as it comes, and not again; all hear them from the same bytes, one branch after the other. */
static void news_are_encoded_once_for_all(void **state) {
    (void)state;
    static const char *const methods[] = {"add", NULL};
    struct session *crowd[CROWD];
    size_t for_few = 0;
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = listener_of(i);
        if (i != 1 && i != CROWD - 1) {
            continue;
        }
        forget_all();
        struct session *newcomer = join(0, GUARD_NATIVE, "newcomer", methods);
        assert_int_equal(told, 2 * (i + 1));    /* its functions, and that it is there */
        assert_int_equal(places, 2 * BRANCHES); /* which each branch tells one after the other */
        size_t written = encodings;
        if (for_few == 0) {
            for_few = written;
        }
        assert_int_equal(written, for_few);
        forget_all();
        leave(newcomer);
        assert_int_equal(told, i + 1);
        assert_int_equal(places, BRANCHES);
        assert_int_equal(encodings, 0);
    }
    for (size_t i = 0; i < CROWD; i++) {
        leave(crowd[i]);
    }
}

/* What crosses to another reactor wakes it by the reactor's own lock, held for a pointer; on one reactor there is none at all. */
static void no_lock_is_held_while_messages_move(void **state) {
    (void)state;
    static const char *const methods[] = {"add", NULL};
    for (size_t where = 0; where < BRANCHES; where++) {
        struct session *caller = join(0, GUARD_NATIVE, "caller", NULL);
        struct session *worker = join(where, GUARD_NATIVE, "worker", methods);
        caller->on_message = worker->on_message = on_message;
        forget_all();
        say(caller, DAFFI_REQUEST, 5, "worker", "[1]");
        if (where == 0) {
            assert_int_equal(told, 1);
            say(worker, DAFFI_RESPONSE, 5, "caller", "[3]");
            assert_int_equal(told, 2);
            assert_int_equal(locks, 0);
        } else {
            assert_int_equal(locks, 1);
            settle();
            say(worker, DAFFI_RESPONSE, 5, "caller", "[3]");
            settle();
            assert_int_equal(told, 2);
        }
        leave(worker);
        leave(caller);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(news_are_encoded_once_for_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_lock_is_held_while_messages_move, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
