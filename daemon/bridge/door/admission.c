#include "bridge/door/admission.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bridge/guard/rate.h"
#include "net/connection.h"

enum {
    BUCKETS = 4096,    /* a power of two */
    NETWORK_BYTES = 8, /* of an IPv6 address */
    RATE_SHARE = 4,    /* of a limit of connections: may be opened anew in a second, if nothing is said */
};

/* A list of entries, the oldest first: one of each kind of link. */
enum entry_link {
    LINK_HALF_OPEN, /* of all */
    LINK_STRANGERS, /* of one address: those who have not said who they are */
    LINKS,
};

struct entry_list {
    struct admission_entry *first, *last;
};

struct admission_address {
    struct admission_address *next;
    size_t bucket;
    size_t connections;
    struct entry_list strangers;
    /* it has opened connections to upstreams: `opened` holds, and outlives them until it is full */
    bool is_counted;
    struct rate opened;
    char text[ADDRESS_MAX];
};

enum entry_state { ENTRY_HALF_OPEN, ENTRY_SERVED, ENTRY_SETTLED, ENTRY_GIVING_WAY };

/* Of a connection. Its owner's until the ticket is given back; one that gives way is its reactor's as well, until that has
 * looked at it. */
struct admission_entry {
    struct admission *admission;
    struct admission_address *address; /* NULL for Unix sockets */
    struct reactor *reactor;
    struct connection *connection; /* its reactor's alone; NULL once the ticket has been given back */
    enum entry_state state;
    bool is_posted, is_left;
    uint64_t since;
    struct admission_entry *next[LINKS], *previous[LINKS];
};

/* A lock, and not atomic counters: it is taken as a connection comes and goes, never on the data path, and three
 * limits are checked and counted as one. */
struct admission {
    pthread_mutex_t lock;
    struct config_limits limits;
    uint64_t seed; /* so that it is not known which addresses share a bucket */
    size_t connections, half_open_count;
    struct entry_list half_open;
    struct entry_list giving_way; /* by LINK_HALF_OPEN: posted, and not looked at yet */
    struct rate opened;           /* connections to upstreams */
    struct admission_address *buckets[BUCKETS];
};

static void append(struct entry_list *list, enum entry_link link, struct admission_entry *entry) {
    entry->next[link] = NULL;
    entry->previous[link] = list->last;
    *(list->last != NULL ? &list->last->next[link] : &list->first) = entry;
    list->last = entry;
}

static void take_out(struct entry_list *list, enum entry_link link, struct admission_entry *entry) {
    *(entry->previous[link] != NULL ? &entry->previous[link]->next[link] : &list->first) = entry->next[link];
    *(entry->next[link] != NULL ? &entry->next[link]->previous[link] : &list->last) = entry->previous[link];
}

static size_t per_second(size_t said, size_t burst) {
    return said > 0 ? said : burst < RATE_SHARE ? 1 : burst / RATE_SHARE;
}

/* The rate of the upstreams begins anew where it is another. */
static void use_limits(struct admission *admission, const struct config_limits *limits, uint64_t now) {
    const struct config_limits *old = &admission->limits;
    size_t rate = per_second(limits->upstream_connects, limits->connections);
    if (admission->opened.per_second == 0 || rate != per_second(old->upstream_connects, old->connections) ||
        limits->connections != old->connections) {
        rate_init(&admission->opened, rate, limits->connections, now);
    }
    admission->limits = *limits;
}

