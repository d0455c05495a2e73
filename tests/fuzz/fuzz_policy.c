/* Policies and calls, both of any kind: what is allowed is what all parts allow by themselves, what is refused has its
 * sentence, and what is shown may be called. The input is up to four parts, then calls until it ends. */
#include <stdio.h>
#include <stdlib.h>

#include "bridge/guard/policy.h"
#include "config/config_patterns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 64, SENTENCE_MAX = 256 };

struct input {
    const uint8_t *data;
    size_t size;
};

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static uint8_t next_byte(struct input *input) {
    if (input->size == 0) {
        return 0;
    }
    input->size--;
    return *input->data++;
}

/* Of a length that its first byte says. */
static struct daffi_span next_text(struct input *input) {
    size_t length = next_byte(input) % TEXT_MAX;
    length = length < input->size ? length : input->size;
    const struct daffi_span text = daffi_span_of(input->data, length);
    input->data += length;
    input->size -= length;
    return text;
}

static void read_patterns(struct input *input, struct config_patterns *patterns) {
    uint8_t count = next_byte(input);
    patterns->is_given = (count & 1) != 0;
    for (uint8_t i = 0; i < (count >> 1) % 4 && patterns->is_given; i++) {
        char *text = daffi_span_copy(next_text(input));
        if (text != NULL && config_pattern_is_sound(text)) {
            require(config_patterns_add(patterns, text) == 0);
        }
        free(text);
    }
}

static void read_part(struct input *input, struct config_policy *part) {
    struct config_patterns *const lists[] = {
        &part->allow_functions, &part->deny_functions, &part->allow_receivers, &part->deny_receivers,
        &part->visible,         &part->expose,         &part->allow_names,     &part->deny_names};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        read_patterns(input, lists[i]);
    }
    part->serdes = next_byte(input) & 15;
    part->expose_shared = (next_byte(input) & 1) != 0;
    part->calls_per_second = next_byte(input);
    part->calls_burst = next_byte(input);
    part->calls_in_flight = next_byte(input);
    char *pinned = daffi_span_copy(next_text(input));
    if (pinned != NULL && config_pattern_is_sound(pinned) && (part->pins = calloc(1, sizeof *part->pins))) {
        part->pins[0] = (struct config_pin){.function = pinned, .serdes = next_byte(input) & 15};
        part->pins_count = 1;
        pinned = NULL;
    }
    free(pinned);
}

/* A part alone; one that says nothing of serdes takes them all. */
static bool part_allows(const struct config_policy *part, const struct daffi_message *call) {
    struct config_policy said = *part;
    struct policy alone = {0};
    said.serdes = said.serdes == 0 ? 15 : said.serdes;
    policy_add(&alone, &said);
    return policy_check(&alone, call) == POLICY_ALLOWED;
}

static void check_call(const struct policy *policy, const struct daffi_message *call) {
    char text[SENTENCE_MAX] = "";
    enum policy_verdict verdict = policy_check(policy, call);
    bool all_allow = true;
    for (size_t i = 0; i < policy->count; i++) {
        all_allow = all_allow && part_allows(policy->parts[i], call);
    }
    require(policy_explain(policy, verdict, call, text, sizeof text) == text && text[0] != '\0');
    require(verdict != POLICY_ALLOWED || all_allow);
    require(verdict == POLICY_ALLOWED || verdict == POLICY_SERDE || !all_allow);
    bool is_shown =
        policy_shows_member(policy, call->receiver) && policy_allows_function(policy, call->function);
    require(is_shown == (verdict == POLICY_ALLOWED || verdict == POLICY_SERDE || verdict == POLICY_PINNED));
    require(is_shown || !policy_shows_all(policy));
    require(call->decoder != DAFFI_PICKLE || verdict != POLICY_ALLOWED || policy_takes_pickle(policy));
}

static void check_name(const struct policy *policy, struct daffi_span name) {
    char text[SENTENCE_MAX] = "";
    bool allowed = policy_allows_name(policy, name);
    require(policy_explain_name(policy, name, text, sizeof text) == text && text[0] != '\0');
    require(!allowed || name.length < 12 || memcmp(name.data, "daffi-bridge", 12) != 0);
    (void)policy_may_expose(policy, name);
    (void)policy_shares_exposed(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {.data = data, .size = size};
    struct config_policy parts[POLICY_PARTS_MAX] = {0};
    struct policy policy = {0};
    size_t count = next_byte(&input) % (POLICY_PARTS_MAX + 1);
    for (size_t i = 0; i < count; i++) {
        read_part(&input, &parts[i]);
        policy_add(&policy, &parts[i]);
    }
    while (input.size > 0) {
        struct daffi_message call = {
            .uuid = 1, .flag = DAFFI_REQUEST, .transmitter = daffi_span_text("page")};
        call.decoder = (enum daffi_decoder)(next_byte(&input) & 3);
        call.receiver = next_text(&input);
        call.function = next_text(&input);
        check_call(&policy, &call);
        check_name(&policy, call.receiver);
        require(policy_calls_in_flight(&policy, 1024) <= 1024);
        require(policy_call_rate(&policy).per_second == 0 || policy_call_rate(&policy).burst > 0);
    }
    for (size_t i = 0; i < count; i++) {
        config_policy_clear(&parts[i]);
    }
    return 0;
}
