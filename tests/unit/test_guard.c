/* What may pass, as a table: who sends what, and what becomes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/guard/guard.h"

static const char GOOD[] = "{\"args\":[1,2],\"kwargs\":{}}";
static const char ANSWER[] = "{\"args\": [3], \"kwargs\": {}}";

static const struct guard_policy POLICY = {.nesting = 64};

static struct guard_session session_of(enum guard_kind kind) {
    return (struct guard_session){.kind = kind, .name = daffi_span_text("page")};
}

struct row {
    const char *what;
    enum guard_kind kind;
    enum daffi_flag flag;
    enum daffi_decoder decoder;
    const char *name; /* transmitter from the peer, receiver from the upstream */
    const char *payload;
    enum guard_action action;
    uint16_t code;
};

static struct daffi_message message_of(const struct row *row) {
    return (struct daffi_message){
        .uuid = 7,
        .flag = row->flag,
        .decoder = row->decoder,
        .return_result = true,
        .is_bytes = row->decoder == DAFFI_MSGPACK || row->decoder == DAFFI_PICKLE,
        .transmitter = daffi_span_text(row->name),
        .receiver = daffi_span_text(row->name),
        .function = daffi_span_text("add"),
        .payload = daffi_span_text(row->payload),
    };
}

static void check(const struct row *row, struct guard_verdict verdict) {
    if (verdict.action != row->action || (row->action == GUARD_CLOSE && verdict.code != row->code)) {
        fail_msg("%s: action %d code %u (%s)", row->what, verdict.action, verdict.code, verdict.text);
    }
    if (row->action != GUARD_PASS && row->action != GUARD_TRANSLATE) {
        assert_true(strlen(verdict.text) > 10);
    }
}

static void from_the_peer(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"a page's call", GUARD_BROWSER, DAFFI_REQUEST, DAFFI_JSON, "page", GOOD, GUARD_PASS, 0},
        {"a native call", GUARD_NATIVE, DAFFI_REQUEST, DAFFI_JSON, "page", GOOD, GUARD_PASS, 0},
        {"raw", GUARD_BROWSER, DAFFI_REQUEST, DAFFI_OPAQUE, "page", "anything", GUARD_PASS, 0},
        {"msgpack", GUARD_BROWSER, DAFFI_REQUEST, DAFFI_MSGPACK, "page", "\x92\x90\x80", GUARD_PASS, 0},
        {"a second handshake", GUARD_BROWSER, DAFFI_HANDSHAKE, DAFFI_JSON, "page", "{}", GUARD_CLOSE, 1008},
        {"a native second handshake", GUARD_NATIVE, DAFFI_HANDSHAKE, DAFFI_JSON, "page", "{}", GUARD_CLOSE,
         1008},
        {"events", GUARD_BROWSER, DAFFI_EVENTS, DAFFI_JSON, "page", "{}", GUARD_CLOSE, 1008},
        {"native events", GUARD_NATIVE, DAFFI_EVENTS, DAFFI_JSON, "page", "{}", GUARD_CLOSE, 1008},
        {"a forged answer", GUARD_BROWSER, DAFFI_RESPONSE, DAFFI_JSON, "page", ANSWER, GUARD_CLOSE, 1008},
        {"a forged error", GUARD_BROWSER, DAFFI_ERROR, DAFFI_JSON, "page", ANSWER, GUARD_CLOSE, 1008},
        {"a worker's answer", GUARD_NATIVE, DAFFI_RESPONSE, DAFFI_JSON, "page", ANSWER, GUARD_PASS, 0},
        {"another's name", GUARD_BROWSER, DAFFI_REQUEST, DAFFI_JSON, "pag", GOOD, GUARD_CLOSE, 1008},
        {"a longer name", GUARD_NATIVE, DAFFI_REQUEST, DAFFI_JSON, "page2", GOOD, GUARD_CLOSE, 1008},
        {"no name", GUARD_BROWSER, DAFFI_REQUEST, DAFFI_JSON, "", GOOD, GUARD_CLOSE, 1008},
        {"a page's pickle", GUARD_BROWSER, DAFFI_REQUEST, DAFFI_PICKLE, "page", "x", GUARD_ANSWER, 0},
        {"a native pickle", GUARD_NATIVE, DAFFI_REQUEST, DAFFI_PICKLE, "page", "x", GUARD_PASS, 0},
        {"no JSON", GUARD_BROWSER, DAFFI_REQUEST, DAFFI_JSON, "page", "{", GUARD_ANSWER, 0},
        {"a native call without JSON", GUARD_NATIVE, DAFFI_REQUEST, DAFFI_JSON, "page", "{", GUARD_ANSWER, 0},
        {"a worker's answer without JSON", GUARD_NATIVE, DAFFI_RESPONSE, DAFFI_JSON, "page", "{",
         GUARD_REPLACE, 0},
        {"text that is no UTF-8", GUARD_BROWSER, DAFFI_REQUEST, DAFFI_OPAQUE, "page", "\xff", GUARD_ANSWER,
         0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct daffi_message message = message_of(&rows[i]);
        const struct guard_session session = session_of(rows[i].kind);
        check(&rows[i], guard_check_from_peer(&POLICY, &session, &message));
    }
}

