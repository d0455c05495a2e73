/* buffer.h: content, bounds, and that every block comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/buffer.h"
#include "random_numbers.h"

static struct memory_budget budget;
static struct buffer_pool *pool;

static int setup(void **state) {
    (void)state;
    atomic_store(&budget.used, 0);
    budget.limit = (size_t)16 << 20;
    return buffer_pool_new(&budget, &pool);
}

/* At the end of a turn. */
static size_t used(void) {
    buffer_pool_settle(pool);
    return atomic_load(&budget.used);
}

static int teardown(void **state) {
    (void)state;
    assert_int_equal(used(), 0);
    buffer_pool_free(pool);
    return 0;
}

static void test_empty_holds_nothing(void **state) {
    (void)state;
    struct buffer buffer = {0};
    assert_int_equal(buffer_length(&buffer), 0);
    buffer_clear(pool, &buffer);
    assert_int_equal(buffer_append(pool, &buffer, "", 0), 0);
    assert_null(buffer.block);
    assert_int_equal(buffer_append(pool, &buffer, "abc", 3), 0);
    assert_int_equal(used(), BUFFER_BLOCK_MIN);
    buffer_consume(pool, &buffer, 1);
    assert_memory_equal(buffer_bytes(&buffer), "bc", 2);
    buffer_consume(pool, &buffer, 2);
    assert_null(buffer.block);
    assert_int_equal(used(), 0);
    buffer_pool_free(NULL);
}

static void test_grows_by_doubling(void **state) {
    (void)state;
    struct buffer buffer = {0};
    assert_int_equal(buffer_append(pool, &buffer, "head", 4), 0);
    assert_int_equal(buffer_reserve(pool, &buffer, 100000), 0);
    assert_int_equal(buffer.capacity, 8 * BUFFER_BLOCK_MIN);
    assert_true(buffer_free_space(&buffer) >= 100000);
    assert_memory_equal(buffer_bytes(&buffer), "head", 4);
    assert_int_equal(used(), 8 * BUFFER_BLOCK_MIN);
    buffer_shrink(pool, &buffer);
    assert_int_equal(buffer.capacity, BUFFER_BLOCK_MIN);
    assert_memory_equal(buffer_bytes(&buffer), "head", 4);
    buffer_clear(pool, &buffer);
    assert_int_equal(buffer_reserve(pool, &buffer, 1), 0);
    buffer_shrink(pool, &buffer);
    assert_null(buffer.block);
}

static void test_what_came_back_is_told_at_the_end_of_the_turn(void **state) {
    (void)state;
    struct buffer a = {0}, b = {0};
    budget.limit = 3 * (size_t)BUFFER_BLOCK_MIN;
    assert_int_equal(buffer_reserve(pool, &a, 2 * (size_t)BUFFER_BLOCK_MIN), 0);
    buffer_clear(pool, &a);
    assert_int_equal(atomic_load(&budget.used), 2 * (size_t)BUFFER_BLOCK_MIN);
    atomic_fetch_add(&budget.used, BUFFER_BLOCK_MIN); /* another's: all is used up, but for what came back */
    assert_int_equal(buffer_reserve(pool, &a, 1), 0);
    assert_int_equal(buffer_reserve(pool, &b, 2 * (size_t)BUFFER_BLOCK_MIN), -ENOBUFS);
    assert_int_equal(buffer_reserve(pool, &b, 1), 0);
    assert_int_equal(used(), budget.limit);
    buffer_clear(pool, &a);
    buffer_clear(pool, &b);
    assert_int_equal(used(), BUFFER_BLOCK_MIN);
    atomic_fetch_sub(&budget.used, BUFFER_BLOCK_MIN);
}

