/* Who holds which name: claims of two reactors, who waits, who is told what. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/members/names.h"

static const char TAB[] = "0123456789abcdef0123456789abcdef", OTHER[] = "fedcba9876543210fedcba9876543210";

static struct memory_budget memory = {.limit = 1 << 20};
static struct names *names;
static struct reactor *reactors[2];
static struct names_desk desks[2];

/* A session, as far as names are concerned: it keeps the words it hears, and leaves when it is told to yield. */
struct guest {
    struct names_entry entry;
    unsigned heard;
};

static void on_word(struct names_entry *entry, enum names_word word) {
    struct guest *guest = (struct guest *)(void *)((char *)entry - offsetof(struct guest, entry));
    assert_int_equal(guest->heard & word, 0);
    guest->heard |= word;
    if (word == NAMES_YIELD || word == NAMES_EVICT) {
        names_leave(entry);
    }
}

static struct guest *guest_new(const char *name, const char *tab) {
    struct guest *guest = calloc(1, sizeof *guest);
    guest->entry = (struct names_entry){.name = name, .is_page = true, .on_word = on_word};
    snprintf(guest->entry.tab, sizeof guest->entry.tab, "%s", tab);
    return guest;
}

static int claim(struct guest *guest, size_t desk) {
    return names_claim(&desks[desk], &guest->entry);
}

/* Leaves and is gone: nothing may remember it. */
static void go(struct guest *guest) {
    names_leave(&guest->entry);
    free(guest);
}

static void turn(void) {
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(reactor_turn(reactors[i % 2], 0), 0);
    }
}

static int set_up(void **state) {
    (void)state;
    assert_int_equal(names_new(&names), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(reactor_new(&memory, &reactors[i]), 0);
        names_open_desk(names, reactors[i], &desks[i]);
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        reactor_free(reactors[i]);
    }
    names_free(names);
    return 0;
}

static void a_name_is_one_pages_in_each_place(void **state) {
    (void)state;
    struct guest *first = guest_new("a", ""), *elsewhere = guest_new("a", ""), *other = guest_new("b", "");
    elsewhere->entry.place = 1;
    assert_int_equal(claim(first, 0), 0);
    assert_int_equal(claim(elsewhere, 1), 0);
    assert_int_equal(claim(other, 1), 0);
    names_leave(&first->entry);
    assert_int_equal(claim(first, 1), 0);
    go(first);
    go(elsewhere);
    go(other);
}

static void who_proves_to_be_there_keeps_the_name(void **state) {
    (void)state;
    struct guest *holder = guest_new("a", TAB), *newcomer = guest_new("a", OTHER);
    assert_int_equal(claim(holder, 0), 0);
    assert_int_equal(claim(newcomer, 1), -EINPROGRESS);
    turn();
    assert_int_equal(holder->heard, NAMES_PROVE);
    names_confirm(&holder->entry);
    turn();
    assert_int_equal(newcomer->heard, NAMES_TAKEN);
    assert_int_equal(newcomer->entry.state, NAMES_AWAY);
    go(newcomer);
    go(holder);
}

static void who_does_not_loses_it(void **state) {
    (void)state;
    struct guest *holder = guest_new("a", ""), *newcomer = guest_new("a", ""), *late = guest_new("a", "");
    assert_int_equal(claim(holder, 0), 0);
    assert_int_equal(claim(newcomer, 1), -EINPROGRESS);
    assert_int_equal(claim(late, 0), -EEXIST);
    go(holder); /* before it has heard of anything */
    turn();
    assert_int_equal(newcomer->heard, NAMES_GRANTED);
    assert_int_equal(claim(late, 0), -EINPROGRESS);
    go(late); /* waits no more */
    names_confirm(&newcomer->entry);
    go(newcomer);
}

