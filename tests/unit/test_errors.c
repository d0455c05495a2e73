/* errors.def as C sees it, and as JavaScript's table may rely on it. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "daffi/errors.h"
#include "daffi/span.h"

static void test_rows_are_whole(void **state) {
    (void)state;
    for (int code = 0; code < (int)DAFFI_ERROR_CODES; code++) {
        const char *name = daffi_error_code_name((enum daffi_error_code)code);
        const char *type = daffi_error_type_name((enum daffi_error_code)code);
        assert_true(strlen(name) > 0 && strlen(type) > 0);
        assert_true(strlen(daffi_error_meaning((enum daffi_error_code)code)) > 0);
        for (const char *c = name; *c; c++)
            assert_true(islower((unsigned char)*c) || *c == '-');
        assert_true(isupper((unsigned char)type[0]));
    }
}

/* "no-such-member" and "NoSuchMember" are one name in two spellings. */
static void test_type_is_code_in_camel_case(void **state) {
    (void)state;
    for (int code = 0; code < (int)DAFFI_ERROR_CODES; code++) {
        const char *type = daffi_error_type_name((enum daffi_error_code)code);
        bool word_begins = true;
        for (const char *c = daffi_error_code_name((enum daffi_error_code)code); *c; c++) {
            if (*c == '-') {
                word_begins = true;
                continue;
            }
            assert_int_equal(*type, word_begins ? toupper((unsigned char)*c) : *c);
            word_begins = false;
            type++;
        }
        assert_int_equal(*type, '\0');
    }
}

static void test_names_are_unique(void **state) {
    (void)state;
    for (int a = 0; a < (int)DAFFI_ERROR_CODES; a++)
        for (int b = 0; b < a; b++)
            assert_string_not_equal(daffi_error_code_name((enum daffi_error_code)a),
                                    daffi_error_code_name((enum daffi_error_code)b));
}

static void test_known_rows(void **state) {
    (void)state;
    assert_string_equal(daffi_error_code_name(DAFFI_ERROR_NO_SUCH_MEMBER), "no-such-member");
    assert_string_equal(daffi_error_type_name(DAFFI_ERROR_NO_SUCH_MEMBER), "NoSuchMember");
    assert_string_equal(daffi_error_code_name(DAFFI_ERROR_REMOTE), "remote");
}

/* Codes come over borders as plain numbers. */
static void test_number_outside_the_table(void **state) {
    (void)state;
    int numbers[] = {-1, (int)DAFFI_ERROR_CODES, 1000000};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        assert_string_equal(daffi_error_code_name((enum daffi_error_code)numbers[i]), "unknown");
        assert_string_equal(daffi_error_type_name((enum daffi_error_code)numbers[i]), "Unknown");
        assert_non_null(daffi_error_meaning((enum daffi_error_code)numbers[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_whole),           cmocka_unit_test(test_type_is_code_in_camel_case),
        cmocka_unit_test(test_names_are_unique),         cmocka_unit_test(test_known_rows),
        cmocka_unit_test(test_number_outside_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
