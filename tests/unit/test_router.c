/* The router: who comes and goes, what they say, what it says itself; on one branch and across two. */
#include "router_fixture.h"

static const char *const ADD[] = {"sub", "add", NULL};

#define WELCOME(members)                                                                                     \
    "HANDSHAKE 77 %s>  {\"meta\":{\"type\":\"router\",\"error\":null},\"members\":[" members "]}\n"
#define JOINED(member)                                                                                       \
    "HANDSHAKE 0 >  {\"meta\":{\"type\":\"router\",\"error\":null},\"members\":[" member "]}\n"
#define EVENT(type, member) "EVENTS 0 >  {\"type\":\"" type "\",\"member\":\"" member "\"}\n"
#define W1                  "{\"name\":\"w1\",\"methods\":[\"sub\",\"add\"]}"
#define OWN(type, text)     "{\"args\": [[\"" type "\", \"daffi_bridge\", \"" text "\", null]], \"kwargs\": {}}\n"
#define LEFT                OWN("Disconnected", "the member that was called left before it answered")

static void expect_welcome(struct session *session, const char *format) {
    char lines[LINE_MAX_BYTES];
    const char *name = strstr(format, "%s");
    snprintf(lines, sizeof lines, "%.*s%s%s", (int)(name - format), format, session->name, name + 2);
    expect(session, lines);
}

static void newcomers_hear_of_all_and_all_of_them(void **state) {
    (void)state;
    struct session *a = join(0, GUARD_NATIVE, "a", NULL);
    expect_welcome(a, WELCOME("{\"name\":\"a\",\"methods\":null}"));
    struct session *w1 = join(1, GUARD_NATIVE, "w1", ADD);
    expect_welcome(w1, WELCOME("{\"name\":\"a\",\"methods\":null}," W1));
    expect(a, JOINED(W1) EVENT("connected", "w1"));
    static const char *const none[] = {NULL};
    struct session *page = join(0, GUARD_BROWSER, "page", none);
    expect_welcome(page,
                   WELCOME("{\"name\":\"a\",\"methods\":null}," W1 ",{\"name\":\"page\",\"methods\":null}"));
    expect(a, EVENT("connected", "page"));
    expect(w1, EVENT("connected", "page"));
    leave(a); /* the last takes its place, as in the real Router */
    expect(w1, EVENT("disconnected", "a"));
    expect(page, EVENT("disconnected", "a"));
    struct session *b = join(1, GUARD_NATIVE, "b", NULL);
    expect_welcome(b,
                   WELCOME("{\"name\":\"page\",\"methods\":null}," W1 ",{\"name\":\"b\",\"methods\":null}"));
    leave(b);
    leave(page);
    leave(w1);
}

/* As a session leaves when it has to make way for a native peer of its name. */
static void one_that_is_evicted_makes_way(void **state) {
    (void)state;
    for (size_t other = 0; other < BRANCHES; other++) {
        struct session *a = join(0, GUARD_NATIVE, "a", NULL);
        struct session *old = join(1, GUARD_NATIVE, "w1", ADD);
        struct session *last = join(0, GUARD_NATIVE, "z", NULL);
        say(a, DAFFI_REQUEST, 5, "w1", "[1]");
        settle();
        forget(a);
        forget(old);
        forget(last);
        session_leave(old, BACKEND_EVICTED);
        struct session *new = join(other, GUARD_NATIVE, "w1", ADD);
        expect(a, "ERROR 5 w1>a  " LEFT EVENT("evicted", "w1") JOINED(W1) EVENT("connected", "w1"));
        expect(last, EVENT("evicted", "w1") JOINED(W1) EVENT("connected", "w1"));
        expect(old, "");
        expect_welcome(new,
                       WELCOME("{\"name\":\"a\",\"methods\":null},{\"name\":\"z\",\"methods\":null}," W1));
        leave(old);
        expect(a, "");
        leave(new);
        leave(last);
        leave(a);
    }
}

static void nobody_gets_a_taken_name(void **state) {
    (void)state;
    static const enum guard_kind kinds[] = {GUARD_BROWSER, GUARD_NATIVE};
    struct session *a = join(0, GUARD_NATIVE, "a", NULL);
    forget(a);
    for (size_t i = 0; i < 2; i++) {
        struct session *other = join(1, kinds[i], "a", NULL);
        expect(other, "LOST 1008 the name is taken: a member that is called so is connected\n");
        expect(a, "");
        leave(other);
        expect(a, "");
    }
    leave(a);
}

