/* app.wasm's heap over a run of memory of the test's: what is given is aligned, apart, kept; what is freed comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "random_numbers.h"
#include "small_heap.h"

enum { RUN = 8 << 20, STEP = 65536, BLOCKS = 1000 };

static _Alignas(8) uint8_t run[RUN];
static size_t run_length;
static size_t run_limit = RUN;

void *small_heap_extend(size_t bytes, size_t *ret_bytes) {
    const size_t more = (bytes + STEP - 1) / STEP * STEP;
    if (more > run_limit - run_length)
        return NULL;
    void *begin = run + run_length;
    run_length += more;
    *ret_bytes = more;
    return begin;
}

struct held {
    uint8_t *memory;
    size_t size;
    uint8_t fill;
};

static void check(const struct held *held) {
    assert_true(held->memory >= run && held->memory + held->size <= run + run_length);
    assert_int_equal((uintptr_t)held->memory & 7, 0);
    assert_true(small_heap_room(held->memory) >= held->size);
    for (size_t i = 0; i < held->size; i++)
        assert_int_equal(held->memory[i], held->fill);
}

static size_t some_size(uint32_t *random) {
    const uint32_t bits = next_random(random) % 13;
    return next_random(random) % (2u << bits);
}

/* Blocks of all sizes come and go in no order; each keeps what it holds. */
static void blocks_are_apart(void **state) {
    (void)state;
    static struct held held[BLOCKS];
    uint32_t random = 2463534242;
    for (int turn = 0; turn < 200000; turn++) {
        struct held *one = &held[next_random(&random) % BLOCKS];
        if (one->memory != NULL) {
            check(one);
            small_heap_free(one->memory);
            one->memory = NULL;
            continue;
        }
        one->size = some_size(&random);
        one->fill = (uint8_t)turn;
        one->memory = small_heap_allocate(one->size);
        assert_non_null(one->memory);
        memset(one->memory, one->fill, one->size);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        if (held[i].memory != NULL)
            check(&held[i]);
        small_heap_free(held[i].memory);
    }
    /* All that was ever taken is one block again. */
    const size_t had = run_length;
    void *whole = small_heap_allocate(had - 64);
    assert_non_null(whole);
    assert_int_equal(run_length, had);
    small_heap_free(whole);
}

static void memory_comes_back(void **state) {
    (void)state;
    const size_t had = run_length;
    for (int turn = 0; turn < 100000; turn++) {
        void *one = small_heap_allocate((size_t)turn % 30000);
        void *other = small_heap_allocate(24);
        small_heap_free(one);
        small_heap_free(other);
    }
    assert_int_equal(run_length, had);
}

static void empty_blocks_are_blocks(void **state) {
    (void)state;
    void *one = small_heap_allocate(0);
    void *other = small_heap_allocate(0);
    assert_non_null(one);
    assert_non_null(other);
    assert_ptr_not_equal(one, other);
    small_heap_free(one);
    small_heap_free(other);
    small_heap_free(NULL);
}

static void too_much_is_refused(void **state) {
    (void)state;
    assert_null(small_heap_allocate(SIZE_MAX));
    assert_null(small_heap_allocate(SIZE_MAX - 7));
    assert_null(small_heap_allocate(((size_t)1 << 30) + 1));
    assert_null(small_heap_allocate((size_t)1 << 30));
    run_limit = run_length;
    assert_null(small_heap_allocate(run_length));
    run_limit = RUN;
    void *memory = small_heap_allocate(1000);
    assert_non_null(memory);
    small_heap_free(memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_apart),
        cmocka_unit_test(memory_comes_back),
        cmocka_unit_test(empty_blocks_are_blocks),
        cmocka_unit_test(too_much_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
