/* The calls of a session that wait at a Python Router or Service, which says nothing of those it drops. */
#include "session_fixture.h"

static const char JOIN_W2[] = "{\"meta\":{\"type\":\"router\",\"error\":null},\"members\":[{\"name\":\"w2\","
                              "\"methods\":[\"add\",\"sub\"]}]}";

static struct daffi_message call_of(uint16_t uuid, const char *receiver, const char *function) {
    struct daffi_message call = make(DAFFI_REQUEST, "page", receiver, CALL);
    call.uuid = uuid;
    call.function = daffi_span_text(function);
    return call;
}

static void worker_answers(uint16_t uuid, const char *worker) {
    struct daffi_message answer = make(DAFFI_RESPONSE, worker, "page", ANSWER);
    answer.uuid = uuid;
    backend_says(answer);
}

static void event(const char *type, const char *member) {
    char text[128];
    snprintf(text, sizeof text, "{\"type\":\"%s\",\"member\":\"%s\"}", type, member);
    struct daffi_message news = make(DAFFI_EVENTS, "", "", text);
    news.uuid = 0;
    backend_says(news);
}

static void join(const char *payload) {
    struct daffi_message news = make(DAFFI_HANDSHAKE, "", "", payload);
    news.uuid = 0;
    backend_says(news);
}

/* The Router sends back what went up last: a probe. */
static void router_returns_probe(void) {
    time_passes(100);
    const struct daffi_message probe = read_told(&house->up, house->up.count - 1);
    assert_int_equal(probe.flag, DAFFI_RESPONSE);
    assert_text(probe.transmitter, "page");
    assert_text(probe.receiver, "page");
    assert_false(probe.return_result);
    backend_says(probe);
}

static uint64_t dropped_answers(void) {
    return counter_cell_read(&house->bridge.counters.cells[COUNTER_DROPPED_ANSWERS]);
}

static void expect_answer(uint16_t uuid) {
    const struct daffi_message answer = read_told(&house->down, house->down.count - 1);
    assert_int_equal(answer.flag, DAFFI_RESPONSE);
    assert_int_equal(answer.uuid, uuid);
}

static void a_call_to_a_known_member_just_goes(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    peer_says(call_of(7, "w1", "add"));
    assert_int_equal(house->up.count, 1);
    worker_answers(7, "w1");
    expect_answer(7);
    worker_answers(7, "w1"); /* once */
    worker_answers(8, "w1"); /* nobody asked */
    assert_int_equal(house->down.count, 1);
}

/* Answers go by the caller's name alone: one that was for the page before it, or that somebody else makes up, bears the name of
 * one that was not asked. */
static void an_answer_comes_from_who_was_called(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    join(JOIN_W2);
    house->down.count = 0;
    peer_says(call_of(7, "w2", "add"));
    worker_answers(7, "w1");
    struct daffi_message error =
        make(DAFFI_ERROR, "w1", "page", "{\"args\": [[\"E\", \"m\", \"t\", null]], \"kwargs\": {}}");
    error.uuid = 7;
    backend_says(error);
    worker_answers(7, "w");
    worker_answers(7, "w22");
    worker_answers(7, "page"); /* as a probe would be: not one of ours */
    assert_int_equal(house->down.count, 0);
    assert_int_equal(dropped_answers(), 4);
    worker_answers(7, "w2");
    expect_answer(7);
    assert_int_equal(house->down.count, 1);
    peer_says(call_of(8, "w2", "add"));
    worker_answers(8, "w1"); /* what is dropped ends no call */
    event("disconnected", "w2");
    assert_holds(read_told(&house->down, 1).payload, "Disconnected");
}

static void a_native_peer_hears_no_other_s_answer_either(void **state) {
    (void)state;
    open_session(GUARD_NATIVE);
    join(JOIN_W2);
    house->down.count = 0;
    peer_says(call_of(7, "w2", "add"));
    worker_answers(7, "w1");
    assert_int_equal(house->down.count, 0);
    worker_answers(7, "w2");
    expect_answer(7);
}

