#include "bridge/members/presence.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "bridge/members/methods.h"
#include "bridge/members/name_hash.h"

enum { BUCKETS = 1024 };

struct presence_member {
    struct presence_member *next; /* of the same bucket */
    bool is_here;                 /* the Router has named it; else it has left before it was named */
    uint64_t leaving_until;       /* ms; 0: it stays */
    struct methods methods;
    size_t name_length;
    uint8_t name[];
};

struct presence_list {
    struct presence_list *next;
    struct presence *presence;
    size_t place;
    bool is_known;
    struct presence_member *buckets[BUCKETS];
};

struct presence {
    pthread_mutex_t lock;
    uint64_t seed;
    struct presence_list *first;
};

int presence_new(struct presence **ret_presence) {
    struct presence *presence = calloc(1, sizeof *presence);
    if (presence == NULL) {
        return -ENOMEM;
    }
    int status = getrandom(&presence->seed, sizeof presence->seed, 0) < 0
                     ? -errno
                     : -pthread_mutex_init(&presence->lock, NULL);
    if (status < 0) {
        free(presence);
        return status;
    }
    *ret_presence = presence;
    return 0;
}

void presence_free(struct presence *presence) {
    if (presence != NULL) {
        pthread_mutex_destroy(&presence->lock);
        free(presence);
    }
}

int presence_open(struct presence *presence, size_t place, struct presence_list **ret_list) {
    struct presence_list *list = calloc(1, sizeof *list);
    if (list == NULL) {
        return -ENOMEM;
    }
    list->presence = presence;
    list->place = place;
    pthread_mutex_lock(&presence->lock);
    list->next = presence->first;
    presence->first = list;
    pthread_mutex_unlock(&presence->lock);
    *ret_list = list;
    return 0;
}

/* -- members; under the lock -- */

static void free_member(struct presence_member *member) {
    free(member->methods.names);
    free(member);
}

static void clear(struct presence_list *list) {
    for (size_t i = 0; i < BUCKETS; i++) {
        while (list->buckets[i] != NULL) {
            struct presence_member *member = list->buckets[i];
            list->buckets[i] = member->next;
            free_member(member);
        }
    }
    list->is_known = false;
}

/* Where the member is linked, or would be. */
static struct presence_member **find(struct presence_list *list, struct daffi_span name) {
    struct presence_member **at = &list->buckets[name_hash(list->presence->seed, name) % BUCKETS];
    while (*at != NULL && !daffi_span_equal(daffi_span_of((*at)->name, (*at)->name_length), name)) {
        at = &(*at)->next;
    }
    return at;
}

/* The member of that name, made where there is none; NULL without memory. */
static struct presence_member *find_or_make(struct presence_list *list, struct daffi_span name) {
    struct presence_member **at = find(list, name);
    if (*at == NULL && (*at = calloc(1, sizeof **at + name.length)) != NULL) {
        (*at)->name_length = name.length;
        memcpy((*at)->name, name.data, name.length);
    }
    return *at;
}

static bool is_leaving(const struct presence_member *member, uint64_t now) {
    return now < member->leaving_until;
}

static bool is_there(const struct presence_member *member, uint64_t now) {
    return member != NULL && member->is_here && !is_leaving(member, now);
}

/* -- from the watcher -- */

void presence_close(struct presence_list *list) {
    if (list == NULL) {
        return;
    }
    struct presence *presence = list->presence;
    pthread_mutex_lock(&presence->lock);
    struct presence_list **at = &presence->first;
    while (*at != list) {
        at = &(*at)->next;
    }
    *at = list->next;
    clear(list);
    pthread_mutex_unlock(&presence->lock);
    free(list);
}

void presence_know(struct presence_list *list) {
    pthread_mutex_lock(&list->presence->lock);
    list->is_known = true;
    pthread_mutex_unlock(&list->presence->lock);
}

void presence_forget(struct presence_list *list) {
    pthread_mutex_lock(&list->presence->lock);
    clear(list);
    pthread_mutex_unlock(&list->presence->lock);
}