static void a_session_that_ends_before_it_is_welcomed(void **state) {
    (void)state;
    struct session *a = join(0, GUARD_NATIVE, "a", NULL);
    forget(a);
    struct session *short_one = calloc(1, sizeof *short_one);
    assert_int_equal(session_attach(short_one, 1, GUARD_NATIVE, "w1", ADD), 0);
    session_detach(short_one);
    settle();
    expect(short_one, "");
    free(short_one);
    expect(a, JOINED(W1) EVENT("connected", "w1") EVENT("disconnected", "w1"));
    leave(a);
}

/* What is under way stays so, both ways; whoever has not heard of it yet finds the new functions all the same. */
static void functions_change_in_place(void **state) {
    (void)state;
    static const char *const MUL[] = {"mul", NULL};
    for (size_t where = 0; where < BRANCHES; where++) {
        struct session *a = join(0, GUARD_NATIVE, "a", ADD);
        struct session *page = join(where, GUARD_BROWSER, "page", ADD);
        say(a, DAFFI_REQUEST, 5, "page", "[1]");
        say(page, DAFFI_REQUEST, 6, "a", "[2]");
        settle();
        forget(a);
        forget(page);
        assert_int_equal(session_shake(page, 78, MUL), 0);
        assert_int_equal(session_shake(page, 79, ADD), -EBUSY);
        expect(page, ""); /* not from within */
        struct daffi_message mul = message_of(a, DAFFI_REQUEST, 7, "page", "[3]");
        mul.function = daffi_span_text("mul");
        assert_int_equal(session_say(a, &mul), 0);
        settle();
        expect(a, JOINED("{\"name\":\"page\",\"methods\":[\"mul\"]}") EVENT("connected", "page"));
        expect(page,
               "HANDSHAKE 78 page>  {\"meta\":{\"type\":\"router\",\"error\":null},\"members\":["
               "{\"name\":\"a\",\"methods\":[\"sub\",\"add\"]},{\"name\":\"page\",\"methods\":[\"mul\"]}]}\n"
               "REQUEST 7 a>page mul [3]\n");
        say(page, DAFFI_RESPONSE, 5, "a", "[one]");
        say(a, DAFFI_RESPONSE, 6, "page", "[two]");
        settle();
        expect(a, "RESPONSE 5 page>a add [one]\n");
        expect(page, "RESPONSE 6 a>page add [two]\n");
        say(a, DAFFI_REQUEST, 8, "page", "[4]");
        settle();
        expect(a, "ERROR 8 page>a add " OWN("NoSuchMethod", "the member does not expose that function"));
        assert_int_equal(session_shake(page, 80, NULL), 0);
        leave(page); /* before it is answered */
        expect(a, JOINED("{\"name\":\"page\",\"methods\":null}")
                      EVENT("connected", "page") "ERROR 7 page>a  " LEFT EVENT("disconnected", "page"));
        struct session *b = join(where, GUARD_NATIVE, "b", NULL);
        expect_welcome(b, WELCOME("{\"name\":\"a\",\"methods\":[\"sub\",\"add\"]},{\"name\":\"b\","
                                  "\"methods\":null}"));
        leave(b);
        leave(a);
    }
}

/* -- calls -- */

static void calls_are_answered_once_by_who_was_asked(void **state) {
    (void)state;
    for (size_t where = 0; where < BRANCHES; where++) {
        struct session *a = join(0, GUARD_BROWSER, "a", NULL);
        struct session *w1 = join(where, GUARD_NATIVE, "w1", ADD);
        struct session *w2 = join(0, GUARD_NATIVE, "w2", ADD);
        forget(a);
        forget(w1);
        forget(w2);
        say(a, DAFFI_REQUEST, 5, "w1", "[1]");
        settle();
        expect(w1, "REQUEST 5 a>w1 add [1]\n");
        say(w2, DAFFI_RESPONSE, 5, "a", "[666]"); /* was not asked */
        say(w1, DAFFI_RESPONSE, 6, "a", "[666]"); /* not that */
        say(w1, DAFFI_RESPONSE, 5, "nobody", "[666]");
        settle();
        expect(a, "");
        say(w1, DAFFI_RESPONSE, 5, "a", "[3]");
        say(w1, DAFFI_RESPONSE, 5, "a", "[4]"); /* a second time */
        say(w1, DAFFI_ERROR, 5, "a", "[4]");
        settle();
        expect(a, "RESPONSE 5 w1>a add [3]\n");
        say(a, DAFFI_REQUEST, 5, "w1", "[2]"); /* the id is free again */
        settle();
        say(w1, DAFFI_ERROR, 5, "a", "[no]");
        settle();
        expect(a, "ERROR 5 w1>a add [no]\n");
        expect(w1, "REQUEST 5 a>w1 add [2]\n");
        leave(w2);
        leave(w1);
        leave(a);
    }
}

