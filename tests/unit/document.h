/* Documents that are made from tables of the source, and have to hold what these say. */
#ifndef DOCUMENT_H
#define DOCUMENT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline char *read_whole(const char *path) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return calloc(1, 1);
    }
    char *text = NULL;
    size_t size = 0;
    ssize_t length = getdelim(&text, &size, '\0', file);
    fclose(file);
    if (length < 0) {
        free(text);
        return calloc(1, 1);
    }
    return text;
}

/* The file has to hold `text`; when asked to, it is made to. */
static inline void assert_document(const char *path, const char *text) {
    if (getenv("DAFFI_WRITE_DOCUMENTS") != NULL) {
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
        assert_int_equal(fclose(file), 0);
    }
    char *found = read_whole(path);
    if (strcmp(found, text) != 0) {
        print_error("%s is not what the table says; DAFFI_WRITE_DOCUMENTS=1 writes it anew\n", path);
    }
    assert_string_equal(found, text);
    free(found);
}

#endif