void admission_set_limits(struct admission *admission, const struct config_limits *limits, uint64_t now) {
    pthread_mutex_lock(&admission->lock);
    use_limits(admission, limits, now);
    pthread_mutex_unlock(&admission->lock);
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
    use_limits(admission, limits, 0);
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
    struct admission_entry *entry = admission->giving_way.first;
    while (entry != NULL) {
        struct admission_entry *next = entry->next[LINK_HALF_OPEN];
        free(entry);
        entry = next;
    }
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

/* With the lock held: from one state to a later one, with all that counts it. */
static void move(struct admission_entry *entry, enum entry_state state) {
    struct admission *admission = entry->admission;
    if (entry->state == ENTRY_HALF_OPEN) {
        admission->half_open_count--;
        take_out(&admission->half_open, LINK_HALF_OPEN, entry);
    }
    if (entry->state < ENTRY_SETTLED && state >= ENTRY_SETTLED && entry->address != NULL) {
        take_out(&entry->address->strangers, LINK_STRANGERS, entry);
    }
    entry->state = state;
}

/* With the lock held: it is not there any more, as far as anybody counts. */
static void count_out(struct admission_entry *entry, enum entry_state state) {
    struct admission *admission = entry->admission;
    struct admission_address *address = entry->address;
    move(entry, state);
    admission->connections--;
    if (address != NULL && --address->connections == 0 && !address->is_counted) {
        forget_address(admission, address);
    }
    entry->address = NULL;
}

/* The reactor's thread. */
static void give_way(void *argument) {
    struct admission_entry *entry = argument;
    struct admission *admission = entry->admission;
    if (entry->connection != NULL) {
        connection_abort(
            entry->connection, -ECANCELED,
            "it gave its place to a newcomer at a limit of connections: it had not said who it is");
    }
    pthread_mutex_lock(&admission->lock);
    take_out(&admission->giving_way, LINK_HALF_OPEN, entry);
    entry->is_posted = false;
    bool is_left = entry->is_left;
    pthread_mutex_unlock(&admission->lock);
    if (is_left) {
        free(entry);
    }
}

/* With the lock held: whether one has given way, of those about whom the limit is. */
static bool make_room(struct admission *admission, struct admission_entry *oldest, uint64_t now) {
    if (oldest == NULL || now < oldest->since + ADMISSION_GRACE_MS ||
        reactor_post(oldest->reactor, give_way, oldest) < 0) {
        return false;
    }
    count_out(oldest, ENTRY_GIVING_WAY);
    oldest->is_posted = true;
    append(&admission->giving_way, LINK_HALF_OPEN, oldest);
    return true;
}

/* With the lock held: whether there is room in all. */
static const char *find_room(struct admission *admission, uint64_t now) {
    if (admission->connections >= admission->limits.connections &&
        !make_room(admission, admission->half_open.first, now)) {
        return "limits.connections is reached";
    }
    if (admission->half_open_count >= admission->limits.half_open &&
        !make_room(admission, admission->half_open.first, now)) {
        return "limits.half_open is reached: too many have not yet said who they are";
    }
    return NULL;
}

/* With the lock held: one connection more in the account of that address. */
static int join_address(struct admission *admission, const char *text, uint64_t now,
                        struct admission_address **ret_address, const char **ret_reason) {
    struct admission_address *address = find_address(admission, text);
    if (address == NULL) {
        *ret_reason = "out of memory";
        return -ENOMEM;
    }
    address->connections++; /* so that it stays, whoever gives way */
    if (address->connections > admission->limits.connections_per_address &&
        !make_room(admission, address->strangers.first, now)) {
        address->connections--;
        *ret_reason = "limits.connections_per_address is reached";
        return -EUSERS;
    }
    *ret_address = address;
    return 0;
}

/* With the lock held; `text` has less than ADDRESS_MAX bytes. */
static int enter_locked(struct admission *admission, const char *text, struct admission_entry *entry,
                        uint64_t now, const char **ret_reason) {
    struct admission_address *address = NULL;
    if (strcmp(text, "unix") != 0) {
        int status = join_address(admission, text, now, &address, ret_reason);
        if (status < 0) {
            return status;
        }
    }
    *ret_reason = find_room(admission, now);
    if (*ret_reason != NULL) {
        if (address != NULL && --address->connections == 0 && !address->is_counted) {
            forget_address(admission, address);
        }
        return -EUSERS;
    }
    entry->address = address;
    entry->since = now;
    admission->connections++;
    admission->half_open_count++;
    append(&admission->half_open, LINK_HALF_OPEN, entry);
    if (address != NULL) {
        append(&address->strangers, LINK_STRANGERS, entry);
    }
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

int admission_enter(struct admission *admission, const char *address, struct reactor *reactor, uint64_t now,
                    struct admission_ticket *ret_ticket, const char **ret_reason) {
    char text[ADDRESS_MAX];
    struct admission_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) {
        *ret_reason = "out of memory";
        return -ENOMEM;
    }
    entry->admission = admission;
    entry->reactor = reactor;
    name_network(address, text);
    pthread_mutex_lock(&admission->lock);
    int status = enter_locked(admission, text, entry, now, ret_reason);
    pthread_mutex_unlock(&admission->lock);
    if (status < 0) {
        free(entry);
        return status;
    }
    ret_ticket->entry = entry;
    return 0;
}

/* With the lock held: out of the account of its address. */
static void leave_address(struct admission_entry *entry) {
    struct admission_address *address = entry->address;
    if (address == NULL) {
        return;
    }
    if (entry->state < ENTRY_SETTLED) {
        take_out(&address->strangers, LINK_STRANGERS, entry);
    }
    if (--address->connections == 0 && !address->is_counted) {
        forget_address(entry->admission, address);
    }
    entry->address = NULL;
}

/* With the lock held; `text` has less than ADDRESS_MAX bytes. */
static int move_locked(struct admission_entry *entry, const char *text, uint64_t now,
                       const char **ret_reason) {
    struct admission *admission = entry->admission;
    struct admission_address *address = NULL;
    if (entry->state == ENTRY_GIVING_WAY ||
        (entry->address != NULL && strcmp(entry->address->text, text) == 0)) {
        return 0;
    }
    if (strcmp(text, "unix") != 0) {
        int status = join_address(admission, text, now, &address, ret_reason);
        if (status < 0) {
            return status;
        }
    }
    leave_address(entry);
    entry->address = address;
    if (address != NULL && entry->state < ENTRY_SETTLED) {
        append(&address->strangers, LINK_STRANGERS, entry);
    }
    return 0;
}

int admission_move(struct admission_ticket *ticket, const char *address, uint64_t now,
                   const char **ret_reason) {
    char text[ADDRESS_MAX];
    struct admission *admission = ticket->entry->admission;
    name_network(address, text);
    pthread_mutex_lock(&admission->lock);
    int status = move_locked(ticket->entry, text, now, ret_reason);
    pthread_mutex_unlock(&admission->lock);
    return status;
}

void admission_bind(struct admission_ticket *ticket, struct connection *connection) {
    ticket->entry->connection = connection;
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

static void advance(const struct admission_ticket *ticket, enum entry_state state) {
    struct admission_entry *entry = ticket->entry;
    if (entry == NULL) {
        return;
    }
    pthread_mutex_lock(&entry->admission->lock);
    if (entry->state < state) {
        move(entry, state);
    }
    pthread_mutex_unlock(&entry->admission->lock);
}

void admission_serve(struct admission_ticket *ticket) {
    advance(ticket, ENTRY_SERVED);
}

void admission_settle(struct admission_ticket *ticket) {
    advance(ticket, ENTRY_SETTLED);
}

void admission_leave(struct admission_ticket *ticket) {
    struct admission_entry *entry = ticket->entry;
    if (entry == NULL) {
        return;
    }
    struct admission *admission = entry->admission;
    ticket->entry = NULL;
    entry->connection = NULL;
    pthread_mutex_lock(&admission->lock);
    if (entry->state != ENTRY_GIVING_WAY) {
        count_out(entry, ENTRY_GIVING_WAY);
    }
    entry->is_left = true;
    bool is_posted = entry->is_posted;
    pthread_mutex_unlock(&admission->lock);
    if (!is_posted) {
        free(entry);
    }
}
