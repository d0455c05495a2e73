/* What is known of upstreams: by name, told by anybody, read by others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "bridge/upstream/upstream_health.h"

static char reason[UPSTREAM_HEALTH_REASON_MAX];

static void nobody_knows_before_it_is_told(void **state) {
    (void)state;
    struct upstream_health_table *table = NULL;
    assert_int_equal(upstream_health_new(&table), 0);
    struct upstream_health *health = upstream_health_of(table, "a");
    assert_non_null(health);
    assert_ptr_equal(upstream_health_of(table, "a"), health);
    assert_ptr_not_equal(upstream_health_of(table, "b"), health);
    assert_int_equal(upstream_health_read(health, reason), UPSTREAM_UNKNOWN);
    assert_true(upstream_health_is_good(health));
    upstream_health_watch(health); /* who watches will know */
    assert_false(upstream_health_is_good(health));
    assert_true(upstream_health_is_good(upstream_health_of(table, "b")));
    upstream_health_free(table);
}

static void what_was_told_last_holds(void **state) {
    (void)state;
    struct upstream_health_table *table = NULL;
    char length[400];
    assert_int_equal(upstream_health_new(&table), 0);
    struct upstream_health *health = upstream_health_of(table, "a");
    assert_true(upstream_health_tell(health, true, "ignored"));
    assert_false(upstream_health_tell(health, true, ""));
    assert_int_equal(upstream_health_read(health, reason), UPSTREAM_UP);
    assert_string_equal(reason, "");
    assert_true(upstream_health_tell(health, false, "connection refused"));
    assert_int_equal(upstream_health_read(health, reason), UPSTREAM_DOWN);
    assert_string_equal(reason, "connection refused");
    assert_false(upstream_health_is_good(health));
    assert_true(upstream_health_tell(health, true, ""));
    memset(length, 'x', sizeof length);
    length[sizeof length - 1] = '\0';
    assert_true(upstream_health_tell(health, false, length));
    assert_int_equal(upstream_health_read(health, reason), UPSTREAM_DOWN);
    assert_int_equal(strlen(reason), UPSTREAM_HEALTH_REASON_MAX - 1);
    upstream_health_free(table);
}

static void a_receipt_is_remembered_of_its_giver(void **state) {
    (void)state;
    struct upstream_health_table *table = NULL;
    assert_int_equal(upstream_health_new(&table), 0);
    assert_false(upstream_health_gives_receipts(upstream_health_of(table, "a")));
    upstream_health_note_receipts(upstream_health_of(table, "a"), true);
    upstream_health_note_receipts(upstream_health_of(table, "a"), true);
    assert_true(upstream_health_gives_receipts(upstream_health_of(table, "a")));
    assert_false(upstream_health_gives_receipts(upstream_health_of(table, "b")));
    upstream_health_note_receipts(upstream_health_of(table, "a"), false);
    assert_false(upstream_health_gives_receipts(upstream_health_of(table, "a")));
    upstream_health_note_receipts(NULL, true);
    assert_false(upstream_health_gives_receipts(NULL));
    upstream_health_free(table);
}

static void nobody_there_is_fine(void **state) {
    (void)state;
    assert_null(upstream_health_of(NULL, "a"));
    assert_false(upstream_health_tell(NULL, true, ""));
    upstream_health_watch(NULL);
    assert_int_equal(upstream_health_read(NULL, reason), UPSTREAM_UNKNOWN);
    assert_true(upstream_health_is_good(NULL));
    upstream_health_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_knows_before_it_is_told),
        cmocka_unit_test(what_was_told_last_holds),
        cmocka_unit_test(a_receipt_is_remembered_of_its_giver),
        cmocka_unit_test(nobody_there_is_fine),
    };
    return cmocka_run_group_tests_name("upstream health", tests, NULL, NULL);
}
