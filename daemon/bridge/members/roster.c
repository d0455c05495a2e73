#include "bridge/members/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "bridge/members/name_hash.h"

enum { CAPACITY_MIN = 16, WORD_BITS = 64 };

bool roster_entry_exposes(const struct roster_entry *entry, struct daffi_span function) {
    return methods_have(&entry->methods, function);
}

/* -- entries -- */

/* One block: the entry, its methods, then its name. */
static struct roster_entry *new_entry(const struct daffi_member *member) {
    size_t size = methods_size(member);
    size_t name_length = strlen(member->name);
    struct roster_entry *entry = calloc(1, sizeof *entry + size + name_length);
    if (entry == NULL) {
        return NULL;
    }
    entry->methods = methods_write(member, entry + 1);
    uint8_t *name = (uint8_t *)(entry + 1) + size;
    memcpy(name, member->name, name_length);
    entry->name = daffi_span_of(name, name_length);
    return entry;
}

bool roster_entry_is(const struct roster_entry *entry, const struct daffi_member *member) {
    size_t count = member->methods != NULL ? member->methods_count : 0;
    if (entry->methods.count != count || !daffi_span_equal(entry->name, daffi_span_text(member->name))) {
        return false;
    }
    for (size_t i = 0; i < count; i++) { /* none is there twice */
        if (!roster_entry_exposes(entry, daffi_span_text(member->methods[i]))) {
            return false;
        }
    }
    return true;
}

/* -- the table -- */

static struct roster_entry **bucket_of(const struct roster *roster, uint64_t hash) {
    return &roster->buckets[(size_t)(hash >> 32) & (roster->capacity - 1)];
}

static int grow_buckets(struct roster *roster) {
    size_t capacity = roster->capacity == 0 ? CAPACITY_MIN : roster->capacity * 2;
    struct roster old = *roster;
    struct roster_entry **buckets = calloc(capacity, sizeof(struct roster_entry *));
    if (buckets == NULL || (old.capacity == 0 && getrandom(&roster->seed, sizeof roster->seed, 0) < 0)) {
        free(buckets);
        return -ENOMEM;
    }
    roster->buckets = buckets;
    roster->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++) {
        while (old.buckets[i] != NULL) {
            struct roster_entry *entry = old.buckets[i];
            old.buckets[i] = entry->next;
            struct roster_entry **bucket = bucket_of(roster, entry->hash);
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    free(old.buckets);
    return 0;
}

static int find_place(struct roster *roster, size_t *ret_place) {
    for (size_t i = 0; i < roster->places_capacity && roster->count < roster->places_capacity; i++) {
        if (roster->places[i] == NULL) {
            *ret_place = i;
            return 0;
        }
    }
    size_t capacity = roster->places_capacity == 0 ? WORD_BITS : roster->places_capacity * 2;
    struct roster_entry **places = realloc(roster->places, capacity * sizeof(struct roster_entry *));
    if (places == NULL) {
        return -ENOMEM;
    }
    memset(places + roster->places_capacity, 0,
           (capacity - roster->places_capacity) * sizeof(struct roster_entry *));
    *ret_place = roster->places_capacity;
    roster->places = places;
    roster->places_capacity = capacity;
    return 0;
}

/* The entry that says just that, made if there is none. */
static int intern(struct roster *roster, const struct daffi_member *member, struct roster_entry **ret_entry) {
    if (roster->count >= roster->capacity) {
        int status = grow_buckets(roster);
        if (status < 0) {
            return status;
        }
    }
    uint64_t hash = name_hash(roster->seed, daffi_span_text(member->name));
    struct roster_entry **bucket = bucket_of(roster, hash);
    for (struct roster_entry *entry = *bucket; entry != NULL; entry = entry->next) {
        if (entry->hash == hash && roster_entry_is(entry, member)) {
            *ret_entry = entry;
            return 0;
        }
    }
    struct roster_entry *entry = new_entry(member);
    if (entry == NULL || find_place(roster, &entry->place) < 0) {
        free(entry);
        return -ENOMEM;
    }
    entry->hash = hash;
    entry->next = *bucket;
    *bucket = entry;
    roster->places[entry->place] = entry;
    roster->count++;
    *ret_entry = entry;
    return 0;
}

static void drop_unseen(struct roster *roster, struct roster_entry *entry) {
    if (entry->views > 0) {
        return;
    }
    struct roster_entry **at = bucket_of(roster, entry->hash);
    while (*at != entry) {
        at = &(*at)->next;
    }
    *at = entry->next;
    roster->places[entry->place] = NULL;
    roster->count--;
    free(entry);
}

void roster_clear(struct roster *roster) {
    for (size_t i = 0; i < roster->places_capacity; i++) {
        free(roster->places[i]);
    }
    free(roster->places);
    free(roster->buckets);
    *roster = (struct roster){0};
}

/* -- views -- */

static bool holds(const struct roster_view *view, const struct roster_entry *entry) {
    size_t word = entry->place / WORD_BITS;
    return word < view->words && (view->bits[word] >> entry->place % WORD_BITS & 1U) != 0;
}

struct roster_entry *roster_find(const struct roster *roster, const struct roster_view *view,
                                 struct daffi_span name) {
    if (roster->capacity == 0) {
        return NULL;
    }
    uint64_t hash = name_hash(roster->seed, name);
    for (struct roster_entry *entry = *bucket_of(roster, hash); entry != NULL; entry = entry->next) {
        if (entry->hash == hash && holds(view, entry) && daffi_span_equal(entry->name, name)) {
            return entry;
        }
    }
    return NULL;
}

static int widen(struct roster_view *view, size_t place) {
    size_t words = place / WORD_BITS + 1;
    if (words <= view->words) {
        return 0;
    }
    words = words > view->words * 2 ? words : view->words * 2;
    uint64_t *bits = realloc(view->bits, words * sizeof *bits);
    if (bits == NULL) {
        return -ENOMEM;
    }
    memset(bits + view->words, 0, (words - view->words) * sizeof *bits);
    view->bits = bits;
    view->words = words;
    return 0;
}

int roster_put(struct roster *roster, struct roster_view *view, const struct daffi_member *member) {
    struct roster_entry *entry = NULL;
    int status = intern(roster, member, &entry);
    if (status < 0) {
        return status;
    }
    status = widen(view, entry->place);
    if (status < 0) {
        drop_unseen(roster, entry);
        return status;
    }
    view->bits[entry->place / WORD_BITS] |= UINT64_C(1) << entry->place % WORD_BITS;
    entry->views++;
    return 0;
}

void roster_remove(struct roster *roster, struct roster_view *view, struct roster_entry *entry) {
    view->bits[entry->place / WORD_BITS] &= ~(UINT64_C(1) << entry->place % WORD_BITS);
    entry->views--;
    drop_unseen(roster, entry);
}

void roster_view_clear(struct roster *roster, struct roster_view *view) {
    for (size_t word = 0; word < view->words; word++) {
        while (view->bits[word] != 0) {
            size_t bit = (size_t)__builtin_ctzll(view->bits[word]);
            roster_remove(roster, view, roster->places[word * WORD_BITS + bit]);
        }
    }
    free(view->bits);
    *view = (struct roster_view){0};
}