static void test_budget(void **state) {
    (void)state;
    struct buffer a = {0}, b = {0};
    budget.limit = 3 * (size_t)BUFFER_BLOCK_MIN;
    assert_int_equal(buffer_append(pool, &a, "a", 1), 0);
    assert_int_equal(buffer_reserve(pool, &b, 2 * (size_t)BUFFER_BLOCK_MIN), 0);
    assert_int_equal(buffer_reserve(pool, &a, BUFFER_BLOCK_MIN), -ENOBUFS);
    assert_memory_equal(buffer_bytes(&a), "a", 1);
    assert_int_equal(used(), 3 * (size_t)BUFFER_BLOCK_MIN);
    buffer_clear(pool, &b);
    budget.limit = 4 * (size_t)BUFFER_BLOCK_MIN;
    assert_int_equal(buffer_reserve(pool, &a, BUFFER_BLOCK_MIN), 0);
    assert_int_equal(buffer_reserve(pool, &a, SIZE_MAX - 1), -ENOMEM);
    buffer_clear(pool, &a);
}

/* A long queue that is added to and taken from in small steps is not copied at each of them. */
static void test_steady_queue_moves_seldom(void **state) {
    (void)state;
    struct buffer buffer = {0};
    static char bulk[200000];
    assert_int_equal(buffer_append(pool, &buffer, bulk, sizeof bulk), 0);
    unsigned moves = 0;
    for (int i = 0; i < 100000; i++) {
        size_t begin = buffer.begin;
        const uint8_t *block = buffer.block;
        assert_int_equal(buffer_append(pool, &buffer, "0123456789", 10), 0);
        moves += buffer.begin < begin || buffer.block != block;
        buffer_consume(pool, &buffer, 10);
    }
    assert_true(moves < 40);
    assert_true(buffer.capacity <= 32 * BUFFER_BLOCK_MIN);
    buffer_clear(pool, &buffer);
}

static void test_against_a_plain_array(void **state) {
    (void)state;
    static uint8_t reference[400000], bytes[60000];
    size_t length = 0;
    struct buffer buffer = {0};
    uint32_t random = 3;
    for (int i = 0; i < 20000; i++) {
        size_t n = next_random(&random) % (i % 10 == 0 ? 60000 : 300);
        if (next_random(&random) % 2 && length + n <= sizeof reference) {
            for (size_t k = 0; k < n; k++) {
                bytes[k] = (uint8_t)next_random(&random);
            }
            assert_int_equal(buffer_append(pool, &buffer, bytes, n), 0);
            memcpy(reference + length, bytes, n);
            length += n;
        } else {
            n = n < length ? n : length;
            if (n > 0) {
                buffer_consume(pool, &buffer, n);
                memmove(reference, reference + n, length - n);
                length -= n;
            }
        }
        assert_int_equal(buffer_length(&buffer), length);
        if (length > 0) {
            assert_memory_equal(buffer_bytes(&buffer), reference, length);
        } else {
            assert_null(buffer.block);
        }
    }
    buffer_clear(pool, &buffer);
}

static void test_a_trim_takes_what_was_not_wanted(void **state) {
    (void)state;
    struct buffer first = {0}, second = {0};
    assert_false(buffer_pool_keeps(pool));
    assert_int_equal(buffer_append(pool, &first, "a", 1), 0);
    assert_int_equal(buffer_append(pool, &second, "b", 1), 0);
    uint8_t *block = second.block;
    buffer_clear(pool, &first);
    buffer_clear(pool, &second);
    assert_true(buffer_pool_keeps(pool));
    assert_true(buffer_pool_trim(pool)); /* both came back since the last one */
    assert_int_equal(buffer_append(pool, &second, "b", 1), 0);
    assert_ptr_equal(second.block, block);
    buffer_clear(pool, &second);
    assert_true(buffer_pool_trim(pool)); /* one of them was wanted */
    assert_false(buffer_pool_trim(pool));
    assert_false(buffer_pool_keeps(pool));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty_holds_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grows_by_doubling, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_came_back_is_told_at_the_end_of_the_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_budget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_steady_queue_moves_seldom, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_trim_takes_what_was_not_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_against_a_plain_array, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
