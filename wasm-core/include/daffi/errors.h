/* The client's error codes, from errors.def. */
#ifndef DAFFI_ERRORS_H
#define DAFFI_ERRORS_H

#define DAFFI_ERROR_MODULE "daffi_bridge"

enum daffi_error_code {
#define DAFFI_ERROR_CODE(name, code, type, meaning) DAFFI_ERROR_##name,
#include "../../errors.def"
#undef DAFFI_ERROR_CODE
    DAFFI_ERROR_CODES
};

const char *daffi_error_code_name(enum daffi_error_code code); /* "no-such-member" */
const char *daffi_error_type_name(enum daffi_error_code code); /* "NoSuchMember" */
const char *daffi_error_meaning(enum daffi_error_code code);

#endif
