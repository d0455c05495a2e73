/* Tests made of the vectors in a file: one each, whose state is the vector. */
#ifndef TESTS_VECTORS_H
#define TESTS_VECTORS_H

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* Runs `test` for each of "vectors" in `path`, a JSON file; how many failed. `flags` are those of json_load_file. */
static inline int vectors_run(const char *title, const char *path, size_t flags, CMUnitTestFunction test,
                              CMFixtureFunction set_up, CMFixtureFunction tear_down) {
    enum { VECTORS_MAX = 64 };
    json_error_t error;
    json_t *file = json_load_file(path, flags, &error);
    const json_t *vectors = json_object_get(file, "vectors");
    struct CMUnitTest each[VECTORS_MAX] = {{NULL}};
    const size_t count = json_array_size(vectors);
    if (count == 0 || count > VECTORS_MAX) {
        fprintf(stderr, "vectors: %s, %zu of them\n", error.text, count);
        json_decref(file);
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        json_t *object = json_array_get(vectors, i);
        each[i] = (struct CMUnitTest){.name = json_string_value(json_object_get(object, "name")),
                                      .test_func = test,
                                      .initial_state = object};
    }
    int failed = _cmocka_run_group_tests(title, each, count, set_up, tear_down);
    json_decref(file);
    return failed;
}

#endif
