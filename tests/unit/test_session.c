/* A session between a scripted transport and a scripted backend: every state, every way out of it. */
#include "bridge/session/own_message.h"
#include "session_fixture.h"

/* -- the handshake -- */

static void a_handshake_is_answered_when_the_backend_has_answered(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    assert_true(house->attached);
    assert_string_equal(house->member, "page");
    assert_int_equal(house->uuid, 9);
    assert_int_equal(house->down.count, 0);
    assert_false(house->opened);
    backend_says(make(DAFFI_HANDSHAKE, "page", "", WELCOME));
    assert_true(house->opened);
    const struct daffi_message answer = read_told(&house->down, 0);
    assert_int_equal(answer.uuid, 9);
    assert_text(answer.transmitter, "page");
    assert_text(answer.payload, WELCOME);
    time_passes(house->config->timeouts.handshake * 2);
    assert_int_equal(house->closed_with, 0);
}

static void only_who_asks_is_told_of_the_bridge(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, true);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    backend_says(make(DAFFI_HANDSHAKE, "page", "", WELCOME));
    assert_holds(read_told(&house->down, 0).payload, "\"bridge\":{\"abi\":1,\"maxMessage\":8388608");
    backend_says(make(DAFFI_HANDSHAKE, "other", "", WELCOME));
    assert_text(read_told(&house->down, 1).payload, WELCOME);
}

static void bad_handshakes_never_reach_the_backend(void **state) {
    (void)state;
    static const struct {
        enum daffi_flag flag;
        const char *transmitter, *payload;
        size_t answers;
    } cases[] = {
        {DAFFI_REQUEST, "page", CALL, 0},
        {DAFFI_EVENTS, "page", "{}", 0},
        {DAFFI_HANDSHAKE, "page", "{", 1},
        {DAFFI_HANDSHAKE, "other", HELLO, 1},
        {DAFFI_HANDSHAKE, "page",
         "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"page\",\"methods\":[\"f\"]}]}", 1},
        {DAFFI_HANDSHAKE, "page",
         "{\"meta\":{\"type\":\"client\"},\"members\":[{\"name\":\"page\",\"methods\":null},{\"name\":\"w\","
         "\"methods\":null}]}",
         1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(GUARD_BROWSER, true, false);
        peer_says(make(cases[i].flag, cases[i].transmitter, "", cases[i].payload));
        assert_int_equal(house->closed_with, 1008);
        assert_false(house->attached);
        assert_int_equal(house->down.count, cases[i].answers);
        if (cases[i].answers > 0) {
            assert_refused(9, "Refused", "");
        }
        session_on_closed(house->session, "");
        house->session = NULL;
        house->closed_with = 0;
        house->down.count = 0;
    }
}

static void a_native_peer_may_bring_functions(void **state) {
    (void)state;
    begin(GUARD_NATIVE, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "",
                   "{\"meta\":{\"type\":\"client\",\"error\":null},\"members\":[{\"name\":\"page\","
                   "\"methods\":[\"f\"]}]}"));
    assert_true(house->attached);
}