static void one_that_gives_an_id_away_again_has_given_the_first_call_up(void **state) {
    (void)state;
    struct session *a = join(0, GUARD_NATIVE, "a", NULL);
    struct session *w1 = join(0, GUARD_NATIVE, "w1", ADD);
    struct session *w2 = join(1, GUARD_NATIVE, "w2", ADD);
    say(a, DAFFI_REQUEST, 5, "w1", "[1]");
    say(a, DAFFI_REQUEST, 5, "w2", "[2]");
    settle();
    forget(a);
    say(w1, DAFFI_RESPONSE, 5, "a", "[late]");
    say(w2, DAFFI_RESPONSE, 5, "a", "[2]");
    settle();
    expect(a, "RESPONSE 5 w2>a add [2]\n");
    leave(w2);
    leave(w1);
    leave(a);
}

static void calls_that_can_not_be_made_are_answered_at_once(void **state) {
    (void)state;
    struct session *a = join(0, GUARD_NATIVE, "a", NULL);
    struct session *w1 = join(1, GUARD_NATIVE, "w1", (const char *const[]){"mul", NULL});
    forget(a);
    forget(w1);
    say(a, DAFFI_REQUEST, 5, "nobody", "[1]");
    expect(a, ""); /* not from within */
    settle();
    expect(a, "ERROR 5 nobody>a add " OWN("NoSuchMember", "no member of that name is connected"));
    say(a, DAFFI_REQUEST, 6, "w1", "[1]");
    settle();
    expect(a, "ERROR 6 w1>a add " OWN("NoSuchMethod", "the member does not expose that function"));
    expect(w1, "");
    struct daffi_message nowait = message_of(a, DAFFI_REQUEST, 7, "nobody", "[1]");
    nowait.return_result = false;
    assert_int_equal(session_say(a, &nowait), 0);
    settle();
    expect(a, ""); /* nobody waits */
    leave(w1);
    leave(a);
}

/* The caller's branch has not read the news of its receiver yet. */
static void a_receiver_that_has_just_come_is_found(void **state) {
    (void)state;
    struct session *a = join(0, GUARD_NATIVE, "a", NULL);
    struct session *w1 = calloc(1, sizeof *w1);
    assert_non_null(w1);
    assert_int_equal(session_attach(w1, 1, GUARD_NATIVE, "w1", ADD), 0);
    assert_int_equal(reactor_turn(house.bridges[1].reactor, 0), 0);
    forget(a);
    forget(w1);
    say(a, DAFFI_REQUEST, 5, "w1", "[1]");
    settle();
    expect(w1, "REQUEST 5 a>w1 add [1]\n");
    expect(a, JOINED(W1) EVENT("connected", "w1"));
    leave(w1);
    leave(a);
}

static void a_call_of_oneself_comes_back(void **state) {
    (void)state;
    struct session *w1 = join(0, GUARD_NATIVE, "w1", ADD);
    forget(w1);
    say(w1, DAFFI_REQUEST, 5, "w1", "[1]");
    expect(w1, "");
    settle();
    expect(w1, "REQUEST 5 w1>w1 add [1]\n");
    say(w1, DAFFI_RESPONSE, 5, "w1", "[3]");
    settle();
    expect(w1, "RESPONSE 5 w1>w1 add [3]\n");
    leave(w1);
}

