/* The names of errors.def as C strings. */
#include "daffi/errors.h"

struct error_row {
    const char *code, *type, *meaning;
};

static const struct error_row error_rows[DAFFI_ERROR_CODES] = {
#define DAFFI_ERROR_CODE(name, code, type, meaning) [DAFFI_ERROR_##name] = {code, type, meaning},
#include "errors.def"
#undef DAFFI_ERROR_CODE
};

/* A number that came over a border (JavaScript, a configuration) may lie outside the enum. */
static const struct error_row *error_row_of(enum daffi_error_code code) {
    static const struct error_row unknown = {"unknown", "Unknown", "no error code of this client"};
    return (unsigned)code < DAFFI_ERROR_CODES ? &error_rows[code] : &unknown;
}

const char *daffi_error_code_name(enum daffi_error_code code) {
    return error_row_of(code)->code;
}

const char *daffi_error_type_name(enum daffi_error_code code) {
    return error_row_of(code)->type;
}

const char *daffi_error_meaning(enum daffi_error_code code) {
    return error_row_of(code)->meaning;
}