static void a_tab_takes_its_own_name_over(void **state) {
    (void)state;
    struct guest *holder = guest_new("a", TAB), *newcomer = guest_new("a", TAB), *again = guest_new("a", TAB);
    assert_int_equal(claim(holder, 0), 0);
    assert_int_equal(claim(newcomer, 1), -EINPROGRESS);
    names_confirm(&holder->entry); /* it makes no difference that it is there */
    assert_int_equal(claim(again, 1), -EINPROGRESS);
    turn();
    assert_int_equal(holder->heard, NAMES_YIELD);
    assert_int_equal(newcomer->heard, NAMES_REPLACED);
    assert_int_equal(again->heard, NAMES_GRANTED);
    go(holder);
    go(newcomer);
    go(again);
}

static void a_tab_comes_before_a_stranger_who_waits(void **state) {
    (void)state;
    struct guest *holder = guest_new("a", TAB), *stranger = guest_new("a", OTHER), *own = guest_new("a", TAB);
    assert_int_equal(claim(holder, 0), 0);
    assert_int_equal(claim(stranger, 0), -EINPROGRESS);
    assert_int_equal(claim(own, 1), -EINPROGRESS);
    turn();
    assert_int_equal(holder->heard & NAMES_YIELD, NAMES_YIELD);
    assert_int_equal(stranger->heard, NAMES_TAKEN);
    assert_int_equal(own->heard, NAMES_GRANTED);
    go(holder);
    go(stranger);
    go(own);
}

static struct guest *native_new(void) {
    struct guest *guest = guest_new("a", "");
    guest->entry.is_page = false;
    return guest;
}

static void a_native_peer_gets_the_name_and_no_page_does(void **state) {
    (void)state;
    struct guest *page = guest_new("a", TAB), *native = native_new(), *other = guest_new("a", TAB);
    assert_int_equal(claim(page, 0), 0);
    assert_int_equal(claim(native, 1), -EINPROGRESS);
    turn();
    assert_int_equal(page->heard, NAMES_EVICT);
    assert_int_equal(native->heard, NAMES_GRANTED); /* when the page had left */
    assert_int_equal(claim(other, 0), -EEXIST);
    go(native);
    assert_int_equal(claim(other, 0), 0);
    go(page);
    go(other);
}

static void a_native_peer_comes_before_pages_that_wait(void **state) {
    (void)state;
    struct guest *holder = guest_new("a", TAB), *page = guest_new("a", ""), *own = guest_new("a", TAB);
    struct guest *native = native_new();
    assert_int_equal(claim(holder, 0), 0);
    assert_int_equal(claim(page, 0), -EINPROGRESS);
    assert_int_equal(claim(native, 1), -EINPROGRESS);
    assert_int_equal(claim(own, 1), -EEXIST);
    names_confirm(&holder->entry); /* it makes no difference that it is there */
    turn();
    assert_int_equal(page->heard, NAMES_TAKEN);
    assert_int_equal(native->heard, NAMES_GRANTED);
    go(holder);
    go(page);
    go(own);
    go(native);
}

static void of_native_peers_that_come_at_once_the_last_has_the_name(void **state) {
    (void)state;
    struct guest *holder = native_new(), *second = native_new(), *last = native_new();
    assert_int_equal(claim(holder, 0), 0);
    assert_int_equal(claim(second, 1), -EINPROGRESS);
    assert_int_equal(claim(last, 0), -EINPROGRESS);
    turn();
    assert_int_equal(holder->heard, NAMES_EVICT);
    assert_int_equal(second->heard, NAMES_REPLACED);
    assert_int_equal(last->heard, NAMES_GRANTED);
    go(holder);
    go(second);
    go(last);
}

static void a_holder_that_has_just_been_granted_hears_that_first(void **state) {
    (void)state;
    struct guest *holder = native_new(), *second = native_new(), *last = native_new();
    assert_int_equal(claim(holder, 0), 0);
    assert_int_equal(claim(second, 1), -EINPROGRESS);
    go(holder);
    assert_int_equal(claim(last, 0), -EINPROGRESS);
    turn();
    assert_int_equal(second->heard, NAMES_GRANTED | NAMES_EVICT);
    assert_int_equal(last->heard, NAMES_GRANTED);
    go(second);
    go(last);
}