static void an_unknown_upstream_is_refused_by_the_handshake(void **state) {
    (void)state;
    begin(GUARD_BROWSER, false, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    assert_refused(9, "Refused", "there are: default");
    assert_int_equal(house->closed_with, 1008);
}

static void native_peers_are_refused_in_the_form_they_show(void **state) {
    (void)state;
    begin(GUARD_NATIVE, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    session_on_backend_lost(house->session, 1013, "the upstream is not there");
    const struct daffi_message answer = read_told(&house->down, 0);
    assert_int_equal(answer.flag, DAFFI_HANDSHAKE);
    assert_int_equal(answer.uuid, 9);
    assert_text(answer.transmitter, "page");
    assert_holds(answer.payload, "\"error\":\"the upstream is not there\"");
    assert_int_equal(house->closed_with, 1013);
    assert_false(house->attached);
}

static void silence_ends_it(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, false);
    time_passes(house->config->timeouts.handshake - 1);
    assert_int_equal(house->closed_with, 0);
    time_passes(1);
    assert_int_equal(house->closed_with, 1008);
}

static void a_silent_upstream_is_given_up(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    time_passes(house->config->timeouts.upstream_connect);
    assert_refused(9, "Refused", "did not answer within 3000 ms");
    assert_int_equal(house->closed_with, 1013);
    assert_false(house->attached);
}

static void a_backend_that_fails_at_once_is_a_refusal(void **state) {
    (void)state;
    house->attach_result = -ENOMEM;
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    assert_refused(9, "Refused", "can't be reached");
    assert_int_equal(house->closed_with, 1013);
}

static void the_upstreams_refusals_are_told(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    struct daffi_message no = make(DAFFI_ERROR, "page", "", "UnknownField");
    no.decoder = DAFFI_OPAQUE;
    backend_says(no);
    assert_refused(9, "Refused", "UnknownField");
    assert_int_equal(house->closed_with, 1008);
    session_on_closed(house->session, "");
    house->closed_with = 0;
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    backend_says(make(DAFFI_HANDSHAKE, "page", "",
                      "{\"meta\":{\"type\":\"router\",\"error\":\"name taken\"},\"members\":[]}"));
    assert_refused(9, "Refused", "name taken");
    assert_int_equal(house->closed_with, 1008);
}

static void nothing_may_be_said_before_the_answer(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    peer_says(make(DAFFI_REQUEST, "page", "w1", CALL));
    assert_int_equal(house->closed_with, 1008);
    assert_int_equal(house->up.count, 0);
    assert_false(house->attached);
}

/* -- open -- */

static void calls_and_answers_pass_as_they_are(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    peer_says(make(DAFFI_REQUEST, "page", "w1", CALL));
    const struct daffi_message call = read_told(&house->up, 0);
    assert_text(call.receiver, "w1");
    assert_text(call.payload, CALL);
    backend_says(make(DAFFI_RESPONSE, "w1", "page", ANSWER));
    assert_text(read_told(&house->down, 0).payload, ANSWER);
}

static void a_bad_payload_is_answered_and_the_session_stays(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    peer_says(make(DAFFI_REQUEST, "page", "w1", "{\"args\":[1,?],\"kwargs\":{}}"));
    assert_refused(9, "Refused", "at byte 11");
    const struct daffi_message answer = read_told(&house->down, 0);
    assert_text(answer.transmitter, "w1");
    assert_text(answer.receiver, "page");
    struct daffi_message nowait = make(DAFFI_REQUEST, "page", "w1", "?");
    nowait.return_result = false;
    peer_says(nowait);
    assert_int_equal(house->down.count, 1);
    assert_int_equal(house->up.count, 0);
    assert_int_equal(house->closed_with, 0);
}

static void violations_close(void **state) {
    (void)state;
    static const struct {
        enum daffi_flag flag;
        const char *transmitter;
    } cases[] = {{DAFFI_HANDSHAKE, "page"},
                 {DAFFI_EVENTS, "page"},
                 {DAFFI_RESPONSE, "page"},
                 {DAFFI_REQUEST, "other"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_session(GUARD_BROWSER);
        peer_says(make(cases[i].flag, cases[i].transmitter, "w1", CALL));
        assert_int_equal(house->closed_with, 1008);
        assert_false(house->attached);
        peer_says(make(DAFFI_REQUEST, "page", "w1", CALL));
        backend_says(make(DAFFI_RESPONSE, "w1", "page", ANSWER));
        assert_int_equal(house->up.count, 0);
        assert_int_equal(house->down.count, 0);
        session_on_closed(house->session, "");
        house->session = NULL;
        house->closed_with = 0;
    }
}

static void malformed_closes_with_1002(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    session_on_malformed(house->session, "four bars");
    assert_int_equal(house->closed_with, 1002);
    assert_string_equal(house->reason, "four bars");
    assert_false(house->attached);
}

static void too_large_is_answered_with_both_sizes(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    const struct daffi_message message = make(DAFFI_REQUEST, "page", "w1", "");
    session_on_oversize(house->session, &message, 9000000);
    assert_refused(9, "Refused", "9000000");
    assert_refused(9, "Refused", "8388608");
    assert_int_equal(house->closed_with, 0);
    const struct daffi_message forged = make(DAFFI_REQUEST, "other", "w1", "");
    session_on_oversize(house->session, &forged, 9000000);
    assert_int_equal(house->closed_with, 1008);
}

static void too_large_before_the_handshake_closes(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, false);
    const struct daffi_message message = make(DAFFI_HANDSHAKE, "page", "", "");
    session_on_oversize(house->session, &message, 9000000);
    assert_int_equal(house->closed_with, 1009);
}

static void a_full_backend_is_busy(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    house->send_result = -EBUSY;
    peer_says(make(DAFFI_REQUEST, "page", "w1", CALL));
    assert_refused(9, "Busy", "");
    assert_int_equal(house->closed_with, 0);
}

static void news_is_written_anew(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    struct daffi_message news =
        make(DAFFI_EVENTS, "", "", "{ \"type\" : \"connected\", \"member\" : \"w2\" }");
    news.uuid = 0;
    backend_says(news);
    const struct daffi_message told = read_told(&house->down, 0);
    assert_int_equal(told.uuid, 0);
    assert_text(told.payload, "{\"type\":\"connected\",\"member\":\"w2\"}");
    backend_says(make(DAFFI_HANDSHAKE, "somebody", "", WELCOME));
    assert_text(read_told(&house->down, 1).transmitter, "somebody");
}

static void pickle_errors_become_json(void **state) {
    (void)state;
    static const uint8_t pickle[] = "\x80\x04\x95\x58\0\0\0\0\0\0\0(\x8c\x09TypeError\x94\x8c\x08"
                                    "builtins\x94\x8c\x04"
                                    "boom\x94Nt\x94\x85\x94}\x94\x86\x94.";
    open_session(GUARD_BROWSER);
    struct daffi_message error = make(DAFFI_ERROR, "w1", "page", "");
    error.decoder = DAFFI_PICKLE;
    error.payload = daffi_span_of(pickle, sizeof pickle - 1);
    peer_says(make(DAFFI_REQUEST, "page", "w1", CALL));
    backend_says(error);
    const struct daffi_message told = read_told(&house->down, 0);
    assert_int_equal(told.decoder, DAFFI_JSON);
    assert_int_equal(told.uuid, 9);
    assert_text(told.transmitter, "w1");
    assert_holds(told.payload, "\"TypeError\", \"builtins\", \"boom\"");
    error.payload = daffi_span_text("nonsense");
    peer_says(make(DAFFI_REQUEST, "page", "w1", CALL));
    backend_says(error);
    assert_holds(read_told(&house->down, 1).payload, "can't be read");
    struct daffi_message answer = make(DAFFI_RESPONSE, "w1", "page", "x");
    answer.decoder = DAFFI_PICKLE;
    peer_says(make(DAFFI_REQUEST, "page", "w1", CALL));
    backend_says(answer);
    assert_refused(9, "Refused", "PICKLE");
}

static void a_call_of_a_page_is_answered_for_it(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    backend_says(make(DAFFI_REQUEST, "w1", "page", CALL));
    assert_int_equal(house->down.count, 0);
    const struct daffi_message answer = read_told(&house->up, 0);
    assert_int_equal(answer.flag, DAFFI_ERROR);
    assert_text(answer.transmitter, "page");
    assert_text(answer.receiver, "w1");
    assert_holds(answer.payload, "NoSuchMethod");
}

static void a_workers_bad_answer_is_replaced(void **state) {
    (void)state;
    open_session(GUARD_NATIVE);
    backend_says(make(DAFFI_REQUEST, "w1", "page", CALL));
    peer_says(make(DAFFI_RESPONSE, "page", "w1", "{"));
    const struct daffi_message answer = read_told(&house->up, 0);
    assert_int_equal(answer.flag, DAFFI_ERROR);
    assert_int_equal(answer.uuid, 9);
    assert_text(answer.receiver, "w1");
    assert_holds(answer.payload, "Refused");
}

static void a_backend_that_speaks_nonsense_ends_the_session(void **state) {
    (void)state;
    static const struct {
        enum daffi_flag flag;
        const char *receiver, *payload;
    } cases[] = {{DAFFI_RESPONSE, "other", ANSWER}, {DAFFI_EVENTS, "", "{"}, {DAFFI_HANDSHAKE, "", "[]"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_session(GUARD_BROWSER);
        backend_says(make(cases[i].flag, "w1", cases[i].receiver, cases[i].payload));
        assert_int_equal(house->closed_with, 1011);
        assert_false(house->attached);
        session_on_closed(house->session, "");
        house->session = NULL;
        house->closed_with = 0;
    }
}

static void a_lost_upstream_is_told(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    session_on_backend_lost(house->session, 1012, "the upstream was lost");
    assert_int_equal(house->closed_with, 1012);
    assert_string_equal(house->reason, "the upstream was lost");
    assert_int_equal(house->down.count, 0);
}

/* -- backpressure -- */

static void a_page_is_not_read_while_either_side_is_behind(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    house->up_congested = true;
    peer_says(make(DAFFI_REQUEST, "page", "w1", CALL));
    assert_int_equal(house->pauses, 1);
    house->down_congested = true;
    backend_says(make(DAFFI_RESPONSE, "w1", "page", ANSWER));
    assert_int_equal(house->pauses, 1);
    house->up_congested = false;
    session_on_backend_drained(house->session);
    assert_int_equal(house->pauses, 1);
    house->down_congested = false;
    session_on_drained(house->session);
    assert_int_equal(house->pauses, 0);
}

static void a_native_peer_is_always_read(void **state) {
    (void)state;
    open_session(GUARD_NATIVE);
    house->up_congested = house->down_congested = true;
    peer_says(make(DAFFI_REQUEST, "page", "w1", CALL));
    assert_int_equal(house->pauses, 0);
}

/* As a bridge before us asks, for which we are the Router. */
static void a_native_peer_gets_its_receipt_and_a_page_does_not(void **state) {
    (void)state;
    struct own_message asked = {0};
    struct daffi_message message;
    struct daffi_fault fault;
    size_t size;
    assert_int_equal(own_message_receipt(daffi_span_text("page"), &asked), 0);
    uint8_t bytes[TEXT_MAX];
    memcpy(bytes, asked.head.data, asked.head.length);
    memcpy(bytes + asked.head.length, asked.payload.data, asked.payload.length);
    const struct daffi_span all = daffi_span_of(bytes, asked.head.length + asked.payload.length);
    own_message_clear(&asked);
    assert_int_equal(daffi_message_decode(all, &message, &size, &fault), 0);
    assert_true(own_message_is_receipt(&message, daffi_span_text("page")));
    assert_false(own_message_is_receipt(&message, daffi_span_text("w1")));
    open_session(GUARD_NATIVE);
    peer_says(message);
    assert_int_equal(house->up.count, 0);
    const struct daffi_message receipt = read_told(&house->down, 0);
    assert_true(own_message_is_receipt(&receipt, daffi_span_text("page")));
    message.function = daffi_span_text("add"); /* an answer to nobody: dropped */
    peer_says(message);
    assert_int_equal(house->down.count, 1);
    session_on_closed(house->session, "gone");
    house->down.count = 0;
    open_session(GUARD_BROWSER);
    message.function = daffi_span_text("daffi-bridge-receipt");
    peer_says(message);
    assert_int_equal(house->down.count, 0);
}

/* -- the end -- */

static void the_peer_may_leave_in_any_state(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, false);
    session_on_closed(house->session, "gone");
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    session_on_closed(house->session, "gone");
    assert_false(house->attached);
    open_session(GUARD_BROWSER);
    session_on_closed(house->session, "gone");
    house->session = NULL;
    assert_false(house->attached);
    assert_int_equal(house->closed_with, 0);
    time_passes(house->config->timeouts.handshake * 2);
}

static void the_program_may_end_all(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    assert_ptr_equal(session_next(&house->bridge, NULL), house->session);
    assert_null(session_next(&house->bridge, house->session));
    session_close(house->session, 1001, "shutting down");
    assert_int_equal(house->closed_with, 1001);
    session_close(house->session, 1011, "again");
    assert_int_equal(house->closed_with, 1001);
}

/* -- what the router inside says -- */

static void own_news(const struct daffi_message *message) {
    uint8_t bytes[TEXT_MAX];
    session_on_backend_news(house->session, daffi_span_of(bytes, encode(message, bytes)), 1);
}

static void own_welcome(struct session *session, const struct daffi_message *message,
                        struct daffi_span bytes) {
    session_on_backend_welcome(session, message, bytes);
}

static void what_the_bridge_wrote_itself_goes_out_as_it_is(void **state) {
    (void)state;
    const struct daffi_message news = make(DAFFI_EVENTS, "", "", "{\"type\": \"connected\"}");
    begin(GUARD_NATIVE, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    own_news(&news); /* not yet */
    assert_int_equal(house->down.count, 0);
    hand_over(make(DAFFI_HANDSHAKE, "page", "", WELCOME), own_welcome);
    assert_true(house->opened);
    hand_over(make(DAFFI_HANDSHAKE, "page", "", WELCOME), own_welcome); /* it is open */
    own_news(&news);
    assert_int_equal(house->down.count, 2);
    assert_text(read_told(&house->down, 0).payload, WELCOME);
    assert_text(read_told(&house->down, 1).payload, "{\"type\": \"connected\"}");
    session_close(house->session, 1001, "enough");
    own_news(&news);
    assert_int_equal(house->down.count, 2);
}

static void our_client_is_told_of_the_bridge_by_the_router_too(void **state) {
    (void)state;
    begin(GUARD_BROWSER, true, true);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    hand_over(make(DAFFI_HANDSHAKE, "page", "", WELCOME), own_welcome);
    assert_true(house->opened);
    assert_int_equal(house->down.count, 1);
    const struct daffi_message answer = read_told(&house->down, 0);
    static const char offer[] = "\"bridge\":{\"abi\":1";
    assert_non_null(memmem(answer.payload.data, answer.payload.length, offer, strlen(offer)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_handshake_is_answered_when_the_backend_has_answered),
        CASE(only_who_asks_is_told_of_the_bridge),
        CASE(what_the_bridge_wrote_itself_goes_out_as_it_is),
        CASE(our_client_is_told_of_the_bridge_by_the_router_too),
        CASE(bad_handshakes_never_reach_the_backend),
        CASE(a_native_peer_may_bring_functions),
        CASE(an_unknown_upstream_is_refused_by_the_handshake),
        CASE(native_peers_are_refused_in_the_form_they_show),
        CASE(silence_ends_it),
        CASE(a_silent_upstream_is_given_up),
        CASE(a_backend_that_fails_at_once_is_a_refusal),
        CASE(the_upstreams_refusals_are_told),
        CASE(nothing_may_be_said_before_the_answer),
        CASE(calls_and_answers_pass_as_they_are),
        CASE(a_bad_payload_is_answered_and_the_session_stays),
        CASE(violations_close),
        CASE(malformed_closes_with_1002),
        CASE(too_large_is_answered_with_both_sizes),
        CASE(too_large_before_the_handshake_closes),
        CASE(a_full_backend_is_busy),
        CASE(news_is_written_anew),
        CASE(pickle_errors_become_json),
        CASE(a_call_of_a_page_is_answered_for_it),
        CASE(a_workers_bad_answer_is_replaced),
        CASE(a_backend_that_speaks_nonsense_ends_the_session),
        CASE(a_lost_upstream_is_told),
        CASE(a_page_is_not_read_while_either_side_is_behind),
        CASE(a_native_peer_is_always_read),
        CASE(a_native_peer_gets_its_receipt_and_a_page_does_not),
        CASE(the_peer_may_leave_in_any_state),
        CASE(the_program_may_end_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
