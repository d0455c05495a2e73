/* The border between app.wasm and JavaScript: the only functions the module exports, and all it says.
 *
 * One instance of the module serves one client; it is compiled once a page. Everything lives in three fixed areas
 * and a small heap, so that memory does not grow with use:
 *   head    DAFFI_HEAD_MAX bytes: header and metadata of the message being built or read
 *   window  16 KiB: names, msgpack and other short things on their way in or out
 *   fields  32 integers: what a call has to say besides its result
 * JSON and raw payloads never enter. Handshakes, events and pickled errors do, through daffi_wasm_allocate.
 *
 * Results: >= 0 done; < 0 refused, and daffi_wasm_fault is a sentence in static memory; fields are then untouched but
 * for fields[0] of a MORE. Nothing here traps or asserts on any input. Text is UTF-8.
 *
 * Pointers are offsets into the module's memory, in arguments, results and fields alike. The module has no imports;
 * besides these functions it exports `memory` and `_initialize`, which is to be called once, first.
 *
 * The same sources are built natively too, for fuzzing (daffi_wasm_native). There a pointer does not fit a field:
 * the field only says that there is one (1) or none (0), and daffi_wasm_pointer has it. */
#ifndef DAFFI_WASM_EXPORTS_H
#define DAFFI_WASM_EXPORTS_H

#include <stdint.h>

#define DAFFI_WASM_ABI 1

enum { DAFFI_WASM_WINDOW = 16384, DAFFI_WASM_FIELDS = 32 };

/* Refusals, as negative results. */
enum {
    DAFFI_WASM_MORE = -1,      /* more input is needed: fields[0] bytes in all where known */
    DAFFI_WASM_BAD = -2,       /* the bytes are not what they should be */
    DAFFI_WASM_TOO_LARGE = -3, /* past a limit of the wire or of the window */
    DAFFI_WASM_NONE = -4,      /* no such member, function or call; or no id is free */
    DAFFI_WASM_MEMORY = -5,
};

uint32_t daffi_wasm_abi(void);
/* Two random numbers from the page's crypto, given once before any JSON is read and any call id is taken.
 * From `hashes` jansson's hashes of object keys start, so that no server can choose keys that collide. Without it (or with
 * 0) they start from a known number: everything works, but a hostile server can keep the page busy.
 * From `calls` the call ids start, so that a page that is loaded anew does not take those of the page before it, whose
 * answers may still come. Without it (or with 0) they start at 1. Ids are told to servers: hence the two. */
void daffi_wasm_seed(uint32_t hashes, uint32_t calls);
uint8_t *daffi_wasm_head(void);
uint8_t *daffi_wasm_window(void);
int32_t *daffi_wasm_fields(void);
const char *daffi_wasm_fault(void);          /* NUL-terminated ASCII */
uint8_t *daffi_wasm_allocate(uint32_t size); /* 0 without memory */
void daffi_wasm_release(uint8_t *memory);
#ifndef __wasm__
const void *daffi_wasm_pointer(uint32_t field); /* NULL where the field holds none */
#endif

/* Messages. encode: `metadata_length` bytes of metadata stand at head + 9; writes the header before them and
 * returns the bytes of the whole head. `kind`: flag | decoder << 4 | is_bytes << 6 | return_result << 7. */
int32_t daffi_wasm_message_encode(uint32_t uuid, uint32_t kind, uint32_t metadata_length,
                                  uint32_t payload_length);
/* decode: the first `available` bytes of one whole message of `size` bytes stand at head. Returns the offset of its
 * payload; fields: 0 uuid, 1 flag, 2 decoder, 3 is_bytes, 4 return_result, 5 size by its header, then offset and
 * length within head of 6,7 transmitter, 8,9 receiver, 10,11 function. MORE when header or metadata are not all
 * there: fields[0] is then the size of the whole message, or 9 where not even the header is. */
int32_t daffi_wasm_message_decode(uint32_t available);

/* Handshake out: begin with a name of `length` bytes in the window, a method for each function exposed (in the
 * window; 1 to 255 bytes of UTF-8 without a bar or a zero), then end: returns the JSON's length, fields[0] its
 * address, valid until the next begin.
 * Without any method the member's methods are null, unless `exposes` was 1. */
