/* A session and who is there past the bridge: names that are taken, what is noted of its own leaving, who is hidden; and its end when its
 * token expires. */
#include "bridge/members/presence.h"
#include "session_fixture.h"

static struct presence_list *list;

static int set_up_presence(void **state) {
    int status = set_up(state);
    list = NULL;
    if (status == 0 && presence_new(&house->bridge.presence) == 0 &&
        presence_open(house->bridge.presence, house->backend.place, &list) == 0) {
        presence_know(list);
        return 0;
    }
    return -1;
}

static int tear_down_presence(void **state) {
    struct presence *presence = house->bridge.presence;
    int status = tear_down(state);
    presence_close(list);
    presence_free(presence);
    return status;
}

static bool is_there(const char *name) {
    return presence_has(house->bridge.presence, house->backend.place, daffi_span_text(name), house->now);
}

static void come(const char *name) {
    assert_int_equal(presence_come(list, daffi_span_text(name)), 0);
}

static struct daffi_message event_of(const char *type, const char *member) {
    static char text[128];
    snprintf(text, sizeof text, "{\"type\":\"%s\",\"member\":\"%s\"}", type, member);
    struct daffi_message message = make(DAFFI_EVENTS, "", "", text);
    message.uuid = 0;
    return message;
}

static void a_page_gets_no_name_of_a_member(void **state) {
    (void)state;
    come("page");
    begin(GUARD_BROWSER, true, false);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    assert_false(house->attached);
    assert_int_equal(house->closed_with, 1008);
    assert_refused(9, "Refused", "the name is taken");
    assert_true(is_there("page")); /* who never joined does not leave */
}

static void a_native_peer_gets_it(void **state) {
    (void)state;
    come("page");
    open_session(GUARD_NATIVE);
}

static void a_page_that_leaves_is_noted(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    come("page");
    assert_true(is_there("page"));
    session_close(house->session, 1001, "the test says so");
    assert_false(is_there("page"));
}

static void a_page_that_is_evicted_leaves_nothing_to_who_evicts_it(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    come("page");
    backend_says(event_of("evicted", "page"));
    session_close(house->session, 1001, "the page has heard it");
    assert_true(is_there("page"));
}

static void a_page_whose_upstream_is_lost_leaves_nothing_either(void **state) {
    (void)state;
    open_session(GUARD_BROWSER);
    come("page");
    session_on_backend_lost(house->session, 1012, "it dropped this member");
    assert_true(is_there("page"));
}

static void nobody_is_shown_a_watcher(void **state) {
    (void)state;
    for (int kind = GUARD_BROWSER; kind <= GUARD_NATIVE; kind++) {
        begin((enum guard_kind)kind, true, false);
        peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
        backend_says(
            make(DAFFI_HANDSHAKE, "page", "",
                 "{\"meta\":{\"type\":\"router\",\"error\":null},\"members\":[{\"name\":\"" PRESENCE_WATCHER
                 "1\",\"methods\":null},{\"name\":\"w1\",\"methods\":[\"add\"]}]}"));
        assert_text(read_told(&house->down, 0).payload, WELCOME);
        backend_says(event_of("connected", PRESENCE_WATCHER "2"));
        backend_says(event_of("disconnected", PRESENCE_WATCHER "1"));
        assert_int_equal(house->down.count, 1);
        backend_says(event_of("connected", "w2"));
        assert_int_equal(house->down.count, 2);
        session_on_closed(house->session, "that is all");
        house->session = NULL;
        house->down.count = 0;
        house->opened = false;
        time_passes(1);
    }
}

static void a_session_ends_when_its_token_expires(void **state) {
    (void)state;
    struct auth_grant *grant = calloc(1, sizeof *grant);
    grant->lasts_ms = 60000;
    const struct session_setup setup = {
        .bridge = &house->bridge,
        .kind = GUARD_BROWSER,
        .backend = &house->backend,
        .grant = grant,
        .address = "192.0.2.1",
        .transport = &transport,
        .transport_owner = house,
    };
    assert_int_equal(session_new(&setup, &house->session), 0);
    peer_says(make(DAFFI_HANDSHAKE, "page", "", HELLO));
    backend_says(make(DAFFI_HANDSHAKE, "page", "", WELCOME));
    time_passes(59999);
    assert_int_equal(house->closed_with, 0);
    time_passes(1);
    assert_int_equal(house->closed_with, 1008);
    assert_false(house->attached);
}

#define HERE(test) cmocka_unit_test_setup_teardown(test, set_up_presence, tear_down_presence)

int main(void) {
    const struct CMUnitTest tests[] = {
        HERE(a_page_gets_no_name_of_a_member),
        HERE(a_native_peer_gets_it),
        HERE(a_page_that_leaves_is_noted),
        HERE(a_page_that_is_evicted_leaves_nothing_to_who_evicts_it),
        HERE(a_page_whose_upstream_is_lost_leaves_nothing_either),
        HERE(nobody_is_shown_a_watcher),
        HERE(a_session_ends_when_its_token_expires),
    };
    return cmocka_run_group_tests_name("session presence", tests, NULL, NULL);
}