static void nowait_calls_have_no_answer(void **state) {
    (void)state;
    struct session *a = join(0, GUARD_NATIVE, "a", NULL);
    struct session *w1 = join(1, GUARD_NATIVE, "w1", ADD);
    forget(a);
    forget(w1);
    struct daffi_message nowait = message_of(a, DAFFI_REQUEST, 7, "w1", "[1]");
    nowait.return_result = false;
    assert_int_equal(session_say(a, &nowait), 0);
    settle();
    expect(w1, "REQUEST 7 a>w1 add [1]\n");
    say(w1, DAFFI_RESPONSE, 7, "a", "[3]");
    settle();
    expect(a, "");
    leave(w1);
    leave(a);
}

static void who_waits_for_one_that_leaves_hears_it_before_the_news(void **state) {
    (void)state;
    struct session *a = join(0, GUARD_NATIVE, "a", NULL);
    struct session *b = join(1, GUARD_BROWSER, "b", NULL);
    struct session *w1 = join(1, GUARD_NATIVE, "w1", ADD);
    say(a, DAFFI_REQUEST, 5, "w1", "[1]");
    say(b, DAFFI_REQUEST, 6, "w1", "[1]");
    say(b, DAFFI_REQUEST, 7, "w1", "[1]");
    settle();
    say(w1, DAFFI_RESPONSE, 7, "b", "[3]");
    settle();
    forget(a);
    forget(b);
    say(a, DAFFI_REQUEST, 8, "w1", "[1]"); /* on its way as it leaves */
    leave(w1);
    expect(a, "ERROR 8 w1>a  " LEFT "ERROR 5 w1>a  " LEFT EVENT("disconnected", "w1"));
    expect(b, "ERROR 6 w1>b  " LEFT EVENT("disconnected", "w1"));
    leave(b);
    leave(a);
}

static void one_that_has_left_is_sent_nothing(void **state) {
    (void)state;
    struct session *a = join(0, GUARD_NATIVE, "a", NULL);
    struct session *w1 = join(1, GUARD_NATIVE, "w1", ADD);
    say(a, DAFFI_REQUEST, 5, "w1", "[1]");
    settle();
    session_detach(a);
    forget(a);
    say(w1, DAFFI_RESPONSE, 5, "a", "[3]");
    settle();
    expect(a, "");
    free(a);
    leave(w1);
}

/* -- bounds -- */

static void calls_in_flight_are_bounded_and_given_up_in_time(void **state) {
    (void)state;
    house.config->limits.calls_in_flight = 2;
    struct session *a = join(0, GUARD_NATIVE, "a", NULL);
    struct session *w1 = join(1, GUARD_NATIVE, "w1", ADD);
    forget(a);
    say(a, DAFFI_REQUEST, 5, "w1", "[1]");
    house.now += 1000;
    say(a, DAFFI_REQUEST, 6, "w1", "[1]");
    say(a, DAFFI_REQUEST, 7, "w1", "[1]");
    settle();
    expect(a, "ERROR 7 w1>a add " OWN("Busy", "too many calls of this member wait for their answers "
                                              "(limits.calls_in_flight)"));
    house.now += 59000; /* a minute after the first */
    settle();
    forget(w1);
    say(a, DAFFI_REQUEST, 8, "w1", "[1]");
    settle();
    expect(a, "ERROR 5 w1>a  " OWN("Busy", "no answer came for long, and too many later calls wait "
                                           "(limits.calls_in_flight)"));
    expect(w1, "REQUEST 8 a>w1 add [1]\n");
    say(w1, DAFFI_RESPONSE, 5, "a", "[late]");
    say(w1, DAFFI_RESPONSE, 6, "a", "[3]");
    settle();
    expect(a, "RESPONSE 6 w1>a add [3]\n");
    leave(w1);
    leave(a);
}

static void one_whose_queue_is_full_is_busy(void **state) {
    (void)state;
    for (size_t where = 0; where < BRANCHES; where++) {
        struct session *a = join(0, GUARD_NATIVE, "a", NULL);
        struct session *w1 = join(where, GUARD_NATIVE, "w1", ADD);
        forget(a);
        forget(w1);
        w1->queued = house.config->limits.queue_bytes - 10;
        say(a, DAFFI_REQUEST, 5, "w1", "[1]");
        settle();
        expect(w1, "");
        expect(a, "ERROR 5 w1>a add " OWN("Busy", "the member has too much waiting for it: try again later"));
        w1->queued = 0;
        say(a, DAFFI_REQUEST, 5, "w1", "[1]");
        settle();
        expect(w1, "REQUEST 5 a>w1 add [1]\n");
        leave(w1);
        leave(a);
    }
}