/* An ERROR of the native layer, wherever on the way it was made: a plain text, or of nobody. */
static void an_error_on_the_way_is_an_answer(void **state) {
    (void)state;
    static const struct {
        const char *transmitter;
        enum daffi_decoder decoder;
        const char *text;
    } errors[] = {
        {"", DAFFI_OPAQUE, "no room"},
        {"page", DAFFI_OPAQUE, "no route"},
        {"router", DAFFI_OPAQUE, "timed out"},
        {"", DAFFI_JSON, "{\"args\": [[\"E\", \"m\", \"gone\", null]], \"kwargs\": {}}"},
    };
    open_session(GUARD_BROWSER);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        const uint16_t uuid = (uint16_t)(10 + i);
        peer_says(call_of(uuid, "w1", "add"));
        struct daffi_message error = make(DAFFI_ERROR, errors[i].transmitter, "page", errors[i].text);
        error.uuid = uuid;
        error.decoder = errors[i].decoder;
        backend_says(error);
        assert_int_equal(house->down.count, i + 1);
        const struct daffi_message told = read_told(&house->down, i);
        assert_int_equal(told.flag, DAFFI_ERROR);
        assert_int_equal(told.uuid, uuid);
    }
    assert_int_equal(dropped_answers(), 0);
}

/* A member that calls itself. */
static void one_s_own_answer_is_from_oneself(void **state) {
    (void)state;
    open_session(GUARD_NATIVE);
    peer_says(call_of(7, "page", "add"));
    worker_answers(7, "w1");
    assert_int_equal(house->down.count, 0);
    worker_answers(7, "page");
    expect_answer(7);
}

static void who_is_not_there_when_the_probe_returns_was_not_there(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    peer_says(call_of(7, "w2", "add"));
    time_passes(99);
    assert_int_equal(house->up.count, 1); /* the call goes all the same, its probe not yet */
    assert_text(read_told(&house->up, 0).receiver, "w2");
    assert_int_equal(house->down.count, 0);
    router_returns_probe();
    assert_int_equal(house->down.count, 1);
    assert_refused(7, "NoSuchMember", "no member of that name");
    assert_text(read_told(&house->down, 0).transmitter, "w2");
    router_returns_probe(); /* it is over */
    assert_int_equal(house->down.count, 1);
    assert_int_equal(house->up.count, 2);
}

static void a_probe_that_is_not_ours_says_nothing(void **state) {
    (void)state;
    static char long_name[300];
    memset(long_name, 'n', sizeof long_name - 1);
    const char *const payloads[] = {"w2|w3", "\x90w2", long_name};
    open_session(GUARD_BROWSER);
    peer_says(call_of(7, "w2", "add"));
    for (size_t i = 0; i < 3; i++) {
        struct daffi_message probe = make(DAFFI_RESPONSE, "page", "page", payloads[i]);
        probe.uuid = 7;
        probe.decoder = DAFFI_OPAQUE;
        backend_says(probe);
    }
    assert_int_equal(house->down.count, 0);
    router_returns_probe();
    assert_refused(7, "NoSuchMember", "");
}

static void a_function_that_is_not_there_likewise(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    peer_says(call_of(7, "w1", "sub"));
    router_returns_probe();
    assert_refused(7, "NoSuchMethod", "does not expose");
}

/* Its news were on the way: the call is answered by the worker, or by its end. */
static void who_has_come_before_the_probe_is_waited_for(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    peer_says(call_of(7, "w2", "sub"));
    join(JOIN_W2);
    event("connected", "w2");
    house->down.count = 0;
    router_returns_probe();
    assert_int_equal(house->down.count, 0);
    worker_answers(7, "w2");
    expect_answer(7);
    peer_says(call_of(8, "w3", "sub"));
    house->down.count = 0;
    worker_answers(8, "w3"); /* before its probe, even, which is not needed then */
    expect_answer(8);
    house->up.count = 0;
    time_passes(100);
    assert_int_equal(house->up.count, 0);
}

static void a_member_without_functions_is_there(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    event("connected", "w5");
    peer_says(call_of(7, "w5", "add"));
    router_returns_probe();
    assert_refused(7, "NoSuchMethod", "");
}

