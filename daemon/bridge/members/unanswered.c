#include "bridge/members/unanswered.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "bridge/members/name_hash.h"

enum { BUCKETS = 1024, ROUND = 65535 /* ids */ };

struct record {                         /* of one page that has left */
    struct record *newer, *same_bucket; /* the next newer one, of all and of its bucket */
    uint64_t hash;
    uint64_t until; /* ms */
    size_t place, name_length, count, bytes;
    uint16_t ids[]; /* the name behind them */
};

struct unanswered {
    pthread_mutex_t lock;
    uint64_t seed;
    size_t bytes;
    struct record *oldest, *newest;
    struct bucket {
        struct record *oldest, *newest;
    } buckets[BUCKETS];
};

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

/* It is the oldest of its bucket, too: no bucket is gone through, however often one name has come and gone. */
static void forget_oldest(struct unanswered *unanswered) {
    struct record *record = unanswered->oldest;
    struct bucket *bucket = &unanswered->buckets[record->hash % BUCKETS];
    bucket->oldest = record->same_bucket;
    if (bucket->oldest == NULL) {
        bucket->newest = NULL;
    }
    unanswered->oldest = record->newer;
    if (unanswered->oldest == NULL) {
        unanswered->newest = NULL;
    }
    unanswered->bytes -= record->bytes;
    free(record);
}

void unanswered_free(struct unanswered *unanswered) {
    if (unanswered == NULL) {
        return;
    }
    while (unanswered->oldest != NULL) {
        forget_oldest(unanswered);
    }
    pthread_mutex_destroy(&unanswered->lock);
    free(unanswered);
}

/* All are kept for the same time: the oldest ends first. */
static void forget_what_is_over(struct unanswered *unanswered, uint64_t now) {
    while (unanswered->oldest != NULL && unanswered->oldest->until <= now) {
        forget_oldest(unanswered);
    }
}

static void keep(struct unanswered *unanswered, struct record *record) {
    struct bucket *bucket = &unanswered->buckets[record->hash % BUCKETS];
    while (unanswered->oldest != NULL && unanswered->bytes + record->bytes > UNANSWERED_BYTES_MAX) {
        forget_oldest(unanswered);
    }
    if (bucket->newest != NULL) {
        bucket->newest->same_bucket = record;
    } else {
        bucket->oldest = record;
    }
    bucket->newest = record;
    if (unanswered->newest != NULL) {
        unanswered->newest->newer = record;
    } else {
        unanswered->oldest = record;
    }
    unanswered->newest = record;
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
static bool collect(const struct unanswered *unanswered, size_t place, struct daffi_span name,
                    struct ids *ids) {
    const uint64_t hash = name_hash(unanswered->seed, name);
    bool found = false;
    for (const struct record *record = unanswered->buckets[hash % BUCKETS].oldest; record != NULL;
         record = record->same_bucket) {
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

/* The id behind which there is the most room; but `first` where half of that is behind it. */
static uint16_t choose_start(const struct ids *left, uint16_t first) {
    unsigned most = 2 * room_behind(left, first);
    unsigned start = first;
    for (unsigned id = 1; id <= ROUND; id++) {
        const unsigned room = holds(left, (uint16_t)id) ? room_behind(left, (uint16_t)id) : 0;
        if (room > most) {
            most = room;
            start = id;
        }
    }
    return (uint16_t)start;
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
    const uint16_t start = found ? choose_start(&left, first) : first;
    return (uint16_t)((start + ROUND - first) % ROUND);
}

uint16_t unanswered_shifted(uint16_t id, uint16_t shift) {
    return id == 0 ? 0 : (uint16_t)((id - 1U + shift) % ROUND + 1);
}

uint16_t unanswered_unshifted(uint16_t id, uint16_t shift) {
    return id == 0 ? 0 : (uint16_t)((id - 1U + ROUND - shift) % ROUND + 1);
}