int presence_put(struct presence_list *list, const struct daffi_member *member) {
    struct methods methods;
    if (methods_copy(member, &methods) < 0) {
        return -ENOMEM;
    }
    pthread_mutex_lock(&list->presence->lock);
    struct presence_member *known = find_or_make(list, daffi_span_text(member->name));
    if (known != NULL) {
        struct methods former = known->methods;
        known->methods = methods;
        known->is_here = true;
        methods = former;
    }
    pthread_mutex_unlock(&list->presence->lock);
    free(methods.names);
    return known == NULL ? -ENOMEM : 0;
}

int presence_come(struct presence_list *list, struct daffi_span name) {
    pthread_mutex_lock(&list->presence->lock);
    struct presence_member *member = find_or_make(list, name);
    if (member != NULL) {
        member->is_here = true;
    }
    pthread_mutex_unlock(&list->presence->lock);
    return member == NULL ? -ENOMEM : 0;
}

void presence_leave(struct presence_list *list, struct daffi_span name) {
    pthread_mutex_lock(&list->presence->lock);
    struct presence_member **at = find(list, name);
    struct presence_member *member = *at;
    if (member != NULL) {
        *at = member->next;
        free_member(member);
    }
    pthread_mutex_unlock(&list->presence->lock);
}

/* -- from sessions -- */

/* Those that are known, of one place. */
static struct presence_list *next_list(struct presence_list *list, size_t place) {
    while (list != NULL && (list->place != place || !list->is_known)) {
        list = list->next;
    }
    return list;
}

void presence_expect_leave(struct presence *presence, size_t place, struct daffi_span name, uint64_t now) {
    if (presence == NULL) {
        return;
    }
    pthread_mutex_lock(&presence->lock);
    for (struct presence_list *list = next_list(presence->first, place); list != NULL;
         list = next_list(list->next, place)) {
        struct presence_member *member = find_or_make(list, name);
        if (member != NULL) {
            member->leaving_until = now + PRESENCE_LEAVING_MS;
        }
    }
    pthread_mutex_unlock(&presence->lock);
}

void presence_expect_stay(struct presence *presence, size_t place, struct daffi_span name) {
    if (presence == NULL) {
        return;
    }
    pthread_mutex_lock(&presence->lock);
    for (struct presence_list *list = next_list(presence->first, place); list != NULL;
         list = next_list(list->next, place)) {
        struct presence_member *member = *find(list, name);
        if (member != NULL) {
            member->leaving_until = 0;
        }
    }
    pthread_mutex_unlock(&presence->lock);
}

bool presence_has(struct presence *presence, size_t place, struct daffi_span name, uint64_t now) {
    bool has = false;
    if (presence == NULL) {
        return false;
    }
    pthread_mutex_lock(&presence->lock);
    for (struct presence_list *list = next_list(presence->first, place); list != NULL && !has;
         list = next_list(list->next, place)) {
        has = is_there(*find(list, name), now);
    }
    pthread_mutex_unlock(&presence->lock);
    return has;
}

static const struct presence_member *find_server(const struct presence_list *list, struct daffi_span function,
                                                 struct daffi_span except, uint64_t now) {
    for (size_t i = 0; i < BUCKETS; i++) {
        for (const struct presence_member *member = list->buckets[i]; member != NULL; member = member->next) {
            if (is_there(member, now) && methods_have(&member->methods, function) &&
                !daffi_span_equal(daffi_span_of(member->name, member->name_length), except)) {
                return member;
            }
        }
    }
    return NULL;
}

bool presence_serves(struct presence *presence, size_t place, struct daffi_span function,
                     struct daffi_span except, uint64_t now, char ret_name[DAFFI_NAME_MAX + 1]) {
    const struct presence_member *member = NULL;
    if (presence == NULL) {
        return false;
    }
    pthread_mutex_lock(&presence->lock);
    for (struct presence_list *list = next_list(presence->first, place); list != NULL && member == NULL;
         list = next_list(list->next, place)) {
        member = find_server(list, function, except, now);
    }
    if (member != NULL) {
        memcpy(ret_name, member->name, member->name_length);
        ret_name[member->name_length] = '\0';
    }
    pthread_mutex_unlock(&presence->lock);
    return member != NULL;
}

bool presence_is_watcher(struct daffi_span name) {
    const size_t length = sizeof PRESENCE_WATCHER - 1;
    return name.length >= length && memcmp(name.data, PRESENCE_WATCHER, length) == 0;
}