static void from_the_upstream(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"an answer", GUARD_BROWSER, DAFFI_RESPONSE, DAFFI_JSON, "page", ANSWER, GUARD_PASS, 0},
        {"an answer that is no JSON", GUARD_BROWSER, DAFFI_RESPONSE, DAFFI_JSON, "page", "NaN", GUARD_PASS,
         0},
        {"for somebody else", GUARD_BROWSER, DAFFI_RESPONSE, DAFFI_JSON, "other", ANSWER, GUARD_CLOSE, 1011},
        {"native, for somebody else", GUARD_NATIVE, DAFFI_REQUEST, DAFFI_JSON, "", GOOD, GUARD_CLOSE, 1011},
        {"a pickle for a page", GUARD_BROWSER, DAFFI_RESPONSE, DAFFI_PICKLE, "page", "x", GUARD_REPLACE, 0},
        {"a pickle", GUARD_NATIVE, DAFFI_RESPONSE, DAFFI_PICKLE, "page", "x", GUARD_PASS, 0},
        {"an error in pickle", GUARD_BROWSER, DAFFI_ERROR, DAFFI_PICKLE, "page", "x", GUARD_TRANSLATE, 0},
        {"an error as plain text", GUARD_BROWSER, DAFFI_ERROR, DAFFI_OPAQUE, "page", "x", GUARD_TRANSLATE, 0},
        {"an error in JSON", GUARD_BROWSER, DAFFI_ERROR, DAFFI_JSON, "page", ANSWER, GUARD_PASS, 0},
        {"an error for a native peer", GUARD_NATIVE, DAFFI_ERROR, DAFFI_PICKLE, "page", "x", GUARD_PASS, 0},
        {"a call of a page", GUARD_BROWSER, DAFFI_REQUEST, DAFFI_JSON, "page", GOOD, GUARD_ANSWER, 0},
        {"a call of a worker", GUARD_NATIVE, DAFFI_REQUEST, DAFFI_JSON, "page", GOOD, GUARD_PASS, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct daffi_message message = message_of(&rows[i]);
        const struct guard_session session = session_of(rows[i].kind);
        check(&rows[i], guard_check_from_upstream(&session, &message));
    }
}

/* PICKLE passes where it is named, both ways; what is refused says by which rule. */
static void policies_are_asked(void **state) {
    (void)state;
    static char hidden[] = "secret*";
    static char *const names[] = {hidden};
    static const struct config_policy takes_pickle = {.serdes = 1U << CONFIG_PICKLE | 1U << CONFIG_JSON};
    const struct config_policy shows_none = {
        .visible = {.is_given = true, .wild = (char **)(uintptr_t)names, .wild_count = 1}};
    const struct policy wide = {.parts = {&takes_pickle}, .count = 1},
                        narrow = {.parts = {&shows_none}, .count = 1};
    struct row row = {"", GUARD_BROWSER, DAFFI_REQUEST, DAFFI_PICKLE, "page", "x", GUARD_PASS, 0};
    struct daffi_message message = message_of(&row);
    struct guard_session session = session_of(GUARD_BROWSER);
    struct guard_verdict verdict = guard_check_from_peer(&POLICY, &session, &message);
    assert_int_equal(verdict.action, GUARD_ANSWER);
    assert_int_equal(verdict.by_policy, POLICY_SERDE);
    session.policy = &wide;
    assert_int_equal(guard_check_from_peer(&POLICY, &session, &message).action, GUARD_PASS);
    message.flag = DAFFI_RESPONSE;
    assert_int_equal(guard_check_from_upstream(&session, &message).action, GUARD_PASS);
    session.policy = &narrow;
    assert_int_equal(guard_check_from_upstream(&session, &message).action, GUARD_REPLACE);
    row.decoder = DAFFI_JSON;
    row.payload = GOOD;
    message = message_of(&row);
    verdict = guard_check_from_peer(&POLICY, &session, &message);
    assert_int_equal(verdict.action, GUARD_ANSWER);
    assert_int_equal(verdict.error, DAFFI_ERROR_NO_SUCH_MEMBER);
    assert_int_equal(verdict.by_policy, POLICY_HIDDEN);
    message.receiver = daffi_span_text("secrets");
    assert_int_equal(guard_check_from_peer(&POLICY, &session, &message).action, GUARD_PASS);
    session.kind = GUARD_NATIVE; /* is held to no policy */
    message.receiver = daffi_span_text("page");
    assert_int_equal(guard_check_from_peer(&POLICY, &session, &message).action, GUARD_PASS);
}

static void an_oversized_message_never_passes(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"a call", GUARD_BROWSER, DAFFI_REQUEST, DAFFI_JSON, "page", "", GUARD_ANSWER, 0},
        {"an answer", GUARD_NATIVE, DAFFI_RESPONSE, DAFFI_JSON, "page", "", GUARD_REPLACE, 0},
        {"another's name", GUARD_BROWSER, DAFFI_REQUEST, DAFFI_JSON, "other", "", GUARD_CLOSE, 1008},
        {"a handshake", GUARD_BROWSER, DAFFI_HANDSHAKE, DAFFI_JSON, "page", "", GUARD_CLOSE, 1008},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct daffi_message message = message_of(&rows[i]);
        const struct guard_session session = session_of(rows[i].kind);
        check(&rows[i], guard_check_oversize(&session, &message));
    }
}

static void a_bad_payload_is_named_with_its_place(void **state) {
    (void)state;
    const struct row row = {
        "", GUARD_BROWSER, DAFFI_REQUEST, DAFFI_JSON, "page", "{\"args\":[1,?],\"kwargs\":{}}", 0, 0};
    const struct daffi_message message = message_of(&row);
    const struct guard_session session = session_of(GUARD_BROWSER);
    const struct guard_verdict verdict = guard_check_from_peer(&POLICY, &session, &message);
    assert_int_equal(verdict.error, DAFFI_ERROR_REFUSED);
    assert_int_equal(verdict.offset, 11);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_the_peer),
        cmocka_unit_test(from_the_upstream),
        cmocka_unit_test(policies_are_asked),
        cmocka_unit_test(an_oversized_message_never_passes),
        cmocka_unit_test(a_bad_payload_is_named_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