static void what_waits_for_one_that_leaves_is_answered_before_the_news(void **state) {
    (void)state;
    static const char *const ways[] = {"disconnected", "evicted"};
    open_session(GUARD_BROWSER);
    for (size_t i = 0; i < 2; i++) {
        join(JOIN_W2);
        house->down.count = 0;
        peer_says(call_of(7, "w2", "add"));
        peer_says(call_of(8, "w1", "add"));
        peer_says(call_of(9, "w2", "sub"));
        event(ways[i], "w2");
        assert_int_equal(house->down.count, 3);
        assert_int_equal(read_told(&house->down, 0).uuid, 7);
        assert_holds(read_told(&house->down, 0).payload, "Disconnected");
        assert_int_equal(read_told(&house->down, 1).uuid, 9);
        assert_int_equal(read_told(&house->down, 2).flag, DAFFI_EVENTS);
        worker_answers(8, "w1");
        expect_answer(8);
        peer_says(call_of(7, "w2", "add"));
        router_returns_probe();
        assert_refused(7, "NoSuchMember", "");
        house->up.count = 0;
    }
}

/* A page that changes its functions is evicted by itself, and answers as before. */
static void what_waits_for_one_that_evicts_itself_waits_for_it(void **state) {
    (void)state;
    assert_int_equal(rejoins_new(&house->bridge.rejoins), 0);
    open_session(GUARD_BROWSER);
    for (size_t i = 0; i < 2; i++) {
        join(JOIN_W2);
        peer_says(call_of(7, "w2", "add"));
        peer_says(call_of(8, "w2", "add"));
        house->down.count = 0;
        rejoins_put(house->bridge.rejoins, "default", daffi_span_text("w2"), house->now);
        event("evicted", "w2");
        assert_int_equal(house->down.count, 1);
        assert_int_equal(read_told(&house->down, 0).flag, DAFFI_HANDSHAKE);
        if (i == 0) {
            join(JOIN_W2);
        }
        event("connected", "w2");
        worker_answers(7, "w2");
        expect_answer(7);
        house->down.count = 0;
        event("disconnected", "w2");
        assert_int_equal(house->down.count, 2);
        assert_int_equal(read_told(&house->down, 0).uuid, 8);
        assert_holds(read_told(&house->down, 0).payload, "Disconnected");
        house->up.count = 0;
    }
}

static void an_own_eviction_says_nothing_of_others(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    peer_says(call_of(7, "w1", "add"));
    event("evicted", "page");
    assert_int_equal(house->down.count, 1);
    worker_answers(7, "w1");
    expect_answer(7);
}

/* A member that is told of anew, without having left, owes what it owed; its new functions hold. */
static void a_member_may_change(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    join(JOIN_W2);
    peer_says(call_of(7, "w2", "sub"));
    join("{\"meta\":{\"type\":\"router\",\"error\":null},\"members\":[{\"name\":\"w2\",\"methods\":[\"add\"]}"
         "]}");
    worker_answers(7, "w2");
    expect_answer(7);
    peer_says(call_of(8, "w2", "sub"));
    router_returns_probe();
    assert_refused(8, "NoSuchMethod", "");
}

static void calls_in_flight_have_a_limit(void **state) {
    (void)state;
    house->config->limits.calls_in_flight = 3;
    open_session(GUARD_NATIVE);
    for (uint16_t uuid = 1; uuid <= 3; uuid++) {
        peer_says(call_of(uuid, "w1", "add"));
    }
    peer_says(call_of(4, "w1", "add"));
    assert_refused(4, "Busy", "3 calls wait for their answers already (calls_in_flight)");
    struct daffi_message nowait = call_of(5, "w1", "add");
    nowait.return_result = false;
    peer_says(nowait); /* waits for nothing */
    assert_int_equal(house->up.count, 4);
    worker_answers(2, "w1");
    peer_says(call_of(4, "w1", "add"));
    assert_int_equal(house->up.count, 5);
    peer_says(call_of(1, "w1", "add")); /* its caller has given the id to another */
    assert_int_equal(house->up.count, 6);
    house->down.count = 0;
    time_passes(59999);
    peer_says(call_of(6, "w1", "add"));
    assert_refused(6, "Busy", "");
    time_passes(1); /* the oldest makes way */
    peer_says(call_of(6, "w1", "add"));
    assert_int_equal(house->up.count, 7);
    assert_refused(3, "Busy", "no answer came for long");
}

