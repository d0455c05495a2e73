/* A hash table of things that have a name: open addressing, linear probing, at most half full. The table holds pointers to
 * structs whose first field is their NUL-terminated name; it owns none of them. */
#ifndef DAFFI_NAME_TABLE_H
#define DAFFI_NAME_TABLE_H

#include "daffi/span.h"

struct name_table {
    void **slots;    /* NULL: free */
    size_t capacity; /* 0, or a power of two */
    size_t count;
};

void *name_table_find(const struct name_table *table, struct daffi_span name);

/* Puts an item whose name is not there yet. 0 or -ENOMEM. */
int name_table_add(struct name_table *table, void *item);

/* Puts `item` in the place of the one of the same name, which must be there. */
void name_table_replace(struct name_table *table, void *item);

/* Takes the item of that name out; NULL when it was not there. */
void *name_table_remove(struct name_table *table, struct daffi_span name);

void name_table_free(struct name_table *table); /* the slots, not the items */

#endif
