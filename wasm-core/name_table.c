#include "name_table.h"

#include <errno.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 16 };

static const char *name_of(const void *item) {
    const char *name;
    memcpy(&name, item, sizeof(char *));
    return name;
}

/* FNV-1a, 64 bits. */
static size_t hash(struct daffi_span name) {
    uint64_t value = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < name.length; i++)
        value = (value ^ name.data[i]) * UINT64_C(0x100000001b3);
    return (size_t)(value ^ value >> 32);
}

/* The slot that holds the name, or the free one where it would stand. */
static size_t slot_of(const struct name_table *table, struct daffi_span name) {
    const size_t mask = table->capacity - 1;
    size_t slot = hash(name) & mask;
    while (table->slots[slot] != NULL &&
           !daffi_span_equal(daffi_span_text(name_of(table->slots[slot])), name))
        slot = (slot + 1) & mask;
    return slot;
}

void *name_table_find(const struct name_table *table, struct daffi_span name) {
    return table->capacity == 0 ? NULL : table->slots[slot_of(table, name)];
}

static int grow(struct name_table *table) {
    struct name_table larger = {.capacity = table->capacity == 0 ? CAPACITY_MIN : table->capacity * 2,
                                .count = table->count};
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (larger.slots == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i] != NULL)
            larger.slots[slot_of(&larger, daffi_span_text(name_of(table->slots[i])))] = table->slots[i];
    }
    free(table->slots);
    *table = larger;
    return 0;
}

int name_table_add(struct name_table *table, void *item) {
    if (table->count * 2 >= table->capacity) {
        const int result = grow(table);
        if (result < 0)
            return result;
    }
    table->slots[slot_of(table, daffi_span_text(name_of(item)))] = item;
    table->count++;
    return 0;
}

void name_table_replace(struct name_table *table, void *item) {
    table->slots[slot_of(table, daffi_span_text(name_of(item)))] = item;
}

void *name_table_remove(struct name_table *table, struct daffi_span name) {
    if (table->capacity == 0)
        return NULL;
    const size_t mask = table->capacity - 1;
    size_t hole = slot_of(table, name);
    void *const removed = table->slots[hole];
    if (removed == NULL)
        return NULL;
    /* What stands behind and may stand in the hole moves up, so that no search ends at it too early. */
    for (size_t next = (hole + 1) & mask; table->slots[next] != NULL; next = (next + 1) & mask) {
        const size_t home = hash(daffi_span_text(name_of(table->slots[next]))) & mask;
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            table->slots[hole] = table->slots[next];
            hole = next;
        }
    }
    table->slots[hole] = NULL;
    table->count--;
    return removed;
}

void name_table_free(struct name_table *table) {
    free(table->slots);
    *table = (struct name_table){0};
}
