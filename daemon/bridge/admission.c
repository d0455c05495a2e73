#include "bridge/admission.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bridge/rate.h"

enum {
    BUCKETS = 4096,    /* a power of two */
    NETWORK_BYTES = 8, /* of an IPv6 address */
    RATE_SHARE = 4,    /* of a limit of connections: may be opened anew in a second, if nothing is said */
};

struct admission_address {
    struct admission_address *next;
    size_t bucket;
    size_t connections;
    bool
        is_counted; /* it has opened connections to upstreams: `opened` holds, and outlives them until it is full */
    struct rate opened;
    char text[ADDRESS_MAX];
};

/* A lock, and not atomic counters: it is taken as a connection comes and goes, never on the data path, and three
 * limits are checked and counted as one. */
struct admission {
    pthread_mutex_t lock;
    struct config_limits limits;
    uint64_t seed; /* so that it is not known which addresses share a bucket */
    size_t connections, half_open;
    struct rate opened; /* connections to upstreams */
    struct admission_address *buckets[BUCKETS];
};

static size_t per_second(size_t said, size_t burst) {
    return said > 0 ? said : burst < RATE_SHARE ? 1 : burst / RATE_SHARE;
}

int admission_new(const struct config_limits *limits, struct admission **ret_admission) {
    struct admission *admission = calloc(1, sizeof *admission);
    if (admission == NULL) {
        return -ENOMEM;
    }
    if (pthread_mutex_init(&admission->lock, NULL) != 0) {
        free(admission);
        return -ENOMEM;
    }
    admission->limits = *limits;
    rate_init(&admission->opened, per_second(limits->upstream_connects, limits->connections),
              limits->connections, 0);
    if (getrandom(&admission->seed, sizeof admission->seed, GRND_NONBLOCK) < 0) {
        admission->seed = (uint64_t)(uintptr_t)admission;
    }
    *ret_admission = admission;
    return 0;
}

void admission_free(struct admission *admission) {
    if (admission == NULL) {
        return;
    }
    pthread_mutex_destroy(&admission->lock);
    for (size_t i = 0; i < BUCKETS; i++) {
        while (admission->buckets[i] != NULL) {
            struct admission_address *address = admission->buckets[i];
            admission->buckets[i] = address->next;
            free(address);
        }
    }
    free(admission);
}

/* FNV-1a. */
static size_t bucket_of(const struct admission *admission, const char *text) {
    uint64_t hash = 14695981039346656037U ^ admission->seed;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)*text) * 1099511628211U;
    }
    return (size_t)(hash >> 32) % BUCKETS;
}

static void forget_address(struct admission *admission, struct admission_address *address) {
    struct admission_address **link = &admission->buckets[address->bucket];
    while (*link != address) {
        link = &(*link)->next;
    }
    *link = address->next;
    free(address);
}

/* With the lock held, of one bucket: records that hold no connection, and a rate that is whole again by now. */
static void forget_idle(struct admission *admission, size_t bucket, uint64_t now) {
    struct admission_address *at = admission->buckets[bucket];
    while (at != NULL) {
        struct admission_address *next = at->next;
        if (at->connections == 0 &&
            rate_wait(&at->opened, admission->limits.connections_per_address, now) == 0) {
            forget_address(admission, at);
        }
        at = next;
    }
}

/* With the lock held: the record of an address, made where there is none; NULL without memory. */
static struct admission_address *find_address(struct admission *admission, const char *text) {
    size_t bucket = bucket_of(admission, text);
    for (struct admission_address *at = admission->buckets[bucket]; at != NULL; at = at->next) {
        if (strcmp(at->text, text) == 0) {
            return at;
        }
    }
    struct admission_address *address = calloc(1, sizeof *address);
    if (address == NULL) {
        return NULL;
    }
    memcpy(address->text, text, strlen(text) + 1); /* not longer: see admission_enter */
    address->bucket = bucket;
    address->next = admission->buckets[bucket];
    admission->buckets[bucket] = address;
    return address;
}

/* `text` has less than ADDRESS_MAX bytes. */
static int enter_locked(struct admission *admission, const char *text, struct admission_ticket *ret_ticket,
                        const char **ret_reason) {
    if (admission->connections >= admission->limits.connections) {
        *ret_reason = "limits.connections is reached";
        return -EUSERS;
    }
    if (admission->half_open >= admission->limits.half_open) {
        *ret_reason = "limits.half_open is reached: too many have not yet said who they are";
        return -EUSERS;
    }
    struct admission_address *address = NULL;
    if (strcmp(text, "unix") != 0) {
        address = find_address(admission, text);
        if (address == NULL) {
            *ret_reason = "out of memory";
            return -ENOMEM;
        }
        if (address->connections >= admission->limits.connections_per_address) {
            *ret_reason = "limits.connections_per_address is reached";
            return -EUSERS;
        }
        address->connections++;
    }
    admission->connections++;
    admission->half_open++;
    *ret_ticket = (struct admission_ticket){.admission = admission, .address = address, .half_open = true};
    return 0;
}

