#include "bridge/members/rejoins.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "bridge/members/name_hash.h"

struct rejoins {
    pthread_mutex_t lock;
    uint64_t seed;
    size_t next; /* the place that is used next: the oldest */
    struct {
        uint64_t hash;
        uint64_t until; /* ms; 0: empty */
    } places[REJOINS_MAX];
};

int rejoins_new(struct rejoins **ret_rejoins) {
    struct rejoins *rejoins = calloc(1, sizeof *rejoins);
    if (rejoins == NULL) {
        return -ENOMEM;
    }
    int status = getrandom(&rejoins->seed, sizeof rejoins->seed, 0) < 0
                     ? -errno
                     : -pthread_mutex_init(&rejoins->lock, NULL);
    if (status < 0) {
        free(rejoins);
        return status;
    }
    *ret_rejoins = rejoins;
    return 0;
}

void rejoins_free(struct rejoins *rejoins) {
    if (rejoins != NULL) {
        pthread_mutex_destroy(&rejoins->lock);
        free(rejoins);
    }
}

static uint64_t hash_of(const struct rejoins *rejoins, const char *upstream, struct daffi_span name) {
    return name_hash(name_hash(rejoins->seed, daffi_span_text(upstream)), name);
}

void rejoins_put(struct rejoins *rejoins, const char *upstream, struct daffi_span name, uint64_t now) {
    if (rejoins == NULL) {
        return;
    }
    pthread_mutex_lock(&rejoins->lock);
    rejoins->places[rejoins->next].hash = hash_of(rejoins, upstream, name);
    rejoins->places[rejoins->next].until = now + REJOIN_MS;
    rejoins->next = (rejoins->next + 1) % REJOINS_MAX;
    pthread_mutex_unlock(&rejoins->lock);
}

bool rejoins_has(struct rejoins *rejoins, const char *upstream, struct daffi_span name, uint64_t now) {
    if (rejoins == NULL) {
        return false;
    }
    const uint64_t hash = hash_of(rejoins, upstream, name);
    bool found = false;
    pthread_mutex_lock(&rejoins->lock);
    for (size_t i = 0; !found && i < REJOINS_MAX; i++) {
        found = rejoins->places[i].hash == hash && now < rejoins->places[i].until;
    }
    pthread_mutex_unlock(&rejoins->lock);
    return found;
}
