#include "bridge/guard/policy.h"

#include <stdio.h>

#include "config/config_patterns.h"
#include "ops/log.h"

enum { QUOTED_MAX = 100, SERDES_TEXT_MAX = 48, NAMES_TEXT_MAX = 160 };

_Static_assert((int)CONFIG_RAW == (int)DAFFI_OPAQUE && (int)CONFIG_JSON == (int)DAFFI_JSON &&
                   (int)CONFIG_PICKLE == (int)DAFFI_PICKLE && (int)CONFIG_MSGPACK == (int)DAFFI_MSGPACK,
               "serdes of the configuration are decoders of the header");

enum { ALL_SERDES = (1U << CONFIG_SERDES_END) - 1, USUAL_SERDES = ALL_SERDES & ~(1U << CONFIG_PICKLE) };

/* By its bytes: so it holds for whatever a policy may come to say. */
static bool says_nothing(const struct config_policy *part) {
    const unsigned char *bytes = (const unsigned char *)part;
    size_t zeros = 0;
    while (zeros < sizeof *part && bytes[zeros] == 0) {
        zeros++;
    }
    return zeros == sizeof *part;
}

void policy_add(struct policy *policy, const struct config_policy *part) {
    if (policy->count < POLICY_PARTS_MAX && !says_nothing(part)) {
        policy->parts[policy->count++] = part;
    }
}

static bool matches(const struct config_patterns *patterns, struct daffi_span name) {
    return patterns->is_given && config_patterns_match(patterns, name.data, name.length);
}

/* Allowed where no list is given, and never what is denied. */
static bool is_allowed(const struct config_patterns *allow, const struct config_patterns *deny,
                       struct daffi_span name) {
    return (!allow->is_given || matches(allow, name)) && !matches(deny, name);
}

static bool part_allows_function(const struct config_policy *part, struct daffi_span function) {
    return is_allowed(&part->allow_functions, &part->deny_functions, function);
}

static bool part_allows_receiver(const struct config_policy *part, struct daffi_span name) {
    return is_allowed(&part->allow_receivers, &part->deny_receivers, name);
}

static bool part_sees(const struct config_policy *part, struct daffi_span name) {
    return !part->visible.is_given || matches(&part->visible, name);
}

/* -- serdes -- */

static unsigned serdes_of(const struct policy *policy) {
    unsigned serdes = ALL_SERDES;
    bool is_said = false;
    for (size_t i = 0; i < policy->count; i++) {
        if (policy->parts[i]->serdes != 0) {
            serdes &= policy->parts[i]->serdes;
            is_said = true;
        }
    }
    return is_said ? serdes : (unsigned)USUAL_SERDES;
}

static unsigned serdes_of_function(const struct policy *policy, struct daffi_span function) {
    unsigned serdes = serdes_of(policy);
    for (size_t i = 0; i < policy->count; i++) {
        const struct config_policy *part = policy->parts[i];
        for (size_t j = 0; j < part->pins_count; j++) {
            if (config_pattern_matches(part->pins[j].function, function.data, function.length)) {
                serdes &= part->pins[j].serdes;
            }
        }
    }
    return serdes;
}

bool policy_takes_pickle(const struct policy *policy) {
    return (serdes_of(policy) >> CONFIG_PICKLE & 1U) != 0;
}

/* -- a call -- */

enum policy_verdict policy_check(const struct policy *policy, const struct daffi_message *request) {
    for (size_t i = 0; i < policy->count; i++) {
        if (!part_sees(policy->parts[i], request->receiver)) {
            return POLICY_HIDDEN;
        }
    }
    for (size_t i = 0; i < policy->count; i++) {
        if (!part_allows_receiver(policy->parts[i], request->receiver)) {
            return POLICY_RECEIVER;
        }
        if (!part_allows_function(policy->parts[i], request->function)) {
            return POLICY_FUNCTION;
        }
    }
    const unsigned bit = 1U << request->decoder;
    if ((serdes_of(policy) & bit) == 0) {
        return POLICY_SERDE;
    }
    return (serdes_of_function(policy, request->function) & bit) == 0 ? POLICY_PINNED : POLICY_ALLOWED;
}

/* `json, msgpack`; `none` */
static const char *serdes_text(unsigned serdes, char out[SERDES_TEXT_MAX]) {
    static const char *const names[] = {[CONFIG_RAW] = "raw",
                                        [CONFIG_JSON] = "json",
                                        [CONFIG_PICKLE] = "pickle",
                                        [CONFIG_MSGPACK] = "msgpack"};
    size_t used = 0;
    snprintf(out, SERDES_TEXT_MAX, "none");
    for (unsigned serde = 0; serde < CONFIG_SERDES_END; serde++) {
        if ((serdes >> serde & 1U) != 0 && used < SERDES_TEXT_MAX) {
            used += (size_t)snprintf(out + used, SERDES_TEXT_MAX - used, "%s%s", used > 0 ? ", " : "",
                                     names[serde]);
        }
    }
    return out;
}

