/* What browsers have asked for: which changes concern them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dev/site/dev_asked.h"

static void only_what_was_asked_for_concerns_anybody(void **state) {
    (void)state;
    static const char *const asked_for[] = {"dist/app.js", "index.html", "a-b", "a/b", "sub/", "a0", "sub/"};
    static const struct {
        const char *changed;
        enum dev_asked_match match;
    } cases[] = {
        {"dist/app.js", DEV_ASKED_FOR},
        {"dist", DEV_ASKED_FOR}, /* a folder that comes or goes, with what is in it */
        {"dist/app.js.map", DEV_ASKED_NOT},
        {"dist/app", DEV_ASKED_NOT},
        {"dis", DEV_ASKED_NOT},
        {"a", DEV_ASKED_FOR}, /* though others stand between it and what is in it */
        {"b", DEV_ASKED_NOT},
        {"zzz", DEV_ASKED_NOT},
        {"worker.log", DEV_ASKED_NOT},
        {"sub/new.txt", DEV_ASKED_LISTED},
        {"sub/deeper/new.txt", DEV_ASKED_NOT},
        {"sub", DEV_ASKED_FOR},
        {"", DEV_ASKED_FOR},
    };
    struct dev_asked *asked = dev_asked_new();
    for (size_t i = 0; i < sizeof asked_for / sizeof *asked_for; i++) {
        dev_asked_add(asked, asked_for[i]);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (dev_asked_find(asked, cases[i].changed) != cases[i].match) {
            fail_msg("\"%s\"", cases[i].changed);
        }
    }
    dev_asked_add(asked, ""); /* a list of the folder itself */
    assert_int_equal(dev_asked_find(asked, "worker.log"), DEV_ASKED_LISTED);
    assert_int_equal(dev_asked_find(asked, "dist/other.js"), DEV_ASKED_NOT);
    dev_asked_free(asked);
}

static void with_too_many_names_every_change_does(void **state) {
    (void)state;
    struct dev_asked *asked = dev_asked_new();
    for (unsigned i = 0; i < DEV_ASKED_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", i * 7919 % DEV_ASKED_MAX);
        dev_asked_add(asked, name);
        dev_asked_add(asked, name);
    }
    assert_int_equal(dev_asked_find(asked, "9999"), DEV_ASKED_FOR);
    assert_int_equal(dev_asked_find(asked, "worker.log"), DEV_ASKED_NOT);
    dev_asked_add(asked, "one more");
    assert_int_equal(dev_asked_find(asked, "worker.log"), DEV_ASKED_FOR);
    dev_asked_free(asked);
    dev_asked_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_was_asked_for_concerns_anybody),
        cmocka_unit_test(with_too_many_names_every_change_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
