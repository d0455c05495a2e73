/* What pages may do: a pure verdict of policies and a message. No I/O, no clock, no allocation.
 *
 * Several policies hold together: of the bridge, of the listener, of the upstream, of who one is. Whatever one of them says
 * holds; what it leaves out it leaves to the others. So a list of one narrows the lists of all, and nothing is widened.
 *  - functions and receivers: allowed by every list that is given, denied by none;
 *  - visible: as if the other members were not there, neither shown nor reached;
 *  - serdes: those that all name; raw, json and msgpack where none says, so that PICKLE has to be named;
 *  - expose: by every list that is given, nothing where none is;
 *  - rates and calls in flight: the smallest. */
#ifndef POLICY_H
#define POLICY_H

#include "config/config.h"
#include "daffi/message.h"

enum { POLICY_PARTS_MAX = 4 };

struct policy {
    const struct config_policy *parts[POLICY_PARTS_MAX]; /* borrowed */
    size_t count;
};

/* At most POLICY_PARTS_MAX times. One that says nothing, as most do, is left out: each call is held against all. */
void policy_add(struct policy *policy, const struct config_policy *part);

enum policy_verdict {
    POLICY_ALLOWED,
    POLICY_HIDDEN,   /* for whoever asks, there is no such member */
    POLICY_RECEIVER, /* may not be called */
    POLICY_FUNCTION,
    POLICY_SERDE,
    POLICY_PINNED, /* the serde is not one of that function's */
};

/* A REQUEST of a page. Of processor time, as tests/bench/policy.c measures it: 0.01 us where nothing is said, 0.4 us with four
 * parts of long lists. */
enum policy_verdict policy_check(const struct policy *policy, const struct daffi_message *request);

/* The sentence that says why not, and what is accepted. Names in it are cut and quoted. Returns `out`. */
const char *policy_explain(const struct policy *policy, enum policy_verdict verdict,
                           const struct daffi_message *request, char *out, size_t size);

/* What a page is shown of who is there. */
bool policy_shows_member(const struct policy *policy, struct daffi_span name);
bool policy_allows_function(const struct policy *policy, struct daffi_span function);
bool policy_shows_all(const struct policy *policy); /* every member and function */

/* Whether a page may be called so, and the sentence that says why not. Names of our own are for nobody. */
bool policy_allows_name(const struct policy *policy, struct daffi_span name);
const char *policy_explain_name(const struct policy *policy, struct daffi_span name, char *out, size_t size);

/* What a page may bring; and whether it may bring what another member serves as well, which gets a part of its calls: where one
 * of them says so. */
bool policy_may_expose(const struct policy *policy, struct daffi_span function);
bool policy_shares_exposed(const struct policy *policy);
bool policy_takes_pickle(const struct policy *policy);

/* The smallest of what is said; 0: nothing is. The burst is that of the part with the smallest rate. */
struct policy_rate {
    size_t per_second, burst;
};
struct policy_rate policy_call_rate(const struct policy *policy);
struct policy_rate policy_byte_rate(const struct policy *policy);
size_t policy_calls_in_flight(const struct policy *policy, size_t otherwise);

#endif