/* Whoever uses one id over and over has no more probes on the way than calls. */
static void probes_have_a_limit_too(void **state) {
    (void)state;
    house->config->limits.calls_in_flight = 3;
    open_session(GUARD_BROWSER);
    for (int i = 0; i < 3; i++) {
        peer_says(call_of(7, "w9", "add"));
    }
    assert_int_equal(house->down.count, 0);
    peer_says(call_of(7, "w9", "add"));
    assert_refused(7, "Busy", "3 calls wait");
    session_close(house->session, 1001, "enough"); /* with probes that were to be sent */
}

/* A page asks "a" and is loaded anew; the new one asks "b" of the same worker with the same id. */
static void begin_anew(void) {
    session_on_closed(house->session, "loaded anew");
    assert_int_equal(reactor_turn(house->bridge.reactor, 0), 0);
    house->up.count = house->down.count = 0;
    house->opened = false;
    open_session(GUARD_BROWSER);
}

static void leave_a_call(uint16_t uuid) {
    assert_int_equal(unanswered_new(&house->bridge.unanswered), 0);
    open_session(GUARD_BROWSER);
    peer_says(call_of(uuid, "w1", "add"));
    assert_int_equal(read_told(&house->up, 0).uuid, uuid);
    begin_anew();
}

/* The id that the last call went up with. */
static uint16_t id_up(void) {
    return read_told(&house->up, house->up.count - 1).uuid;
}

static void a_page_does_not_hear_what_was_for_the_one_before_it(void **state) {
    (void)state;
    leave_a_call(10);
    for (int first = 0; first < 2; first++) {
        house->down.count = 0;
        peer_says(call_of(10, "w1", "add"));
        const struct daffi_message passed = read_told(&house->up, house->up.count - 1);
        const uint16_t id = passed.uuid;
        assert_int_not_equal(id, 10);
        assert_text(passed.transmitter, "page");
        assert_text(passed.receiver, "w1");
        assert_text(passed.function, "add");
        assert_text(passed.payload, CALL);
        assert_true(passed.return_result);
        worker_answers(10, "w1"); /* to the former */
        assert_int_equal(house->down.count, 0);
        worker_answers(id, "w1");
        assert_int_equal(house->down.count, 1);
        expect_answer(10);
        assert_text(read_told(&house->down, 0).payload, ANSWER);
        worker_answers(id, "w1");
        assert_int_equal(house->down.count, 1);
    }
}

static void all_that_a_page_hears_bears_its_own_ids(void **state) {
    (void)state;
    house->config->limits.calls_in_flight = 1;
    leave_a_call(10);
    static const struct {
        enum daffi_decoder decoder;
        const char *text;
    } errors[] = {{DAFFI_JSON, "{\"args\": [[\"E\", \"m\", \"t\", null]], \"kwargs\": {}}"},
                  {DAFFI_OPAQUE, "gone"},
                  {DAFFI_PICKLE, "nonsense"}};
    for (size_t i = 0; i < 3; i++) {
        house->down.count = 0;
        peer_says(call_of(10, "w1", "add"));
        struct daffi_message error = make(DAFFI_ERROR, "w1", "page", errors[i].text);
        error.uuid = id_up();
        error.decoder = errors[i].decoder;
        backend_says(error);
        assert_int_equal(house->down.count, 1);
        assert_int_equal(read_told(&house->down, 0).flag, DAFFI_ERROR);
        assert_int_equal(read_told(&house->down, 0).uuid, 10);
    }
    peer_says(call_of(10, "w1", "add"));
    struct daffi_message pickled = make(DAFFI_RESPONSE, "w1", "page", "\x80\x04N.");
    pickled.uuid = id_up();
    pickled.decoder = DAFFI_PICKLE;
    backend_says(pickled);
    assert_refused(10, "Refused", "PICKLE");

    peer_says(call_of(10, "w9", "add"));
    peer_says(call_of(11, "w1", "add"));
    assert_refused(11, "Busy", "1 calls wait");
    router_returns_probe();
    assert_refused(10, "NoSuchMember", "");
    peer_says(call_of(12, "w1", "sub"));
    router_returns_probe();
    assert_refused(12, "NoSuchMethod", "");
    house->send_result = -EBUSY;
    peer_says(call_of(13, "w1", "add"));
    assert_refused(13, "Busy", "");
    house->send_result = 0;
    peer_says(call_of(14, "w1", "add"));
    event("disconnected", "w1");
    const struct daffi_message told = read_told(&house->down, house->down.count - 2);
    assert_int_equal(told.uuid, 14);
    assert_holds(told.payload, "Disconnected");
}

