/* How news reach members when several come at once, and when many come for long: each hears all that is after its own welcome, in
 * their order, once; in portions where there are many; and before anything that is said because of them. */
#include "router_fixture.h"

enum { CROWD = 120 }; /* on each branch: two milliseconds of patience */

#define EVENT(type, member) "EVENTS 0 >  {\"type\":\"" type "\",\"member\":\"" member "\"}\n"

static const char *const ADD[] = {"add", NULL};

/* Without a turn of anybody's. */
static struct session *come(size_t branch, const char *name) {
    struct session *session = calloc(1, sizeof *session);
    assert_non_null(session);
    assert_int_equal(session_attach(session, branch, GUARD_NATIVE, name, NULL), 0);
    return session;
}

/* The news alone: not its own welcome. */
static void expect_news(struct session *session, const char *lines) {
    session->told[session->told_length] = '\0';
    const char *news = strstr(session->told, "EVENTS");
    assert_string_equal(news == NULL ? "" : news, lines);
    forget(session);
}

static void each_hears_what_is_after_its_welcome(void **state) {
    (void)state;
    for (size_t other = 0; other < BRANCHES; other++) {
        struct session *there = join(0, GUARD_NATIVE, "there", NULL);
        forget(there);
        struct session *a = come(0, "a"), *b = come(other, "b"), *c = come(0, "c");
        settle();
        if (other == 0) { /* in one order for all: they came by one thread */
            expect_news(there, EVENT("connected", "a") EVENT("connected", "b") EVENT("connected", "c"));
            expect_news(a, EVENT("connected", "b") EVENT("connected", "c"));
            expect_news(b, EVENT("connected", "c"));
        }
        expect_news(c, "");
        forget(there), forget(a), forget(b);
        session_detach(a); /* one goes as another comes */
        struct session *d = come(0, "d");
        settle();
        expect_news(there, EVENT("disconnected", "a") EVENT("connected", "d"));
        expect_news(d, "");
        forget(c), forget(b);
        free(a);
        leave(b), leave(c), leave(d), leave(there);
    }
}

static void who_comes_in_place_of_one_that_is_evicted_is_news_behind_that(void **state) {
    (void)state;
    struct session *old = join(0, GUARD_NATIVE, "x", NULL);
    forget(old);
    struct session *a = come(0, "a");
    session_leave(old, BACKEND_EVICTED);
    struct session *new = come(0, "x"), *b = come(0, "b");
    settle();
    expect_news(old, "");
    expect_news(a, EVENT("evicted", "x") EVENT("connected", "x") EVENT("connected", "b"));
    expect_news(new, EVENT("connected", "b"));
    free(old);
    leave(a), leave(new), leave(b);
}

/* Its callers hear that it has left behind all that was before. */
static void errors_come_behind_the_news_before_them(void **state) {
    (void)state;
    struct session *caller = join(0, GUARD_NATIVE, "caller", NULL);
    struct session *worker = join(0, GUARD_NATIVE, "w", ADD);
    say(caller, DAFFI_REQUEST, 9, "w", "[]");
    settle();
    forget(caller);
    struct session *a = come(0, "a");
    session_detach(worker);
    settle();
    caller->told[caller->told_length] = '\0';
    const char *joined = strstr(caller->told, EVENT("connected", "a"));
    const char *error = strstr(caller->told, "ERROR 9 ");
    const char *left = strstr(caller->told, EVENT("disconnected", "w"));
    assert_true(joined != NULL && error != NULL && left != NULL && joined < error && error < left);
    free(worker);
    leave(a), leave(caller);
}

static struct session *crowd[BRANCHES][CROWD];

static void gather(void) {
    for (size_t i = 0; i < CROWD; i++) {
        for (size_t branch = 0; branch < BRANCHES; branch++) {
            char name[32];
            snprintf(name, sizeof name, "m%zu.%zu", branch, i);
            crowd[branch][i] = come(branch, name);
            settle();
            for (size_t k = 0; k <= i; k++) {
                for (size_t of = 0; of < BRANCHES; of++) {
                    if (crowd[of][k] != NULL) {
                        forget(crowd[of][k]);
                    }
                }
            }
        }
    }
    house.now += 1000;
    settle();
    house.now += 1000;
    for (size_t i = 0; i < CROWD; i++) {
        for (size_t branch = 0; branch < BRANCHES; branch++) {
            forget(crowd[branch][i]);
        }
    }
}

static void disperse(void) {
    for (size_t i = 0; i < CROWD; i++) {
        for (size_t branch = 0; branch < BRANCHES; branch++) {
            session_detach(crowd[branch][i]);
            free(crowd[branch][i]);
            crowd[branch][i] = NULL;
            house.now += 1000;
            settle();
            for (size_t k = i; k < CROWD; k++) {
                for (size_t of = 0; of < BRANCHES; of++) {
                    if (crowd[of][k] != NULL) {
                        forget(crowd[of][k]);
                    }
                }
            }
        }
    }
}

static void many_are_told_in_portions(void **state) {
    (void)state;
    gather();
    struct session *a = come(0, "a");
    settle();
    expect_news(crowd[0][0], EVENT("connected", "a")); /* at once: it came alone */
    expect_news(crowd[1][0], EVENT("connected", "a"));
    struct session *b = come(1, "b"), *c = come(0, "c");
    settle();
    expect_news(crowd[0][0], "");
    expect_news(crowd[1][CROWD - 1], EVENT("connected", "a"));
    assert_int_equal(b->told_length, 0); /* nor is it welcomed */
    house.now += 1;
    settle();
    expect_news(crowd[0][0], "");
    house.now += 1;
    settle();
    expect_news(crowd[0][0], EVENT("connected", "b") EVENT("connected", "c"));
    expect_news(crowd[1][0], EVENT("connected", "b") EVENT("connected", "c"));
    assert_non_null(strstr(b->told, "HANDSHAKE 77 b>"));
    leave(a), leave(b), leave(c);
    disperse();
}

/* A message that crosses has the news before it told, whatever the time. */
static void no_message_waits(void **state) {
    (void)state;
    gather();
    struct session *worker = join(1, GUARD_NATIVE, "w", ADD);
    house.now += 1000;
    struct session *a = come(0, "a");
    settle();
    forget(worker);
    struct session *b = come(0, "b");
    settle();
    expect(worker, "");
    say(crowd[0][0], DAFFI_REQUEST, 3, "w", "[7]");
    settle();
    expect(worker, EVENT("connected", "b") "REQUEST 3 m0.0>w add [7]\n");
    leave(a), leave(b), leave(worker);
    disperse();
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_hears_what_is_after_its_welcome),
        TEST(who_comes_in_place_of_one_that_is_evicted_is_news_behind_that),
        TEST(errors_come_behind_the_news_before_them),
        TEST(many_are_told_in_portions),
        TEST(no_message_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
