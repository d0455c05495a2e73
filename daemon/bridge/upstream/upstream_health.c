#include "bridge/upstream/upstream_health.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct upstream_health {
    struct upstream_health *next;
    pthread_mutex_t *lock; /* the table's */
    atomic_int state;
    atomic_bool is_watched, gives_receipts;
    char reason[UPSTREAM_HEALTH_REASON_MAX]; /* under the lock */
    char name[];
};

struct upstream_health_table {
    pthread_mutex_t lock;
    struct upstream_health *first; /* under the lock */
};

int upstream_health_new(struct upstream_health_table **ret_table) {
    struct upstream_health_table *table = calloc(1, sizeof *table);
    if (table == NULL) {
        return -ENOMEM;
    }
    pthread_mutex_init(&table->lock, NULL);
    *ret_table = table;
    return 0;
}

void upstream_health_free(struct upstream_health_table *table) {
    if (table == NULL) {
        return;
    }
    while (table->first != NULL) {
        struct upstream_health *health = table->first;
        table->first = health->next;
        free(health);
    }
    pthread_mutex_destroy(&table->lock);
    free(table);
}

struct upstream_health *upstream_health_of(struct upstream_health_table *table, const char *name) {
    if (table == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&table->lock);
    struct upstream_health *health = table->first;
    while (health != NULL && strcmp(health->name, name) != 0) {
        health = health->next;
    }
    if (health == NULL && (health = calloc(1, sizeof *health + strlen(name) + 1)) != NULL) {
        memcpy(health->name, name, strlen(name) + 1);
        health->lock = &table->lock;
        health->next = table->first;
        table->first = health;
    }
    pthread_mutex_unlock(&table->lock);
    return health;
}

void upstream_health_watch(struct upstream_health *health) {
    if (health != NULL) {
        atomic_store(&health->is_watched, true);
    }
}

void upstream_health_note_receipts(struct upstream_health *health, bool gives) {
    if (health != NULL && upstream_health_gives_receipts(health) != gives) {
        atomic_store(&health->gives_receipts, gives);
    }
}

bool upstream_health_gives_receipts(const struct upstream_health *health) {
    return health != NULL && atomic_load_explicit(&health->gives_receipts, memory_order_relaxed);
}

bool upstream_health_tell(struct upstream_health *health, bool is_up, const char *reason) {
    int state = is_up ? UPSTREAM_UP : UPSTREAM_DOWN;
    if (health == NULL || atomic_load_explicit(&health->state, memory_order_relaxed) == state) {
        return false;
    }
    pthread_mutex_lock(health->lock);
    bool has_changed = atomic_exchange(&health->state, state) != state;
    snprintf(health->reason, sizeof health->reason, "%s", is_up ? "" : reason);
    pthread_mutex_unlock(health->lock);
    return has_changed;
}

enum upstream_state upstream_health_read(const struct upstream_health *health,
                                         char ret_reason[UPSTREAM_HEALTH_REASON_MAX]) {
    ret_reason[0] = '\0';
    if (health == NULL) {
        return UPSTREAM_UNKNOWN;
    }
    pthread_mutex_lock(health->lock);
    enum upstream_state state = (enum upstream_state)atomic_load(&health->state);
    memcpy(ret_reason, health->reason, sizeof health->reason);
    pthread_mutex_unlock(health->lock);
    return state;
}

bool upstream_health_is_good(const struct upstream_health *health) {
    if (health == NULL) {
        return true;
    }
    int state = atomic_load(&health->state);
    return state == UPSTREAM_UP || (state == UPSTREAM_UNKNOWN && !atomic_load(&health->is_watched));
}
