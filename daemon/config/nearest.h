/* The nearest of some known words to one that was mistyped. */
#ifndef NEAREST_H
#define NEAREST_H

/* The word of the NULL-terminated list that takes the fewest edits (Damerau and Levenshtein) to become `word`; NULL when none is
 * near. */
const char *nearest_word(const char *word, const char *const *known);

#endif
