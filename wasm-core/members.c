#include "daffi/members.h"

#include <errno.h>
#include <stdlib.h>

#include "name_table.h"

/* A member and its place in the order of arrival. `member` comes first: its first field is the name the table looks at. */
struct entry {
    struct daffi_member member;
    size_t place;
};

/* A function, who offers it, and whose turn it is. */
struct function {
    char *name; /* owned; first, for the table */
    struct entry **offers;
    size_t count, capacity;
    size_t turn; /* the place in `offers` to begin at */
};

struct daffi_members {
    char *self;
    struct name_table names;     /* of struct entry */
    struct name_table functions; /* of struct function, those that somebody offers */
    struct entry **order;
    size_t count, capacity;
};

/* Doubles a list of pointers when it is full. 0 or -ENOMEM. */
static int make_room(struct entry ***list, size_t count, size_t *capacity) {
    if (count < *capacity)
        return 0;
    const size_t larger = *capacity == 0 ? 4 : *capacity * 2;
    struct entry **moved = realloc(*list, larger * sizeof(void *));
    if (moved == NULL)
        return -ENOMEM;
    *list = moved;
    *capacity = larger;
    return 0;
}

static void free_entry(struct entry *entry) {
    if (entry == NULL)
        return;
    for (size_t i = 0; entry->member.methods != NULL && i < entry->member.methods_count; i++)
        free(entry->member.methods[i]);
    free(entry->member.methods);
    free(entry->member.name);
    free(entry);
}

static struct entry *copy_entry(const struct daffi_member *member) {
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    entry->member.name = daffi_span_copy(daffi_span_text(member->name));
    if (member->methods != NULL)
        entry->member.methods = calloc(member->methods_count + 1, sizeof *entry->member.methods);
    bool whole = entry->member.name != NULL && (member->methods == NULL) == (entry->member.methods == NULL);
    for (size_t i = 0; whole && member->methods != NULL && i < member->methods_count; i++) {
        entry->member.methods[i] = daffi_span_copy(daffi_span_text(member->methods[i]));
        entry->member.methods_count = i + 1;
        whole = entry->member.methods[i] != NULL;
    }
    if (whole)
        return entry;
    free_entry(entry);
    return NULL;
}

static void free_function(struct function *function) {
    free(function->offers);
    free(function->name);
    free(function);
}

static int offer(struct daffi_members *members, const char *name, struct entry *entry) {
    struct function *function = name_table_find(&members->functions, daffi_span_text(name));
    if (function == NULL) {
        function = calloc(1, sizeof *function);
        if (function == NULL)
            return -ENOMEM;
        function->name = daffi_span_copy(daffi_span_text(name));
        if (function->name == NULL || make_room(&function->offers, 0, &function->capacity) < 0 ||
            name_table_add(&members->functions, function) < 0) {
            free_function(function);
            return -ENOMEM;
        }
    }
    if (make_room(&function->offers, function->count, &function->capacity) < 0)
        return -ENOMEM;
    function->offers[function->count++] = entry;
    return 0;
}

/* Where the entry stands among those that offer the function; NULL where it does not. */
static struct entry **place_of_offer(const struct daffi_members *members, const char *name,
                                     const struct entry *entry) {
    const struct function *function = name_table_find(&members->functions, daffi_span_text(name));
    for (size_t at = 0; function != NULL && at < function->count; at++) {
        if (function->offers[at] == entry)
            return &function->offers[at];
    }
    return NULL;
}

/* Takes the offer back; whoever had the next turn keeps it. */
static void withdraw(struct daffi_members *members, const char *name, const struct entry *entry) {
    struct entry **const place = place_of_offer(members, name, entry);
    if (place == NULL)
        return;
    struct function *function = name_table_find(&members->functions, daffi_span_text(name));
    const size_t at = (size_t)(place - function->offers);
    function->count--;
    memmove(place, place + 1, (function->count - at) * sizeof(struct entry *));
    if (at < function->turn)
        function->turn--;
    if (function->count == 0) {
        name_table_remove(&members->functions, daffi_span_text(name));
        free_function(function);
    }
}

static void withdraw_first(struct daffi_members *members, const struct entry *entry, size_t count) {
    for (size_t i = 0; entry->member.methods != NULL && i < count; i++)
        withdraw(members, entry->member.methods[i], entry);
}

static int offer_all(struct daffi_members *members, struct entry *entry) {
    for (size_t i = 0; entry->member.methods != NULL && i < entry->member.methods_count; i++) {
        const int result = offer(members, entry->member.methods[i], entry);
        if (result < 0) {
            withdraw_first(members, entry, i);
            return result;
        }
    }
    return 0;
}