int32_t daffi_wasm_handshake_begin(uint32_t name_length, uint32_t exposes);
int32_t daffi_wasm_handshake_method(uint32_t length);
int32_t daffi_wasm_handshake_end(void);

/* A server's HANDSHAKE payload. `replace` 1: its members are all there are; 0: they are added. Returns 1 for a service,
 * 2 for a router; fields: 0,1 address and length of its error (0,0 none; valid until the next read), 2 bridge abi
 * (0 none), 3 maxMessage, 4 maxBatch, 5 heartbeat ms (these three as uint32, larger ones as its maximum), 6 count of
 * members in it, 7,8 address and length of their names joined by '|' (0,0 none; valid until the next read).
 * One with an error is a refusal, of which no member is taken. A failure leaves the registry as it was, but for
 * MEMORY and TOO_LARGE with `replace` 0, where some of the members may have been added. */
int32_t daffi_wasm_handshake_read(const uint8_t *json, uint32_t length, uint32_t replace);

/* An EVENTS payload. Returns 0 connected, 1 disconnected, 2 evicted; the member's name in the window, fields[0] its
 * length. disconnected and evicted remove it from the registry, unless it is the module's own name. */
int32_t daffi_wasm_event_read(const uint8_t *json, uint32_t length);

/* Members. Names go in and out by the window. A member keeps its index while nobody leaves. */
int32_t daffi_wasm_members_reset(
    uint32_t name_length); /* empties the registry; the name in the window is one's own */
int32_t daffi_wasm_members_count(void);
int32_t daffi_wasm_member_pick(uint32_t function_length); /* next in turn: its name's length, or NONE */
int32_t daffi_wasm_member_find(uint32_t name_length);     /* its index, or NONE */
int32_t daffi_wasm_member_name(uint32_t index);           /* length */
int32_t daffi_wasm_member_methods(uint32_t index);        /* how many; NONE where the member said null */
int32_t daffi_wasm_member_method(uint32_t index, uint32_t method);           /* length */
int32_t daffi_wasm_member_exposes(uint32_t index, uint32_t function_length); /* 1 or 0 */

/* Call ids. */
int32_t daffi_wasm_call_open(void);
int32_t daffi_wasm_call_close(uint32_t id);
int32_t daffi_wasm_calls_count(void);

/* msgpack out: each appends a head at window + at and returns the next `at`; TOO_LARGE when less than 18 bytes are
 * left (empty the window and go on). Bytes of texts and binaries are the caller's to put behind. */
int32_t daffi_wasm_pack_nil(uint32_t at);
int32_t daffi_wasm_pack_bool(uint32_t at, uint32_t value);
int32_t daffi_wasm_pack_number(uint32_t at, double value); /* an integer to 2^53-1 as integer, else float64 */
int32_t daffi_wasm_pack_int64(uint32_t at, int64_t value);
int32_t daffi_wasm_pack_uint64(uint32_t at, uint64_t value);
int32_t daffi_wasm_pack_text(uint32_t at, uint32_t bytes);
int32_t daffi_wasm_pack_binary(uint32_t at, uint32_t bytes);
int32_t daffi_wasm_pack_array(uint32_t at, uint32_t items);
int32_t daffi_wasm_pack_map(uint32_t at, uint32_t pairs);
int32_t daffi_wasm_pack_timestamp(uint32_t at, int64_t seconds, uint32_t nanoseconds);

/* msgpack in: reads one head at window + at, of which bytes up to `end` are filled. Returns the next `at`, or MORE, BAD.
 * fields: 0 kind (enum daffi_msgpack_kind), 1 extension type, 2 length or items (uint32); the 64-bit integer at
 * fields[4..5], the double at fields[6..7] (INT within 2^53 as a double too), nanoseconds at 8. */
int32_t daffi_wasm_unpack(uint32_t at, uint32_t end);

/* A pickled ERROR, of which nothing is executed. fields, addresses into the pickle itself: address and length of 0,1 type, 2,3 module, 4,5 text. */
int32_t daffi_wasm_pickle_error(const uint8_t *pickle, uint32_t length);

#endif