/* The holder's session has ended, but its backend keeps the name. */
static struct guest *heir_of(struct guest *holder) {
    struct guest *heir = guest_new(holder->entry.name, holder->entry.tab);
    heir->entry.is_page = holder->entry.is_page;
    heir->entry.on_word = NULL; /* it hears none */
    names_hand_over(&holder->entry, &heir->entry);
    assert_int_equal(holder->entry.state, NAMES_AWAY);
    go(holder);
    return heir;
}

static void who_waits_for_a_holder_waits_for_its_heir(void **state) {
    (void)state;
    struct guest *holder = guest_new("a", TAB), *newcomer = guest_new("a", TAB);
    assert_int_equal(claim(holder, 0), 0);
    assert_int_equal(claim(newcomer, 1), -EINPROGRESS);
    assert_false(names_waits_for_leaver(&newcomer->entry));
    struct guest *heir = heir_of(holder);
    turn();
    assert_int_equal(newcomer->heard, 0);
    assert_true(names_waits_for_leaver(&newcomer->entry));
    go(heir);
    turn();
    assert_int_equal(newcomer->heard, NAMES_GRANTED);
    assert_false(names_waits_for_leaver(&newcomer->entry));
    go(newcomer);
}

static void an_heir_is_asked_nothing_and_anybody_may_wait_for_it(void **state) {
    (void)state;
    struct guest *former = native_new(), *stranger = guest_new("a", OTHER), *late = guest_new("a", TAB);
    struct guest *native = native_new();
    assert_int_equal(claim(former, 0), 0);
    struct guest *heir = heir_of(former);
    assert_int_equal(claim(stranger, 1), -EINPROGRESS);
    assert_int_equal(claim(late, 0), -EEXIST); /* one waits at a time */
    assert_int_equal(claim(native, 1), -EINPROGRESS);
    turn();
    assert_int_equal(stranger->heard, NAMES_TAKEN);
    names_leave(&native->entry); /* waits no more */
    assert_int_equal(claim(late, 0), -EINPROGRESS);
    go(heir);
    turn();
    assert_int_equal(late->heard, NAMES_GRANTED);
    go(stranger);
    go(native);
    go(late);
}

static void an_heir_that_yields_is_in_nobody_s_way(void **state) {
    (void)state;
    struct guest *former = guest_new("a", TAB), *stranger = guest_new("a", OTHER);
    assert_int_equal(claim(former, 0), 0);
    struct guest *heir = heir_of(former);
    names_yield(&heir->entry);
    names_owe(&heir->entry, 2);
    assert_int_equal(heir->entry.state, NAMES_HOLDING);
    assert_int_equal(claim(stranger, 1), 0);
    assert_int_equal(stranger->entry.debt, 2);
    assert_int_equal(heir->entry.state, NAMES_AWAY);
    names_owe(&heir->entry, 1); /* it is there still, and has been answered */
    assert_int_equal(names_take_debt(&stranger->entry), 1);
    names_owe(&heir->entry, 0);
    go(heir);
    assert_int_equal(stranger->entry.state, NAMES_HOLDING);
    assert_int_equal(stranger->entry.debt, 0);
    go(stranger);
}

static void an_heir_has_its_name_back_where_the_next_was_never_there(void **state) {
    (void)state;
    struct guest *former = guest_new("a", TAB), *hasty = guest_new("a", TAB), *waiting = native_new(),
                 *next = guest_new("a", TAB);
    assert_int_equal(claim(former, 0), 0);
    struct guest *heir = heir_of(former);
    names_owe(&heir->entry, 2);
    names_yield(&heir->entry);
    assert_int_equal(claim(hasty, 1), 0);
    assert_int_equal(claim(waiting, 0), -EINPROGRESS);
    go(hasty);
    turn();
    assert_int_equal(waiting->heard, NAMES_GRANTED);
    names_owe(&heir->entry, 1);
    assert_int_equal(waiting->entry.debt, 1);
    go(waiting);
    assert_int_equal(heir->entry.state, NAMES_HOLDING);
    names_owe(&heir->entry, 0);
    go(heir);
    assert_int_equal(claim(next, 0), 0);
    assert_int_equal(next->entry.debt, 0);
    go(next);
}