/* Whoever has one IPv6 address mostly has all 2^64 of its network: they count as one. */
static void name_network(const char *address, char out[ADDRESS_MAX]) {
    struct in6_addr bytes;
    snprintf(out, ADDRESS_MAX, "%s", address);
    if (inet_pton(AF_INET6, address, &bytes) == 1 && !IN6_IS_ADDR_V4MAPPED(&bytes)) {
        memset(bytes.s6_addr + NETWORK_BYTES, 0, sizeof bytes.s6_addr - NETWORK_BYTES);
        inet_ntop(AF_INET6, &bytes, out, ADDRESS_MAX);
    }
}

int admission_enter(struct admission *admission, const char *address, struct admission_ticket *ret_ticket,
                    const char **ret_reason) {
    char text[ADDRESS_MAX];
    name_network(address, text);
    pthread_mutex_lock(&admission->lock);
    int status = enter_locked(admission, text, ret_ticket, ret_reason);
    pthread_mutex_unlock(&admission->lock);
    return status;
}

/* Behind a proxy of this machine everybody has its address: where nothing is said, it has no rate of its own. */
static bool has_rate(const struct admission *admission, const char *text) {
    bool local = strcmp(text, "::") == 0 || strncmp(text, "127.", 4) == 0; /* ::1 and its network */
    return strcmp(text, "unix") != 0 && (!local || admission->limits.upstream_connects_per_address > 0);
}

/* With the lock held. */
static int pass_on_locked(struct admission *admission, const char *text, uint64_t now, uint64_t most_ms,
                          uint64_t *ret_wait_ms, const char **ret_reason) {
    const struct config_limits *limits = &admission->limits;
    const uint64_t for_all = rate_wait(&admission->opened, 1, now);
    struct admission_address *address = NULL;
    uint64_t for_it = 0;
    if (has_rate(admission, text)) {
        forget_idle(admission, bucket_of(admission, text), now);
        address = find_address(admission, text);
        if (address == NULL) {
            *ret_reason = "out of memory";
            return -ENOMEM;
        }
        if (!address->is_counted) {
            address->is_counted = true;
            rate_init(&address->opened,
                      per_second(limits->upstream_connects_per_address, limits->connections_per_address),
                      limits->connections_per_address, now);
        }
        for_it = rate_wait(&address->opened, 1, now);
    }
    if (for_it > most_ms) {
        *ret_reason = "too many connections in too short a time from this address "
                      "(limits.upstream_connects_per_address)";
        return -EBUSY;
    }
    if (for_all > most_ms) {
        *ret_reason = "too many connections in too short a time (limits.upstream_connects)";
        return -EBUSY;
    }
    rate_charge(&admission->opened, 1, now);
    if (address != NULL) {
        rate_charge(&address->opened, 1, now);
    }
    *ret_wait_ms = for_all > for_it ? for_all : for_it;
    return 0;
}

int admission_pass_on(struct admission *admission, const char *address, uint64_t now, uint64_t most_ms,
                      uint64_t *ret_wait_ms, const char **ret_reason) {
    char text[ADDRESS_MAX];
    name_network(address, text);
    pthread_mutex_lock(&admission->lock);
    int status = pass_on_locked(admission, text, now, most_ms, ret_wait_ms, ret_reason);
    pthread_mutex_unlock(&admission->lock);
    return status;
}

void admission_settle(struct admission_ticket *ticket) {
    if (!ticket->half_open) {
        return;
    }
    ticket->half_open = false;
    pthread_mutex_lock(&ticket->admission->lock);
    ticket->admission->half_open--;
    pthread_mutex_unlock(&ticket->admission->lock);
}

void admission_leave(struct admission_ticket *ticket) {
    struct admission *admission = ticket->admission;
    if (admission == NULL) {
        return;
    }
    pthread_mutex_lock(&admission->lock);
    admission->connections--;
    admission->half_open -= ticket->half_open ? 1 : 0;
    if (ticket->address != NULL && --ticket->address->connections == 0 && !ticket->address->is_counted) {
        forget_address(admission, ticket->address);
    }
    pthread_mutex_unlock(&admission->lock);
    *ticket = (struct admission_ticket){0};
}
