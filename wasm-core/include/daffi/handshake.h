/* HANDSHAKE and EVENTS payloads, both ways; read through jansson.   (protocol.md, "Handshake", "Router") */
#ifndef DAFFI_HANDSHAKE_H
#define DAFFI_HANDSHAKE_H

#include "daffi/span.h"

enum {
    DAFFI_NAME_MAX = 255,      /* bytes of a member's or function's name */
    DAFFI_METHODS_MAX = 4096,  /* functions of one member */
    DAFFI_MEMBERS_MAX = 16384, /* members of one handshake */
};

enum daffi_handshake_type { DAFFI_TYPE_CLIENT, DAFFI_TYPE_SERVICE, DAFFI_TYPE_ROUTER };

struct daffi_member {
    char *name;     /* NUL-terminated UTF-8; owned by the handshake */
    char **methods; /* methods_count names; NULL where the peer said null */
    size_t methods_count;
};

/* ms. Longer ones, which no timer of a page may hold, are read as this. */
enum { DAFFI_HEARTBEAT_MAX = 3600000 };

/* What our bridge tells our client (protocol.md, "Between daffi.js and the bridge"); abi 0: no bridge. */
struct daffi_bridge_offer {
    unsigned abi;
    size_t max_message; /* bytes of a whole daffi message */
    size_t max_batch;   /* bytes of one WebSocket message of several; 0: no batches */
    unsigned heartbeat; /* ms between empty messages; 0: none */
};

struct daffi_handshake {
    enum daffi_handshake_type type;
    char *error; /* NULL when none */
    struct daffi_bridge_offer bridge;
    struct daffi_member *members;
    size_t members_count;
};

/* A name that any peer may bear: 1 to DAFFI_NAME_MAX bytes of UTF-8 without '|', ',', or a control
 * character. Returns 0, or -EINVAL with a sentence in *ret_fault. */
int daffi_name_check(struct daffi_span name, struct daffi_fault *ret_fault);

/* Reads what a client sends: {"meta":{"type":"client"[,"error":null]},"members":[{"name":N,"methods":[...]|null}]},
 * exactly one member, names as daffi_name_check, functions of 1 to 255 bytes without '|' and none twice, no unknown field;
 * methods may be missing, which is null.
 * Returns 0 and *ret_handshake, for daffi_handshake_free; -EBADMSG with *ret_fault; -ENOMEM. */
int daffi_handshake_parse_client(struct daffi_span json, struct daffi_handshake **ret_handshake,
                                 struct daffi_fault *ret_fault);

/* Reads what a server sends: type service or router, any number of members up to DAFFI_MEMBERS_MAX,
 * unknown fields ignored, and members whose name or functions could not be called left out. Returns as above. */
int daffi_handshake_parse_server(struct daffi_span json, struct daffi_handshake **ret_handshake,
                                 struct daffi_fault *ret_fault);

/* Writes a handshake as compact JSON, byte for byte as the reference does: the "error" key is left out for
 * clients and written for servers; "bridge" stands in meta only where abi is not 0.
 * Returns 0 and a malloc'ed buffer of *ret_length bytes, the caller's to free; -ENOMEM. */
int daffi_handshake_format(const struct daffi_handshake *handshake, char **ret_json, size_t *ret_length);

void daffi_handshake_free(struct daffi_handshake *handshake); /* NULL-safe */

enum daffi_event_type { DAFFI_EVENT_CONNECTED, DAFFI_EVENT_DISCONNECTED, DAFFI_EVENT_EVICTED };

struct daffi_event {
    enum daffi_event_type type;
    char member[DAFFI_NAME_MAX + 1];
};

/* Reads {"type":..., "member":...}. 0, or -EBADMSG with *ret_fault, or -ENOMEM. */
int daffi_event_parse(struct daffi_span json, struct daffi_event *ret_event, struct daffi_fault *ret_fault);

/* Writes it; returns as daffi_handshake_format. */
int daffi_event_format(const struct daffi_event *event, char **ret_json, size_t *ret_length);

#endif
