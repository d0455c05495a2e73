/* jansson as app.wasm has it: its public configuration (the names are jansson's). The build takes this in place of the file that
 * jansson's own configuration would make. */
#ifndef JANSSON_CONFIG_H
#define JANSSON_CONFIG_H

#define JSON_INLINE               inline
#define JSON_INTEGER_IS_LONG_LONG 1
#define JSON_HAVE_LOCALECONV      0
#define JSON_HAVE_ATOMIC_BUILTINS 0
#define JSON_HAVE_SYNC_BUILTINS   0

/* A handshake nests four levels, a future one a few more. The parser and json_decref recurse: with this many levels
 * they stay well within the module's 64 KiB of stack. */
#define JSON_PARSER_MAX_DEPTH 128

#endif
