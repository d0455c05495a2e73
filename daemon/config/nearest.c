#include "config/nearest.h"

#include <stddef.h>
#include <string.h>

enum { WORD_MAX = 48 };

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Insertions, deletions, replacements, and letters that have changed places; one row of the table at a time. */
static size_t distance(const char *a, const char *b) {
    size_t rows[3][WORD_MAX + 1]; /* of i - 2, i - 1 and i, in turn */
    size_t length = strlen(b);
    size_t i = 0;
    for (size_t j = 0; j <= length; j++) {
        rows[0][j] = j;
    }
    for (i = 1; a[i - 1] != '\0'; i++) {
        const size_t *before = rows[(i + 1) % 3];
        const size_t *last = rows[(i + 2) % 3];
        size_t *row = rows[i % 3];
        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t replaced = last[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = smaller(replaced, smaller(row[j - 1], last[j]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = smaller(row[j], before[j - 2] + 1);
            }
        }
    }
    return rows[(i - 1) % 3][length];
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