int daffi_members_new(struct daffi_span self, struct daffi_members **ret_members) {
    struct daffi_members *members = calloc(1, sizeof *members);
    if (members == NULL)
        return -ENOMEM;
    members->self = daffi_span_copy(self);
    if (members->self == NULL) {
        free(members);
        return -ENOMEM;
    }
    *ret_members = members;
    return 0;
}

void daffi_members_clear(struct daffi_members *members) {
    for (size_t i = 0; i < members->functions.capacity; i++) {
        if (members->functions.slots[i] != NULL)
            free_function(members->functions.slots[i]);
    }
    for (size_t i = 0; i < members->count; i++)
        free_entry(members->order[i]);
    name_table_free(&members->functions);
    name_table_free(&members->names);
    free(members->order);
    members->order = NULL;
    members->count = 0;
    members->capacity = 0;
}

void daffi_members_free(struct daffi_members *members) {
    if (members == NULL)
        return;
    daffi_members_clear(members);
    free(members->self);
    free(members);
}

static int add_entry(struct daffi_members *members, struct entry *entry) {
    if (members->count == DAFFI_MEMBERS_MAX)
        return -ENOSPC;
    if (make_room(&members->order, members->count, &members->capacity) < 0 || offer_all(members, entry) < 0)
        return -ENOMEM;
    if (name_table_add(&members->names, entry) < 0) {
        withdraw_first(members, entry, entry->member.methods_count);
        return -ENOMEM;
    }
    entry->place = members->count;
    members->order[members->count++] = entry;
    return 0;
}

/* Whose functions stay keeps its turns: the new entry stands where the former stood. */
static int replace_entry(struct daffi_members *members, struct entry *former, struct entry *entry) {
    const struct daffi_member *member = &entry->member;
    for (size_t i = 0; member->methods != NULL && i < member->methods_count; i++) {
        const int result = place_of_offer(members, member->methods[i], former) == NULL
                               ? offer(members, member->methods[i], entry)
                               : 0;
        if (result < 0) {
            withdraw_first(members, entry, i);
            return result;
        }
    }
    for (size_t i = 0; member->methods != NULL && i < member->methods_count; i++) {
        struct entry **const place = place_of_offer(members, member->methods[i], former);
        if (place != NULL)
            *place = entry;
    }
    withdraw_first(members, former, former->member.methods_count);
    entry->place = former->place;
    members->order[entry->place] = entry;
    name_table_replace(&members->names, entry);
    free_entry(former);
    return 0;
}

int daffi_members_put(struct daffi_members *members, const struct daffi_member *member) {
    struct entry *entry = copy_entry(member);
    if (entry == NULL)
        return -ENOMEM;
    struct entry *former = name_table_find(&members->names, daffi_span_text(member->name));
    const int result = former == NULL ? add_entry(members, entry) : replace_entry(members, former, entry);
    if (result < 0)
        free_entry(entry);
    return result;
}

bool daffi_members_remove(struct daffi_members *members, struct daffi_span name) {
    struct entry *entry = name_table_remove(&members->names, name);
    if (entry == NULL)
        return false;
    withdraw_first(members, entry, entry->member.methods_count);
    members->count--;
    for (size_t i = entry->place; i < members->count; i++) {
        members->order[i] = members->order[i + 1];
        members->order[i]->place = i;
    }
    free_entry(entry);
    return true;
}

size_t daffi_members_count(const struct daffi_members *members) {
    return members->count;
}

const struct daffi_member *daffi_members_pick(struct daffi_members *members, struct daffi_span function) {
    struct function *found = name_table_find(&members->functions, function);
    for (size_t i = 0; found != NULL && i < found->count; i++) {
        const size_t at = (found->turn + i) % found->count;
        const struct entry *entry = found->offers[at];
        if (strcmp(entry->member.name, members->self) != 0) {
            found->turn = at + 1; /* may be the end: who joins next stands there */
            return &entry->member;
        }
    }
    return NULL;
}

const struct daffi_member *daffi_members_find(const struct daffi_members *members, struct daffi_span name) {
    const struct entry *entry = name_table_find(&members->names, name);
    return entry == NULL ? NULL : &entry->member;
}

const struct daffi_member *daffi_members_at(const struct daffi_members *members, size_t index) {
    return index < members->count ? &members->order[index]->member : NULL;
}

bool daffi_member_exposes(const struct daffi_member *member, struct daffi_span function) {
    for (size_t i = 0; member->methods != NULL && i < member->methods_count; i++) {
        if (daffi_span_equal(daffi_span_text(member->methods[i]), function))
            return true;
    }
    return false;
}