static void calls_that_wait_for_nothing_go_the_same_way(void **state) {
    (void)state;
    leave_a_call(10);
    struct daffi_message nowait = call_of(11, "w1", "add");
    nowait.return_result = false;
    peer_says(nowait);
    peer_says(call_of(12, "w1", "add"));
    assert_int_equal(read_told(&house->up, 0).uuid + 1, read_told(&house->up, 1).uuid);
    nowait.uuid = 0; /* the one id that stays */
    peer_says(nowait);
    assert_int_equal(id_up(), 0);
}

static void what_was_answered_is_not_left(void **state) {
    (void)state;
    assert_int_equal(unanswered_new(&house->bridge.unanswered), 0);
    open_session(GUARD_BROWSER);
    peer_says(call_of(10, "w1", "add"));
    worker_answers(10, "w1");
    begin_anew();
    peer_says(call_of(10, "w1", "add"));
    assert_int_equal(id_up(), 10);
}

static void what_is_left_is_so_for_those_after_the_next_too(void **state) {
    (void)state;
    uint16_t left[8] = {10};
    leave_a_call(left[0]);
    for (size_t page = 1; page < 8; page++) {
        peer_says(call_of(10, "w1", "add"));
        left[page] = id_up();
        for (size_t before = 0; before < page; before++) {
            assert_int_not_equal(left[page], left[before]);
        }
        begin_anew();
    }
    peer_says(call_of(10, "w1", "add"));
    const uint16_t mine = id_up();
    for (size_t page = 0; page < 8; page++) {
        worker_answers(left[page], "w1");
    }
    assert_int_equal(house->down.count, 0);
    worker_answers(mine, "w1");
    expect_answer(10);
}

static void a_native_peer_hears_nothing_of_the_one_before_it_either(void **state) {
    (void)state;
    assert_int_equal(unanswered_new(&house->bridge.unanswered), 0);
    uint16_t left = 0;
    for (int i = 0; i < 2; i++) {
        house->down.count = house->up.count = 0;
        open_session(GUARD_NATIVE);
        peer_says(call_of(10, "w1", "add"));
        assert_int_equal(id_up() == 10, i == 0);
        if (i == 0) {
            left = id_up();
        } else {
            const uint16_t mine = id_up();
            worker_answers(left, "w1");
            assert_int_equal(house->down.count, 0);
            worker_answers(mine, "w1");
            expect_answer(10);
        }
        session_on_closed(house->session, "it ends");
        house->session = NULL;
        house->opened = false;
        assert_int_equal(reactor_turn(house->bridge.reactor, 0), 0);
    }
}

static void a_policy_may_say_less(void **state) {
    (void)state;
    static const struct config_policy one = {.calls_in_flight = 1};
    policy_add(&house->policy, &one);
    open_session(GUARD_BROWSER);
    peer_says(call_of(1, "w1", "add"));
    peer_says(call_of(2, "w1", "add"));
    assert_refused(2, "Busy", "1 calls wait");
}