const char *policy_explain(const struct policy *policy, enum policy_verdict verdict,
                           const struct daffi_message *request, char *out, size_t size) {
    char function[QUOTED_MAX], receiver[QUOTED_MAX], accepted[SERDES_TEXT_MAX], asked[SERDES_TEXT_MAX];
    log_quote(function, sizeof function, (const char *)request->function.data, request->function.length);
    log_quote(receiver, sizeof receiver, (const char *)request->receiver.data, request->receiver.length);
    serdes_text(1U << request->decoder, asked);
    switch (verdict) {
    case POLICY_ALLOWED:
        snprintf(out, size, "it is allowed");
        break;
    case POLICY_HIDDEN:
        snprintf(out, size,
                 "no member called \"%s\" is connected: those that are, the handshake and the events name",
                 receiver);
        break;
    case POLICY_RECEIVER:
        snprintf(out, size,
                 "the policy of this bridge does not let pages call \"%s\": call one of the members that the "
                 "handshake "
                 "names",
                 receiver);
        break;
    case POLICY_FUNCTION:
        snprintf(out, size,
                 "the policy of this bridge does not let pages call the function \"%s\": call one of those "
                 "that the "
                 "handshake names",
                 function);
        break;
    case POLICY_SERDE:
        snprintf(out, size, "the policy of this bridge takes no calls in %s from pages: use one of %s", asked,
                 serdes_text(serdes_of(policy), accepted));
        break;
    case POLICY_PINNED:
        snprintf(out, size,
                 "the policy of this bridge takes no calls of the function \"%s\" in %s: use one of %s",
                 function, asked, serdes_text(serdes_of_function(policy, request->function), accepted));
        break;
    }
    return out;
}

/* -- what is shown -- */

bool policy_shows_member(const struct policy *policy, struct daffi_span name) {
    for (size_t i = 0; i < policy->count; i++) {
        if (!part_sees(policy->parts[i], name) || !part_allows_receiver(policy->parts[i], name)) {
            return false;
        }
    }
    return true;
}

bool policy_allows_function(const struct policy *policy, struct daffi_span function) {
    for (size_t i = 0; i < policy->count; i++) {
        if (!part_allows_function(policy->parts[i], function)) {
            return false;
        }
    }
    return true;
}

static bool part_shows_all(const struct config_policy *part) {
    return !part->visible.is_given && !part->allow_receivers.is_given && !part->deny_receivers.is_given &&
           !part->allow_functions.is_given && !part->deny_functions.is_given;
}

bool policy_shows_all(const struct policy *policy) {
    for (size_t i = 0; i < policy->count; i++) {
        if (!part_shows_all(policy->parts[i])) {
            return false;
        }
    }
    return true;
}

/* -- names -- */

static const char OWN_NAMES[] = "daffi-bridge";

bool policy_allows_name(const struct policy *policy, struct daffi_span name) {
    const size_t own = sizeof OWN_NAMES - 1;
    bool is_own = name.length >= own && memcmp(name.data, OWN_NAMES, own) == 0;
    for (size_t i = 0; i < policy->count && !is_own; i++) {
        if (!is_allowed(&policy->parts[i]->allow_names, &policy->parts[i]->deny_names, name)) {
            return false;
        }
    }
    return !is_own;
}

/* `"web-*", "guest"`, cut where it is too long. */
static void list_patterns(const struct config_patterns *patterns, char *out, size_t size) {
    size_t used = 0;
    for (size_t i = 0; i < patterns->wild_count + patterns->names_count && used < size; i++) {
        const char *pattern =
            i < patterns->wild_count ? patterns->wild[i] : patterns->names[i - patterns->wild_count];
        used += (size_t)snprintf(out + used, size - used, "%s\"%s\"", i == 0 ? "" : ", ", pattern);
    }
}

const char *policy_explain_name(const struct policy *policy, struct daffi_span name, char *out, size_t size) {
    char quoted[QUOTED_MAX], list[NAMES_TEXT_MAX] = "";
    log_quote(quoted, sizeof quoted, (const char *)name.data, name.length);
    for (size_t i = 0; i < policy->count; i++) {
        const struct config_patterns *allow = &policy->parts[i]->allow_names;
        if (allow->is_given && !matches(allow, name)) {
            list_patterns(allow, list, sizeof list);
            snprintf(out, size, "pages can't be called \"%s\" here; names like %s are accepted", quoted,
                     list[0] == '\0' ? "none" : list);
            return out;
        }
    }
    snprintf(out, size, "pages can't be called \"%s\" here: the name is reserved; take another", quoted);
    return out;
}

bool policy_may_expose(const struct policy *policy, struct daffi_span function) {
    bool is_said = false;
    for (size_t i = 0; i < policy->count; i++) {
        const struct config_patterns *expose = &policy->parts[i]->expose;
        if (expose->is_given && !matches(expose, function)) {
            return false;
        }
        is_said = is_said || expose->is_given;
    }
    return is_said;
}

bool policy_shares_exposed(const struct policy *policy) {
    bool shares = false;
    for (size_t i = 0; i < policy->count; i++) {
        shares = shares || policy->parts[i]->expose_shared;
    }
    return shares;
}

/* -- rates -- */

static struct policy_rate smaller(struct policy_rate rate, size_t per_second, size_t burst) {
    if (per_second == 0 || (rate.per_second != 0 && rate.per_second <= per_second)) {
        return rate;
    }
    return (struct policy_rate){.per_second = per_second, .burst = burst != 0 ? burst : per_second};
}

struct policy_rate policy_call_rate(const struct policy *policy) {
    struct policy_rate rate = {0};
    for (size_t i = 0; i < policy->count; i++) {
        rate = smaller(rate, policy->parts[i]->calls_per_second, policy->parts[i]->calls_burst);
    }
    return rate;
}

struct policy_rate policy_byte_rate(const struct policy *policy) {
    struct policy_rate rate = {0};
    for (size_t i = 0; i < policy->count; i++) {
        rate = smaller(rate, policy->parts[i]->bytes_per_second, policy->parts[i]->bytes_burst);
    }
    return rate;
}

size_t policy_calls_in_flight(const struct policy *policy, size_t otherwise) {
    size_t limit = otherwise;
    for (size_t i = 0; i < policy->count; i++) {
        size_t said = policy->parts[i]->calls_in_flight;
        limit = said != 0 && said < limit ? said : limit;
    }
    return limit;
}
