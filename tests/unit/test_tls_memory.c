/* tls_memory.h: blocks of every size, slots that come back, also from another thread, and OpenSSL upon it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_memory.h"

static void *take(size_t size) {
    return tls_memory_allocate(size, __FILE__, __LINE__);
}

static void give(void *block) {
    tls_memory_free(block, __FILE__, __LINE__);
}

static void *resize(void *block, size_t size) {
    return tls_memory_resize(block, size, __FILE__, __LINE__);
}

static void test_only_buffers_take_slots(void **state) {
    (void)state;
    size_t before = tls_memory_slots_taken();
    static const size_t by_malloc[] = {1,    TLS_MEMORY_PAGE - 1,       TLS_MEMORY_PAGE + 1,
                                       7624, TLS_MEMORY_RECORD_MIN - 1, TLS_MEMORY_RECORD_MAX + 1};
    for (size_t i = 0; i < sizeof by_malloc / sizeof by_malloc[0]; i++) {
        uint8_t *block = take(by_malloc[i]);
        assert_non_null(block);
        memset(block, 0xa5, by_malloc[i]);
        assert_int_equal(tls_memory_slots_taken(), before);
        give(block);
    }
    uint8_t *first = take(TLS_MEMORY_RECORD_MIN), *second = take(TLS_MEMORY_RECORD_MAX);
    memset(first, 1, TLS_MEMORY_RECORD_MIN);
    memset(second, 2, TLS_MEMORY_RECORD_MAX);
    assert_int_equal(first[TLS_MEMORY_RECORD_MIN - 1], 1);
    uint8_t *page = take(TLS_MEMORY_PAGE);
    memset(page, 3, TLS_MEMORY_PAGE);
    assert_int_equal(tls_memory_slots_taken(), before + 3);
    assert_int_equal(second[TLS_MEMORY_RECORD_MAX - 1], 2);
    give(page);
    give(first);
    give(second);
    give(NULL);
}

static void test_resize_keeps_the_content(void **state) {
    (void)state;
    char *block = resize(NULL, 10);
    memcpy(block, "content", sizeof "content");
    static const size_t sizes[] = {4096, TLS_MEMORY_RECORD_MIN, 40000, TLS_MEMORY_RECORD_MAX, 300000, 20000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        block = resize(block, sizes[i]);
        assert_string_equal(block, "content");
        block[sizes[i] - 1] = 'x';
    }
    give(block);
    block = resize(NULL, 20000); /* a slot from the start, and then too large for one */
    size_t taken = tls_memory_slots_taken();
    memcpy(block, "content", sizeof "content");
    assert_ptr_equal(resize(block, 60000), block);
    block = resize(block, TLS_MEMORY_RECORD_MAX + 1);
    assert_string_equal(block, "content");
    assert_true(tls_memory_slots_taken() <= taken);
    give(block);
    assert_null(resize(resize(NULL, 20000), 0));
}

static void take_more_than_slots(size_t size) {
    enum { BLOCKS = TLS_MEMORY_SLOTS + 100, HOT_AT_MOST = 16 };
    uint8_t **blocks = calloc(BLOCKS, sizeof *blocks);
    assert_non_null(blocks);
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = take(size);
        assert_non_null(blocks[i]);
        memcpy(blocks[i], &i, sizeof i);
    }
    size_t taken = tls_memory_slots_taken();
    assert_in_range(taken, TLS_MEMORY_SLOTS, TLS_MEMORY_SLOTS + HOT_AT_MOST);
    for (size_t i = 0; i < BLOCKS; i++) {
        assert_memory_equal(blocks[i], &i, sizeof i); /* none was given twice */
        give(blocks[i]);
    }
    assert_true(tls_memory_slots_taken() <= HOT_AT_MOST);
    free(blocks);
}

static void test_more_blocks_than_slots(void **state) {
    (void)state;
    take_more_than_slots(TLS_MEMORY_PAGE);
    take_more_than_slots(TLS_MEMORY_RECORD_MIN);
}

static void *free_elsewhere(void *argument) {
    void **blocks = argument;
    for (size_t i = 0; i < 20; i++) {
        give(blocks[i]);
    }
    give(take(TLS_MEMORY_RECORD_MIN));
    return NULL;
}

static void test_another_thread_frees_and_its_end_returns_what_it_kept(void **state) {
    (void)state;
    void *blocks[20];
    for (size_t i = 0; i < 20; i++) {
        blocks[i] = take(TLS_MEMORY_RECORD_MIN);
    }
    size_t taken = tls_memory_slots_taken();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, free_elsewhere, blocks), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(tls_memory_slots_taken(), taken - 20);
}

/* As OpenSSL does with what it keeps for each thread. */
static void *leave_to_a_destructor(void *argument) {
    const pthread_key_t *key = argument;
    give(take(TLS_MEMORY_RECORD_MIN));
    assert_int_equal(pthread_setspecific(*key, take(TLS_MEMORY_PAGE)), 0);
    return NULL;
}

static void test_what_is_freed_as_a_thread_ends_is_returned(void **state) {
    (void)state;
    pthread_key_t key; /* made after the one of tls_memory.c: its destructor is called later */
    size_t taken = tls_memory_slots_taken();
    assert_int_equal(pthread_key_create(&key, give), 0);
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, leave_to_a_destructor, &key), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(tls_memory_slots_taken(), taken);
    }
    pthread_key_delete(key);
}

static void test_openssl_stands_upon_it(void **state) {
    (void)state;
    assert_int_equal(tls_memory_install(), -EALREADY); /* once is all */
    size_t before = tls_memory_slots_taken();
    void *block = OPENSSL_malloc(16384);
    assert_non_null(block);
    assert_true(tls_memory_slots_taken() >= before);
    OPENSSL_free(block);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    assert_int_equal(EVP_Digest("abc", 3, digest, &length, EVP_sha256(), NULL), 1);
    assert_int_equal(length, 32);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_buffers_take_slots),
        cmocka_unit_test(test_resize_keeps_the_content),
        cmocka_unit_test(test_more_blocks_than_slots),
        cmocka_unit_test(test_another_thread_frees_and_its_end_returns_what_it_kept),
        cmocka_unit_test(test_what_is_freed_as_a_thread_ends_is_returned),
        cmocka_unit_test(test_openssl_stands_upon_it),
    };
    if (tls_memory_install() < 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
