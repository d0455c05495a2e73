/* router_mailbox.h: letters in their order, one post for many, and what waits is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "bridge/router/router_mailbox.h"
#include "net/buffer.h"

static struct memory_budget budget;
static struct reactor *reactor;
static struct router_mailbox mailbox;
static int runs;

static void count_run(void *argument) {
    (void)argument;
    runs++;
}

static int setup(void **state) {
    (void)state;
    runs = 0;
    atomic_store(&budget.used, 0);
    budget.limit = 10000;
    int status = reactor_new(&budget, &reactor);
    if (status == 0) {
        router_mailbox_init(&mailbox, reactor, 5000, count_run, NULL);
    }
    return status;
}

static int teardown(void **state) {
    (void)state;
    reactor_free(reactor);
    return 0;
}

static struct router_letter *letter_of(size_t length) {
    struct router_letter *letter = calloc(1, sizeof *letter + length);
    assert_non_null(letter);
    letter->kind = ROUTER_LETTER_MESSAGE;
    letter->length = length;
    return letter;
}

static void free_letters(struct router_letter *letter) {
    while (letter != NULL) {
        struct router_letter *next = letter->next;
        free(letter);
        letter = next;
    }
}

static void test_letters_come_in_their_order_after_one_post(void **state) {
    (void)state;
    for (size_t length = 1; length <= 5; length++) {
        router_mailbox_put(&mailbox, letter_of(length));
    }
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(runs, 1);
    struct router_letter *letters = router_mailbox_take(&mailbox);
    size_t expected = 1;
    for (struct router_letter *letter = letters; letter != NULL; letter = letter->next) {
        assert_int_equal(letter->length, expected++);
    }
    assert_int_equal(expected, 6);
    free_letters(letters);
    assert_null(router_mailbox_take(&mailbox));
    router_mailbox_put(&mailbox, letter_of(1)); /* it has looked: it is told again */
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(runs, 2);
    free_letters(router_mailbox_take(&mailbox));
}

static void test_it_takes_messages_below_its_limit(void **state) {
    (void)state;
    router_mailbox_put(&mailbox, letter_of(4999));
    assert_true(router_mailbox_has_room(&mailbox));
    router_mailbox_put(&mailbox, letter_of(1));
    assert_false(router_mailbox_has_room(&mailbox));
    free_letters(router_mailbox_take(&mailbox));
    assert_true(router_mailbox_has_room(&mailbox));
}

static void test_what_waits_is_part_of_the_memory_budget(void **state) {
    (void)state;
    router_mailbox_put(&mailbox, letter_of(3000));
    assert_int_equal(atomic_load(&budget.used), 3000);
    atomic_fetch_add(&budget.used, 7000); /* of queues elsewhere */
    assert_false(router_mailbox_has_room(&mailbox));
    atomic_fetch_sub(&budget.used, 7000);
    assert_true(router_mailbox_has_room(&mailbox));
    free_letters(router_mailbox_take(&mailbox));
    assert_int_equal(atomic_load(&budget.used), 0);
}

static struct router_letter *news(void) {
    struct router_letter *letter = letter_of(0);
    letter->kind = ROUTER_LETTER_JOIN;
    return letter;
}

static void turn_and_expect(int expected_runs) {
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(runs, expected_runs);
}

static void test_news_may_wait_for_a_message(void **state) {
    (void)state;
    router_mailbox_put(&mailbox, news());
    turn_and_expect(1);
    assert_true(router_mailbox_wait(&mailbox));
    router_mailbox_put(&mailbox, news());
    turn_and_expect(1); /* nobody is woken for it */
    router_mailbox_put(&mailbox, letter_of(3));
    turn_and_expect(2);
    assert_false(router_mailbox_wait(&mailbox)); /* there is one: no more waiting */
    struct router_letter *letters = router_mailbox_take(&mailbox);
    assert_int_equal(letters->length, 0);
    assert_int_equal(letters->next->length, 0);
    assert_int_equal(letters->next->next->length, 3);
    free_letters(letters);
    router_mailbox_put(&mailbox, news()); /* it has looked: it is told again */
    turn_and_expect(3);
    free_letters(router_mailbox_take(&mailbox));
}

static void test_nobody_is_told_after_the_end(void **state) {
    (void)state;
    router_mailbox_end(&mailbox);
    router_mailbox_put(&mailbox, letter_of(10));
    assert_int_equal(reactor_turn(reactor, 0), 0);
    assert_int_equal(runs, 0);
    free_letters(router_mailbox_take(&mailbox));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_letters_come_in_their_order_after_one_post, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_takes_messages_below_its_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_waits_is_part_of_the_memory_budget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_news_may_wait_for_a_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_is_told_after_the_end, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
