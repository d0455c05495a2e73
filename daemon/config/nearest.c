#include "config/nearest.h"

#include <stddef.h>
#include <string.h>

enum { WORD_MAX = 48 };

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Insertions, deletions and replacements, one row of the table at a time. */
static size_t distance(const char *a, const char *b) {
    size_t row[WORD_MAX + 1];
    size_t length = strlen(b);
    for (size_t j = 0; j <= length; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = smaller(replaced, smaller(row[j], row[j + 1]) + 1);
        }
    }
    return row[length];
}

const char *nearest_word(const char *word, const char *const *known) {
    const char *nearest = NULL;
    size_t length = strlen(word);
    size_t best = smaller(length / 2, 3) + 1;
    if (length > WORD_MAX) {
        return NULL;
    }
    for (size_t i = 0; known[i] != NULL; i++) {
        size_t edits = strlen(known[i]) <= WORD_MAX ? distance(word, known[i]) : best;
        if (edits < best) {
            best = edits;
            nearest = known[i];
        }
    }
    return nearest;
}