/* Nobody turns the other's reactor: what is for it piles up. */
static void what_is_on_its_way_is_bounded(void **state) {
    (void)state;
    struct session *a = join(0, GUARD_NATIVE, "a", NULL);
    house.config->limits.queue_bytes = 1 << 26;
    struct session *w1 = join(1, GUARD_NATIVE, "w1", ADD);
    enum { SIZE = 8 << 20 };
    char *large = malloc(SIZE + 1);
    memset(large, 'x', SIZE);
    large[SIZE] = '\0';
    w1->queued = house.config->limits.queue_bytes; /* so that it is not kept */
    forget(a);
    unsigned passed = 0;
    for (uint16_t uuid = 1; uuid <= 12; uuid++) {
        const struct daffi_message message = message_of(a, DAFFI_REQUEST, uuid, "w1", large);
        assert_int_equal(session_say(a, &message), 0);
        assert_int_equal(reactor_turn(house.bridges[0].reactor, 0), 0);
        passed += a->told_length == 0;
    }
    assert_int_equal(passed, 8);
    const char *end = strchr(a->told, '\n');
    assert_non_null(end);
    a->told_length = (size_t)(end + 1 - a->told);
    expect(a, "ERROR 9 w1>a add " OWN("Busy", "too much is on its way in the bridge: try again later"));
    free(large);
    settle();
    forget(a);
    w1->queued = 0;
    say(a, DAFFI_REQUEST, 20, "w1", "[1]");
    settle();
    forget(w1);
    say(w1, DAFFI_RESPONSE, 20, "a", "[3]");
    settle();
    expect(a, "RESPONSE 20 w1>a add [3]\n");
    leave(w1);
    leave(a);
}

/* -- many -- */

static void many_members_come_and_go(void **state) {
    (void)state;
    enum { MANY = 300 };
    static struct session *sessions[MANY];
    for (size_t i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%zu", i);
        sessions[i] = join(i % BRANCHES, GUARD_NATIVE, name, i % 3 == 0 ? ADD : NULL);
        for (size_t k = 0; k <= i; k++) {
            forget(sessions[k]);
        }
    }
    for (size_t i = 0; i < MANY; i++) {
        say(sessions[i], DAFFI_REQUEST, (uint16_t)(i + 1), "m123", "[1]");
    }
    settle();
    for (size_t i = 0; i < MANY; i++) {
        say(sessions[123], DAFFI_RESPONSE, (uint16_t)(i + 1), sessions[i]->name, "[3]");
    }
    settle();
    for (size_t i = 0; i < MANY; i++) {
        assert_non_null(strstr(sessions[i]->told, "[3]\n"));
    }
    for (size_t i = 0; i < MANY; i++) {
        for (size_t k = i; k < MANY; k++) {
            forget(sessions[k]);
        }
        leave(sessions[i]);
    }
    house.now += 1000; /* the last portion of this crowd's news is told */
    settle();
    struct session *last = join(0, GUARD_NATIVE, "last", NULL);
    expect_welcome(last, WELCOME("{\"name\":\"last\",\"methods\":null}"));
    leave(last);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(newcomers_hear_of_all_and_all_of_them),
        TEST(one_that_is_evicted_makes_way),
        TEST(nobody_gets_a_taken_name),
        TEST(a_session_that_ends_before_it_is_welcomed),
        TEST(functions_change_in_place),
        TEST(calls_are_answered_once_by_who_was_asked),
        TEST(one_that_gives_an_id_away_again_has_given_the_first_call_up),
        TEST(calls_that_can_not_be_made_are_answered_at_once),
        TEST(a_receiver_that_has_just_come_is_found),
        TEST(a_call_of_oneself_comes_back),
        TEST(nowait_calls_have_no_answer),
        TEST(who_waits_for_one_that_leaves_hears_it_before_the_news),
        TEST(one_that_has_left_is_sent_nothing),
        TEST(calls_in_flight_are_bounded_and_given_up_in_time),
        TEST(one_whose_queue_is_full_is_busy),
        TEST(what_is_on_its_way_is_bounded),
        TEST(many_members_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
