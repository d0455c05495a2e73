/* Who is evicted by itself: for a while, by upstream and name, and not more of them than there is room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/members/rejoins.h"

enum { NOW = 1000 };

static void one_is_known_for_a_while(void **state) {
    (void)state;
    const struct daffi_span name = daffi_span_text("tab");
    struct rejoins *rejoins = NULL;
    assert_int_equal(rejoins_new(&rejoins), 0);
    assert_false(rejoins_has(rejoins, "default", name, NOW));
    rejoins_put(rejoins, "default", name, NOW);
    assert_true(rejoins_has(rejoins, "default", name, NOW + REJOIN_MS - 1));
    assert_false(rejoins_has(rejoins, "default", name, NOW + REJOIN_MS));
    assert_false(rejoins_has(rejoins, "other", name, NOW));
    assert_false(rejoins_has(rejoins, "default", daffi_span_text("ta"), NOW));
    rejoins_free(rejoins);
}

static void the_oldest_is_forgotten_first(void **state) {
    (void)state;
    struct rejoins *rejoins = NULL;
    char name[16];
    assert_int_equal(rejoins_new(&rejoins), 0);
    for (unsigned i = 0; i <= REJOINS_MAX; i++) {
        snprintf(name, sizeof name, "%u", i);
        rejoins_put(rejoins, "default", daffi_span_text(name), NOW);
    }
    assert_false(rejoins_has(rejoins, "default", daffi_span_text("0"), NOW));
    assert_true(rejoins_has(rejoins, "default", daffi_span_text("1"), NOW));
    assert_true(rejoins_has(rejoins, "default", daffi_span_text(name), NOW));
    rejoins_free(rejoins);
}

static void without_a_place_nothing_is_kept(void **state) {
    (void)state;
    rejoins_put(NULL, "default", daffi_span_text("tab"), NOW);
    assert_false(rejoins_has(NULL, "default", daffi_span_text("tab"), NOW));
    rejoins_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_known_for_a_while),
        cmocka_unit_test(the_oldest_is_forgotten_first),
        cmocka_unit_test(without_a_place_nothing_is_kept),
    };
    return cmocka_run_group_tests_name("rejoins", tests, NULL, NULL);
}