static void a_call_that_found_no_room_does_not_wait(void **state) {
    (void)state;
    house->config->limits.calls_in_flight = 1;
    open_session(GUARD_BROWSER);
    house->send_result = -EBUSY;
    peer_says(call_of(1, "w1", "add"));
    assert_refused(1, "Busy", "waiting for the upstream");
    house->send_result = 0;
    peer_says(call_of(2, "w1", "add"));
    assert_int_equal(house->up.count, 1);
}

/* A Service names whoever comes, not who goes: it is asked about itself alone, and at once. */
static void a_service_is_its_own_only_member(void **state) {
    (void)state;
    static const char welcome[] =
        "{\"meta\":{\"type\":\"service\",\"error\":null},\"members\":[{\"name\":\"s\","
        "\"methods\":[\"add\"]},{\"name\":\"page\",\"methods\":null}]}";
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    backend_says(make(DAFFI_HANDSHAKE, "page", "", welcome));
    peer_says(call_of(7, "s", "sub"));
    assert_refused(7, "NoSuchMethod", "");
    assert_int_equal(house->up.count, 0);
    peer_says(call_of(8, "s", "add"));
    peer_says(call_of(9, "other", "add"));
    assert_int_equal(house->up.count, 2);
    worker_answers(8, "s");
    expect_answer(8);
    for (int i = 0; i < 20; i++) { /* names that come and go leave nothing behind */
        char text[256];
        snprintf(text, sizeof text,
                 "{\"meta\":{\"type\":\"service\",\"error\":null},\"members\":[{\"name\":\"s\",\"methods\":["
                 "\"add\"]},"
                 "{\"name\":\"p%d\",\"methods\":null}]}",
                 i);
        backend_says(make(DAFFI_HANDSHAKE, "somebody", "", text));
    }
    assert_int_equal(house->bridge.roster.count, 1);
}

static void names_that_nobody_has_need_no_probe(void **state) {
    (void)state;
    char name[300];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    open_session(GUARD_BROWSER);
    peer_says(call_of(7, "w1", name));
    assert_refused(7, "NoSuchMethod", "");
    assert_int_equal(house->up.count, 0);
}

static void a_backend_that_answers_is_left_to(void **state) {
    (void)state;
    house->backend.answers = true;
    open_session(GUARD_BROWSER);
    peer_says(call_of(7, "nobody", "add"));
    assert_int_equal(house->up.count, 1);
    worker_answers(9, "w1");
    expect_answer(9);
    assert_int_equal(house->bridge.roster.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_call_to_a_known_member_just_goes),
        CASE(an_answer_comes_from_who_was_called),
        CASE(a_native_peer_hears_no_other_s_answer_either),
        CASE(an_error_on_the_way_is_an_answer),
        CASE(one_s_own_answer_is_from_oneself),
        CASE(who_is_not_there_when_the_probe_returns_was_not_there),
        CASE(a_probe_that_is_not_ours_says_nothing),
        CASE(a_function_that_is_not_there_likewise),
        CASE(who_has_come_before_the_probe_is_waited_for),
        CASE(a_member_without_functions_is_there),
        CASE(what_waits_for_one_that_leaves_is_answered_before_the_news),
        CASE(what_waits_for_one_that_evicts_itself_waits_for_it),
        CASE(an_own_eviction_says_nothing_of_others),
        CASE(a_member_may_change),
        CASE(calls_in_flight_have_a_limit),
        CASE(probes_have_a_limit_too),
        CASE(a_page_does_not_hear_what_was_for_the_one_before_it),
        CASE(all_that_a_page_hears_bears_its_own_ids),
        CASE(calls_that_wait_for_nothing_go_the_same_way),
        CASE(what_was_answered_is_not_left),
        CASE(what_is_left_is_so_for_those_after_the_next_too),
        CASE(a_native_peer_hears_nothing_of_the_one_before_it_either),
        CASE(a_policy_may_say_less),
        CASE(a_call_that_found_no_room_does_not_wait),
        CASE(a_service_is_its_own_only_member),
        CASE(names_that_nobody_has_need_no_probe),
        CASE(a_backend_that_answers_is_left_to),
    };
    return cmocka_run_group_tests_name("calls of a session", tests, NULL, NULL);
}
