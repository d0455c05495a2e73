/* What guarding costs a call, apart from looking at its payload: the policy's verdict, the rates, and the accounts of who is there and of
 * who waits for an answer. Many times over; prints ns. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/guard/policy.h"
#include "bridge/guard/rate.h"
#include "bridge/members/roster.h"
#include "bridge/session/call_table.h"
#include "config/config_patterns.h"

enum { CALLS = 4000000, MEMBERS = 64, FUNCTIONS = 16, NAME_BYTES = 32 };

static char members[MEMBERS][NAME_BYTES], functions[FUNCTIONS][NAME_BYTES];

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* what others do meanwhile is no matter */
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static struct daffi_message call_of(size_t number) {
    return (struct daffi_message){.uuid = (uint16_t)number,
                                  .flag = DAFFI_REQUEST,
                                  .decoder = DAFFI_JSON,
                                  .transmitter = daffi_span_text("page"),
                                  .receiver = daffi_span_text(members[number % MEMBERS]),
                                  .function = daffi_span_text(functions[number % FUNCTIONS])};
}

static void judge(const char *what, const struct policy *policy) {
    size_t allowed = 0;
    const double began = now_ns();
    for (size_t i = 0; i < CALLS; i++) {
        const struct daffi_message call = call_of(i);
        allowed += policy_check(policy, &call) == POLICY_ALLOWED;
    }
    printf("%s: %.0f ns a call, %zu of %d allowed\n", what, (now_ns() - began) / CALLS, allowed, CALLS);
}

/* As large lists as a configuration is likely to have: 64 names and 4 patterns of functions, names of members by a pattern. */
static int fill(struct config_policy *part) {
    char text[NAME_BYTES];
    int status = config_patterns_add(&part->visible, "worker-*");
    for (size_t i = 0; i < 64 && status == 0; i++) {
        snprintf(text, sizeof text, "function_%zu", i);
        status = config_patterns_add(&part->allow_functions, text);
    }
    for (size_t i = 0; i < 4 && status == 0; i++) {
        snprintf(text, sizeof text, "report_%zu_*", i);
        status = config_patterns_add(&part->deny_functions, text);
    }
    return status;
}

static int judge_all(void) {
    struct config_policy parts[POLICY_PARTS_MAX] = {0};
    struct policy policy = {0};
    int status = 0;
    judge("a policy that says nothing", &policy);
    for (size_t i = 0; i < POLICY_PARTS_MAX && status == 0; i++) {
        status = fill(&parts[i]);
        policy_add(&policy, &parts[i]);
        if (status == 0 && (i == 0 || i + 1 == POLICY_PARTS_MAX)) {
            judge(i == 0 ? "one with lists" : "four with lists", &policy);
        }
    }
    for (size_t i = 0; i < POLICY_PARTS_MAX; i++) {
        config_policy_clear(&parts[i]);
    }
    return status;
}

/* 16 calls of a page wait at any time. */
static int keep_accounts(void) {
    struct roster roster = {0};
    struct roster_view view = {0};
    struct call_table table = {0};
    struct call_caller caller = {0};
    struct rate calls, bytes;
    int status = 0;
    char *methods[FUNCTIONS];
    for (size_t i = 0; i < FUNCTIONS; i++) {
        methods[i] = functions[i];
    }
    for (size_t i = 0; i < MEMBERS && status == 0; i++) {
        const struct daffi_member member = {
            .name = members[i], .methods = methods, .methods_count = FUNCTIONS};
        status = roster_put(&roster, &view, &member);
    }
    rate_init(&calls, 1000000, 1000000, 0);
    rate_init(&bytes, 1000000000, 1000000000, 0);
    size_t refused = 0;
    const double began = now_ns();
    for (size_t i = 0; i < CALLS && status == 0; i++) {
        const struct daffi_message call = call_of(i);
        refused += !rate_take(&calls, 1, i / 100) || !rate_take(&bytes, 100, i / 100);
        struct roster_entry *entry = roster_find(&roster, &view, call.receiver);
        refused += entry == NULL || !roster_entry_exposes(entry, call.function);
        status = call_table_open(&table, &caller, call.uuid, entry == NULL ? NULL : &entry->calls, 1024, i);
        struct call *answered = call_table_find(&table, &caller, (uint16_t)(i - 16));
        if (answered != NULL) {
            call_table_drop(&table, answered);
        }
    }
    printf("accounts: %.0f ns a call, %zu refused\n", (now_ns() - began) / CALLS, refused);
    call_table_drop_caller(&table, &caller);
    call_table_clear(&table);
    roster_view_clear(&roster, &view);
    roster_clear(&roster);
    return status;
}

int main(void) {
    for (size_t i = 0; i < MEMBERS; i++) {
        snprintf(members[i], sizeof members[i], "worker-%zu", i);
    }
    for (size_t i = 0; i < FUNCTIONS; i++) {
        snprintf(functions[i], sizeof functions[i], "function_%zu", i);
    }
    return judge_all() == 0 && keep_accounts() == 0 ? 0 : 1;
}
