#include "bridge/members/unanswered.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "bridge/members/name_hash.h"

enum { BUCKETS = 1024, ROUND = 65535 /* ids */ };

struct record { /* of one member that has left */
    struct record *newer, *newer_in_bucket;
    uint64_t hash;
    uint64_t until; /* ms */
    size_t place, name_length, count, bytes;
    uint16_t ids[]; /* the name behind them */
};

struct line { /* the oldest first: that is the one to be taken out */
    struct record *oldest, *newest;
};

struct unanswered {
    pthread_mutex_t lock;
    uint64_t seed;
    size_t bytes;
    struct line all;
    struct line buckets[BUCKETS];
};

static struct line *bucket_of(struct unanswered *unanswered, uint64_t hash) {
    return &unanswered->buckets[hash % BUCKETS];
}

int unanswered_new(struct unanswered **ret_unanswered) {
    struct unanswered *unanswered = calloc(1, sizeof *unanswered);
    if (unanswered == NULL) {
        return -ENOMEM;
    }
    int status = getrandom(&unanswered->seed, sizeof unanswered->seed, 0) < 0
                     ? -errno
                     : -pthread_mutex_init(&unanswered->lock, NULL);
    if (status < 0) {
        free(unanswered);
        return status;
    }
    *ret_unanswered = unanswered;
    return 0;
}

static void forget_oldest(struct unanswered *unanswered) {
    struct record *record = unanswered->all.oldest;
    struct line *bucket = bucket_of(unanswered, record->hash);
    unanswered->all.oldest = record->newer;
    bucket->oldest = record->newer_in_bucket; /* it is the oldest there as well */
    unanswered->bytes -= record->bytes;
    free(record);
}

void unanswered_free(struct unanswered *unanswered) {
    if (unanswered == NULL) {
        return;
    }
    while (unanswered->all.oldest != NULL) {
        forget_oldest(unanswered);
    }
    pthread_mutex_destroy(&unanswered->lock);
    free(unanswered);
}

/* All are kept for the same time: the oldest ends first. */
static void forget_what_is_over(struct unanswered *unanswered, uint64_t now) {
    while (unanswered->all.oldest != NULL && unanswered->all.oldest->until <= now) {
        forget_oldest(unanswered);
    }
}

static void keep(struct unanswered *unanswered, struct record *record) {
    struct line *all = &unanswered->all;
    struct line *bucket = bucket_of(unanswered, record->hash);
    while (all->oldest != NULL && unanswered->bytes + record->bytes > UNANSWERED_BYTES_MAX) {
        forget_oldest(unanswered);
    }
    *(all->oldest == NULL ? &all->oldest : &all->newest->newer) = record;
    *(bucket->oldest == NULL ? &bucket->oldest : &bucket->newest->newer_in_bucket) = record;
    all->newest = bucket->newest = record;
    unanswered->bytes += record->bytes;
}

void unanswered_put(struct unanswered *unanswered, size_t place, struct daffi_span name, const uint16_t *ids,
                    size_t count, uint64_t now) {
    if (unanswered == NULL || count == 0) {
        return;
    }
    const size_t bytes = sizeof(struct record) + count * sizeof *ids + name.length;
    struct record *record = malloc(bytes);
    if (record == NULL) {
        return;
    }
    *record = (struct record){.hash = name_hash(unanswered->seed, name),
                              .until = now + UNANSWERED_MS,
                              .place = place,
                              .name_length = name.length,
                              .count = count,
                              .bytes = bytes};
    memcpy(record->ids, ids, count * sizeof *ids);
    memcpy(record->ids + count, name.data, name.length);
    pthread_mutex_lock(&unanswered->lock);
    forget_what_is_over(unanswered, now);
    keep(unanswered, record);
    pthread_mutex_unlock(&unanswered->lock);
}

struct ids { /* a set of them */
    uint64_t words[(ROUND + 1) / 64];
};

static bool holds(const struct ids *ids, uint16_t id) {
    return (ids->words[id / 64] >> id % 64 & 1) != 0;
}

/* Adds what was left under that name: whether there is anything. */
static bool collect(struct unanswered *unanswered, size_t place, struct daffi_span name, struct ids *ids) {
    const uint64_t hash = name_hash(unanswered->seed, name);
    bool found = false;
    for (const struct record *record = bucket_of(unanswered, hash)->oldest; record != NULL;
         record = record->newer_in_bucket) {
        const struct daffi_span whose = daffi_span_of(record->ids + record->count, record->name_length);
        if (record->hash != hash || record->place != place || !daffi_span_equal(whose, name)) {
            continue;
        }
        for (size_t i = 0; i < record->count; i++) {
            ids->words[record->ids[i] / 64] |= UINT64_C(1) << record->ids[i] % 64;
        }
        found = true;
    }
    return found;
}

/* How many ids in turn behind that one were not left. */
static unsigned room_behind(const struct ids *left, uint16_t id) {
    unsigned room = 0;
    while (room < ROUND && !holds(left, unanswered_shifted(id, (uint16_t)(room + 1)))) {
        room++;
    }
    return room;
}

/* Somewhere in the first half of the most room that there is, by chance: who comes may be a stranger who chooses its ids, and must
 * not know which of them were left. */
static uint16_t choose_start(const struct ids *left) {
    unsigned most = 0;
    uint16_t start = 1;
    uint16_t chance = 0;
    for (unsigned id = 1; id <= ROUND; id++) {
        const unsigned room = holds(left, (uint16_t)id) ? room_behind(left, (uint16_t)id) : 0;
        if (room > most) {
            most = room;
            start = (uint16_t)id;
        }
    }
    (void)getrandom(&chance, sizeof chance, GRND_NONBLOCK); /* it worked before */
    return unanswered_shifted(start, (uint16_t)(chance % (most / 2 + 1)));
}

uint16_t unanswered_shift(struct unanswered *unanswered, size_t place, struct daffi_span name, uint16_t first,
                          uint64_t now) {
    if (unanswered == NULL) {
        return 0;
    }
    if (first == 0) { /* behind 0 comes 1, as behind the last one */
        first = ROUND;
    }
    struct ids left = {0};
    pthread_mutex_lock(&unanswered->lock);
    forget_what_is_over(unanswered, now);
    bool found = collect(unanswered, place, name, &left);
    pthread_mutex_unlock(&unanswered->lock);
    const uint16_t start = found ? choose_start(&left) : first;
    return (uint16_t)((start + ROUND - first) % ROUND);
}

uint16_t unanswered_shifted(uint16_t id, uint16_t shift) {
    return id == 0 ? 0 : (uint16_t)((id - 1U + shift) % ROUND + 1);
}

uint16_t unanswered_unshifted(uint16_t id, uint16_t shift) {
    return id == 0 ? 0 : (uint16_t)((id - 1U + ROUND - shift) % ROUND + 1);
}