static void a_debt_waits_for_who_comes_next(void **state) {
    (void)state;
    struct guest *former = guest_new("a", TAB), *hasty = guest_new("a", TAB), *other = guest_new("b", TAB);
    assert_int_equal(claim(former, 0), 0);
    struct guest *heir = heir_of(former);
    names_owe(&heir->entry, 2);
    names_yield(&heir->entry);
    assert_int_equal(claim(hasty, 0), 0);
    go(hasty); /* before it was there for them */
    assert_int_equal(claim(other, 0), 0);
    assert_int_equal(other->entry.debt, 0);
    for (int i = 0; i < 2; i++) {
        struct guest *next = guest_new("a", OTHER);
        assert_int_equal(claim(next, 1), 0);
        assert_int_equal(next->entry.debt, 2);
        go(next);
    }
    go(other);
    go(heir);
}

static void who_waits_for_an_heir_gets_its_debt(void **state) {
    (void)state;
    for (int yields = 0; yields < 2; yields++) {
        struct guest *former = guest_new("a", TAB), *waiting = guest_new("a", TAB),
                     *next = guest_new("a", TAB);
        assert_int_equal(claim(former, 0), 0);
        struct guest *heir = heir_of(former);
        assert_int_equal(claim(waiting, 1), -EINPROGRESS);
        names_owe(&heir->entry, 3);
        if (yields > 0) {
            names_yield(&heir->entry);
        }
        go(heir);
        turn();
        assert_int_equal(waiting->heard, NAMES_GRANTED);
        assert_int_equal(waiting->entry.debt, 3);
        waiting->entry.debt = 0; /* it is somebody else's now */
        go(waiting);
        assert_int_equal(claim(next, 0), 0);
        assert_int_equal(next->entry.debt, 0);
        go(next);
    }
}

static void who_holds_no_name_has_no_heir(void **state) {
    (void)state;
    struct guest *holder = guest_new("a", ""), *waiting = guest_new("a", ""), *heir = guest_new("a", "");
    names_hand_over(&holder->entry, &heir->entry);
    assert_int_equal(heir->entry.state, NAMES_AWAY);
    assert_int_equal(claim(holder, 0), 0);
    assert_int_equal(claim(waiting, 0), -EINPROGRESS);
    names_hand_over(&waiting->entry, &heir->entry);
    assert_int_equal(heir->entry.state, NAMES_AWAY);
    assert_int_equal(waiting->entry.state, NAMES_WAITING);
    go(waiting);
    go(holder);
    go(heir);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_name_is_one_pages_in_each_place),
        TEST(who_proves_to_be_there_keeps_the_name),
        TEST(who_does_not_loses_it),
        TEST(a_tab_takes_its_own_name_over),
        TEST(a_tab_comes_before_a_stranger_who_waits),
        TEST(a_native_peer_gets_the_name_and_no_page_does),
        TEST(a_native_peer_comes_before_pages_that_wait),
        TEST(of_native_peers_that_come_at_once_the_last_has_the_name),
        TEST(a_holder_that_has_just_been_granted_hears_that_first),
        TEST(who_waits_for_a_holder_waits_for_its_heir),
        TEST(an_heir_is_asked_nothing_and_anybody_may_wait_for_it),
        TEST(an_heir_that_yields_is_in_nobody_s_way),
        TEST(an_heir_has_its_name_back_where_the_next_was_never_there),
        TEST(a_debt_waits_for_who_comes_next),
        TEST(who_waits_for_an_heir_gets_its_debt),
        TEST(who_holds_no_name_has_no_heir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
